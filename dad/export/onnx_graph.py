"""The network as an ONNX graph, by torch's own exporter."""

from typing import Any

import torch
from torch import nn

from dad.errors import DataError
from dad.export.quiet import quiet
from dad.models.description import Description

INPUT, OUTPUT = "images", "logits"
_MOST = 2**31 - 1  # bytes that a protobuf may have


def onnx_file(network: nn.Module, description: Description) -> bytes:
    """Return an ONNX file of images [B, 3, H, W], normalised as its metadata says, to logits [B, K]; any B.

    Raises:
        DataError: torch cannot export the network, or it does not fit into one file.
    """
    example = torch.zeros(2, *description.data_config["input_size"])  # one image would be taken for a constant
    try:
        with quiet():
            program: Any = torch.onnx.export(
                network,
                (example,),
                dynamo=True,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
            )
        model = program.model_proto
    except Exception as error:  # the exporter's have no base of their own
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"--format onnx: torch cannot export {description.architecture} ({reason})") from error
    if model.ByteSize() > _MOST:
        raise DataError(f"--format onnx: {model.ByteSize():,} bytes, but an ONNX file ends at 2 GB; use --format timm")
    for node in model.graph.node:
        del node.metadata_props[:]  # places of files on this machine, for developers of the exporter
    return with_description(model, description)


def with_description(model: Any, description: Description) -> bytes:
    """Return the file of an ONNX model, with `description` and nothing else as its metadata."""
    from onnx import checker, helper

    helper.set_model_props(model, description.to_strings())
    checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content
