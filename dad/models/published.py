"""Weights that timm's names stand for: fetched, in a cache, or in a folder."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import timm
from torch import nn

from dad.checkpoints import require_whole
from dad.checkpoints.downloads import find_in_torch_cache, prepare_hub, require_reachable
from dad.errors import DataError

_ADVICE = "fetch them elsewhere and give the file: {}"


def create_published(create: Callable[[], Any], name: str, flag: str, advice: str) -> nn.Module:
    """Build a model by `create` with its published weights; `flag` named it, and `advice` says what a user without a
    network can give instead.

    Raises:
        DataError: there are none, they are damaged, or there is no way to them.
    """
    advice = _ADVICE.format(advice)
    _prepare(name, flag, advice)
    try:
        model: nn.Module = create()
    except (OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:120]
        raise DataError(f"{flag} {name}: its weights cannot be loaded ({reason}); {advice}") from error
    return model


def _prepare(name: str, flag: str, advice: str) -> None:
    scheme, _, place = name.partition(":")
    if scheme in ("hf_hub", "hf-hub"):
        prepare_hub()
    config: Any = timm.get_pretrained_cfg(name) if timm.is_model(name) else None
    if config is not None and config.hf_hub_id:
        prepare_hub()
    elif config is not None and config.url and not find_in_torch_cache(config.url):
        require_reachable(f"{flag} {name}", config.url, advice)
    for path in _files(place if scheme == "local-dir" else "", config):
        require_whole(path)


def _files(folder: str, config: Any) -> Iterator[Path]:
    """Yield the files of weights that are here already."""
    if folder:
        yield from (path for path in sorted(Path(folder).glob("*")) if path.suffix in (".safetensors", ".bin", ".pth"))
    if config is None or not config.hf_hub_id:
        return
    from huggingface_hub import try_to_load_from_cache  # slow to import, and most runs fetch nothing

    repository, _, revision = config.hf_hub_id.partition("@")
    for name in filter(None, (config.hf_hub_filename, "model.safetensors", "pytorch_model.bin")):
        found = try_to_load_from_cache(repository, name, revision=revision or None)
        if isinstance(found, str):
            yield Path(found)
