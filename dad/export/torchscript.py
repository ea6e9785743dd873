"""The network as a TorchScript archive, for programs that load it without this project and without timm."""

import io
import json
import warnings

import torch
from torch import nn

from dad.errors import DataError
from dad.models.description import Description

DESCRIPTION = "description.json"  # in the archive: `torch.jit.load(file, _extra_files={"description.json": ""})`


def torchscript_file(network: nn.Module, description: Description) -> bytes:
    """Return an archive of images [B, 3, H, W], normalised as its description says, to logits [B, K]; any B.

    Raises:
        DataError: torch cannot trace the network.
    """
    example = torch.zeros(2, *description.data_config["input_size"])
    file = io.BytesIO()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of tracing, whose result is compared on images
            traced = torch.jit.trace(network, example, check_trace=False)  # type: ignore[no-untyped-call]
            torch.jit.save(traced, file, _extra_files={DESCRIPTION: json.dumps(description.to_strings())})
    except Exception as error:  # a network's own asserts, and what tracing does not know
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"--format torchscript: torch cannot trace {description.architecture} ({reason})") from error
    return file.getvalue()
