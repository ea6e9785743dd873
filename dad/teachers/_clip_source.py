"""What a CLIP's spec means: its architecture, its configuration, and where its weights are.

Weights do not say how they were trained. OpenAI's with GELU in place of QuickGELU lose 4 points without a word
(open_clip issue 1109), as others do with OpenAI's mean and std. So a configuration comes from a tag or a folder.
"""

import difflib
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import open_clip
from open_clip.factory import _find_checkpoint_in_dir
from open_clip.pretrained import download_pretrained, download_pretrained_from_hf

from dad.checkpoints.downloads import prepare_hub, require_reachable
from dad.errors import DataError, UsageError
from dad.files import read_json

_logger = logging.getLogger(__name__)
LOCAL, HUB = "local-dir:", "hf-hub:"
CONFIG_FILE = "open_clip_config.json"


@dataclass(frozen=True)
class Training:
    """How weights were trained, where the tags of a model differ."""

    quick_gelu: bool
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    interpolation: str | None
    resize_mode: str | None

    @classmethod
    def of(cls, model: str, tag: str) -> "Training":
        """Return what open_clip knows of a tag; a model's own QuickGELU holds for all of its tags."""
        known = open_clip.get_pretrained_cfg(model, tag)
        quick = known.get("quick_gelu", False) or open_clip.get_model_config(model).get("quick_gelu", False)
        mean, std = (None if name not in known else tuple(known[name]) for name in ("mean", "std"))
        return cls(bool(quick), mean, std, known.get("interpolation"), known.get("resize_mode"))

    def preprocessing(self) -> dict[str, Any]:
        """Return what `open_clip.create_model` is told by `force_preprocess_cfg`."""
        return {name: value for name, value in asdict(self).items() if name != "quick_gelu" and value is not None}


@dataclass(frozen=True)
class ClipSource:
    """A CLIP to build.

    Attributes:
        spec: as the user wrote it.
        name: open_clip's name of the model, or the folder or hub repository that describes it, with its scheme.
        tag: whose configuration is taken, and whose weights if there is no `file`.
        training: of a model of open_clip's; a folder or repository has its own.
    """

    spec: str
    name: str
    tag: str = ""
    file: str = ""
    training: Training | None = None

    @property
    def label(self) -> str:
        """What a fingerprint may hold of the spec: neither the place of weights nor the name of their file."""
        return "/".join(filter(None, ["clip", "" if self.name.startswith((LOCAL, HUB)) else self.name, self.tag]))

    def find_weights(self) -> str:
        """Return the file of the weights, which is fetched if need be.

        Raises:
            DataError: it is not there, and cannot be fetched.
        """
        if self.file:
            return self.file
        if self.name.startswith(LOCAL):
            found: str | None = _find_checkpoint_in_dir(Path(self.name.removeprefix(LOCAL)))
            if not found:
                raise DataError(f"--teacher {self.spec}: the folder has no weights (*.safetensors, *.bin or *.pth)")
            return found
        return self._download()

    def _download(self) -> str:
        advice = "fetch them elsewhere and give the folder: clip/local-dir:FOLDER"
        if self.tag:
            advice = f"fetch them elsewhere and give the file: clip/{self.name}/{self.tag}@FILE"
        known: Mapping[str, Any] = published(self) if self.tag else {"hf_hub": "x/"}
        if known.get("hf_hub"):
            prepare_hub()
        elif not (Path("~/.cache/clip").expanduser() / Path(known["url"]).name).is_file():
            require_reachable(f"--teacher {self.spec}", known["url"], advice)
        try:
            if self.tag:
                return str(download_pretrained(known))
            return str(download_pretrained_from_hf(self.name.removeprefix(HUB)))
        except (OSError, RuntimeError, ValueError) as error:
            raise DataError(
                f"--teacher {self.spec}: its weights are not here and cannot be fetched "
                f"({' '.join(str(error).split())[:100]}); {advice}"
            ) from error


def find_source(spec: str) -> ClipSource:
    """Return what a spec that begins with `clip/` means; nothing is loaded.

    Raises:
        UsageError: no such model or tag, with the nearest; or a file of which the model does not say enough.
        DataError: a named file or folder is missing.
    """
    name = spec.removeprefix("clip/")
    if name.startswith((LOCAL, HUB)):
        if name.startswith(LOCAL) and not (Path(name.removeprefix(LOCAL)) / CONFIG_FILE).is_file():
            raise DataError(
                f"--teacher {spec}: {name.removeprefix(LOCAL)} has no {CONFIG_FILE}; give a folder that open_clip saved"
            )
        return ClipSource(spec, name)
    model, _, rest = name.partition("/")
    if model not in open_clip.list_models():
        near = difflib.get_close_matches(model, open_clip.list_models(), n=3)
        raise UsageError(f"--teacher {spec}: open_clip has no model '{model}'; near names: {', '.join(near) or 'none'}")
    tags = open_clip.list_pretrained_tags_by_model(model)
    tag, at, file = rest.partition("@")
    if _clean(tag) in tags:
        if at and not Path(file).is_file():
            raise DataError(f"--teacher {spec}: {file or 'after the @'}: no such file")
        return ClipSource(spec, model, _clean(tag), file, Training.of(model, _clean(tag)))
    if not Path(rest).is_file():
        known = ", ".join(tags) or "it has none"
        raise UsageError(f"--teacher {spec}: '{tag}' is neither a file nor a tag of {model} ({known})")
    return ClipSource(spec, model, "", rest, _agreed(spec, model, tags, rest))


def read_config(source: ClipSource) -> dict[str, Any]:
    """Return the configuration of a model in a folder or repository: `model_cfg` and `preprocess_cfg`.

    Raises:
        DataError: it is not there, or not of that form.
    """
    if source.name.startswith(LOCAL):
        place = Path(source.name.removeprefix(LOCAL)) / CONFIG_FILE
    else:
        prepare_hub()
        try:
            place = Path(download_pretrained_from_hf(source.name.removeprefix(HUB), filename=CONFIG_FILE))
        except OSError as error:
            reason = " ".join(str(error).split())[:100]
            raise DataError(
                f"--teacher {source.spec}: its configuration is not here and cannot be fetched ({reason}); fetch the "
                "repository elsewhere and give the folder: clip/local-dir:FOLDER"
            ) from error
    config = read_json(place, "give one that open_clip saved")
    if not isinstance(config.get("model_cfg"), dict) or not isinstance(config.get("preprocess_cfg", {}), dict):
        raise DataError(f"--teacher {source.spec}: {place} has no model_cfg; give a file that open_clip saved")
    return config


def published(source: ClipSource) -> Mapping[str, Any]:
    """Return what open_clip knows of the weights of a model and tag: `hf_hub`, `url`."""
    known: Mapping[str, Any] = open_clip.get_pretrained_cfg(source.name, source.tag)
    return known


def tokenizer_repository(source: ClipSource) -> str:
    """Return the hub's repository that the tokenizer of a model of open_clip's comes from; nothing where open_clip
    brings it, or it lies beside the weights."""
    if source.training is None:
        return ""
    return str(open_clip.get_model_config(source.name).get("text_cfg", {}).get("hf_tokenizer_name") or "")


def _clean(tag: str) -> str:
    """Spell a tag as open_clip lists it."""
    return tag.lower().replace("-", "_")


def _agreed(spec: str, model: str, tags: list[str], file: str) -> Training:
    """Return how all weights of a model were trained."""
    found = {Training.of(model, tag) for tag in tags}
    if len(found) > 1:
        fields = [name for name in asdict(next(iter(found))) if len({getattr(one, name) for one in found}) > 1]
        raise UsageError(
            f"--teacher {spec}: weights of {model} differ in {', '.join(fields)}, and a file does not say which it is; "
            f"name the tag that it is of: clip/{model}/<tag>@{file}, with one of {', '.join(tags)}"
        )
    if not found:
        _logger.warning("--teacher %s: open_clip knows no weights of %s; OpenAI's mean and std are taken", spec, model)
        return Training.of(model, "")
    return found.pop()
