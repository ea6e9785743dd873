"""An ONNX file whose answers are known: `GreyLevel` of the tests of evaluation, as a graph."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

from dad.images.classes import ClassList
from dad.models.description import Description

CONFIG: dict[str, Any] = {
    "input_size": (3, 8, 8),
    "mean": (0.0, 0.0, 0.0),
    "std": (1.0, 1.0, 1.0),
    "interpolation": "bicubic",
    "crop_pct": 1.0,
    "crop_mode": "center",
}
DESCRIPTION = Description(
    "test_resnet", ClassList(tuple("abcdef"), tuple("ABCDEF")), CONFIG, "ema", "0123456789abcdef", 0.01
)


def write_grey_level(path: Path, **changes: Any) -> Path:
    """Write -100 (mean of the pixels - 20 k / 255)² for six classes k, with a description, or without one."""
    values = {
        "axes": np.array([1, 2, 3]),
        "levels": np.arange(6, dtype=np.float32) * 20 / 255,
        "scale": np.float32(-100),
    }
    nodes = [
        helper.make_node("ReduceMean", ["images", "axes"], ["mean"], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "one"], ["column"]),
        helper.make_node("Sub", ["column", "levels"], ["distance"]),
        helper.make_node("Mul", ["distance", "distance"], ["square"]),
        helper.make_node("Mul", ["square", "scale"], ["logits"]),
    ]
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]
    initializers.append(numpy_helper.from_array(np.array([1]), "one"))
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, 8, 8])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 6])
    graph = helper.make_graph(nodes, "grey", [image], [logits], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    if changes.pop("described", True):
        helper.set_model_props(model, replace(DESCRIPTION, **changes).to_strings())
    path.parent.mkdir(parents=True, exist_ok=True)
    save(model, path)
    return path
