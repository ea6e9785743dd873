"""A network in an ONNX file, as a module that calls ONNX Runtime: what is shipped is scored as it is."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dad.errors import DataError, UsageError
from dad.models.description import Description

EXTRA = "requirements-export.txt"
_CUDA = "CUDAExecutionProvider"
_ERRORS_ALONE = 3  # of ONNX Runtime's levels


class OnnxNetwork(nn.Module):
    """Images [B, 3, H, W], normalised as its description says, to logits [B, K], float32; without gradients."""

    def __init__(self, content: str | bytes, device: torch.device | None = None, *, optimised: bool = True):
        """Open an ONNX file, or its content; on a GPU only where that is `device` and ONNX Runtime has CUDA.

        Without `optimised`, the graph runs node by node as it stands: for a look at what it says, opening is quick.
        """
        super().__init__()
        import onnxruntime  # an extra

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = _ERRORS_ALONE
        if not optimised:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        on_gpu = device is not None and device.type == "cuda" and _CUDA in onnxruntime.get_available_providers()
        providers = [*([_CUDA] if on_gpu else []), "CPUExecutionProvider"]
        self._session: Any = onnxruntime.InferenceSession(content, options, providers=providers)
        self._input: str = self._session.get_inputs()[0].name

    @property
    def metadata(self) -> dict[str, str]:
        """The strings in the file."""
        return dict(self._session.get_modelmeta().custom_metadata_map)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits, on the device of `images`."""
        logits = self._session.run(None, {self._input: images.float().cpu().numpy()})[0]
        return torch.from_numpy(logits).to(images.device)


def require_onnx(flag: str, packages: Sequence[str] = ("onnx", "onnxscript", "onnxruntime")) -> None:
    """Raise a UsageError unless these packages of the extra are installed; `flag` is what asks for them."""
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise UsageError(f"{flag} needs {' and '.join(missing)}, not installed here: pip install -r {EXTRA}")


def load_onnx(path: str, flag: str, device: torch.device) -> tuple[OnnxNetwork, Description]:
    """Open an ONNX file that `python -m dad.export` wrote; `flag` named it.

    Raises:
        UsageError: ONNX Runtime is not installed.
        DataError: no such file, not an ONNX file, or one that does not say how it wants its images.
    """
    network = _open(path, flag, device, optimised=True)
    return network, Description.of_strings(network.metadata, f"{flag} {path}")


def read_description(path: str, flag: str) -> Description:
    """Return what an ONNX file says of itself.

    Raises:
        UsageError, DataError: as `load_onnx`.
    """
    network = _open(path, flag, torch.device("cpu"), optimised=False)
    return Description.of_strings(network.metadata, f"{flag} {path}")


def _open(path: str, flag: str, device: torch.device, *, optimised: bool) -> OnnxNetwork:
    require_onnx(flag, ["onnxruntime"])
    if not Path(path).is_file():
        raise DataError(f"{flag} {path}: no such file")
    try:
        return OnnxNetwork(path, device, optimised=optimised)
    except Exception as error:  # ONNX Runtime's have no base of their own
        reason = " ".join(str(error).split())[:160]
        raise DataError(f"{flag} {path}: not a network that ONNX Runtime can read ({reason})") from error
