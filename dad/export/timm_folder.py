"""A folder that plain timm loads, `timm.create_model("local-dir:DIR", pretrained=True)`, and bare weights."""

from dataclasses import asdict, is_dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import timm
from safetensors.torch import save
from timm.data import resolve_data_config
from timm.models._hub import save_config_for_hf

from dad.checkpoints import tensors_digest
from dad.errors import DataError
from dad.export.trained import Trained
from dad.models.description import PREPROCESSING

CONFIG, WEIGHTS = "config.json", "model.safetensors"


def weights_file(trained: Trained) -> bytes:
    """Return the weights, under timm's names, as a safetensors file that describes them in its metadata."""
    tensors = {name: tensor.detach().clone().contiguous() for name, tensor in trained.network.state_dict().items()}
    content: bytes = save(tensors, metadata=trained.description.to_strings())
    return content


def config_file(trained: Trained) -> bytes:
    """Return timm's configuration: how the network is built, how it wants its images, and what its classes are.

    Raises:
        DataError: the network was built with something that no file can hold.
    """
    classes = trained.classes
    labels: dict[str, Any] = {"label_names": list(classes.folders)}
    if classes.folders != classes.names:
        labels["label_descriptions"] = classes.by_folder
    with TemporaryDirectory() as folder:
        path = Path(folder) / CONFIG
        try:
            save_config_for_hf(
                trained.network,
                str(path),
                model_config=labels,
                model_args=_plain_args(trained.network),
                data_config=trained.data_config,
            )
        except ValueError as error:
            raise DataError(f"--format timm: {error}") from error
        return path.read_bytes()


def _plain_args(network: Any) -> dict[str, Any]:
    """Return those arguments that built a network which JSON has no form of, as plain data."""
    args: dict[str, Any] = getattr(network, "_model_args", {})
    return {name: asdict(value) for name, value in args.items() if is_dataclass(value) and not isinstance(value, type)}


def require_loads(folder: Path, trained: Trained) -> None:
    """Load the folder as users will, and compare weights, preprocessing and classes with what they were to be.

    Raises:
        DataError: timm makes something else of it.
    """
    loaded: Any = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    found = resolve_data_config({}, model=loaded)
    wrong = [
        f"{name}: {found[name]}, not {trained.data_config[name]}"
        for name in PREPROCESSING
        if _plain(found[name]) != _plain(trained.data_config[name])
    ]
    if tensors_digest(loaded.state_dict()) != tensors_digest(trained.network.state_dict()):
        wrong.append("other weights")
    if list(loaded.pretrained_cfg.get("label_names") or ()) != list(trained.classes.folders):
        wrong.append("other classes")
    if wrong:
        raise DataError(f"--format timm: timm reads the folder otherwise ({'; '.join(wrong)}); nothing was written")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value  # as JSON has it
