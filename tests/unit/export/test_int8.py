"""8-bit integers: smaller, nearly as right, by ranges that the calibration images decide."""

from typing import Any

import numpy as np
import torch
from onnx import TensorProto, helper, load_from_string, numpy_helper
from tiny_onnx import DESCRIPTION
from torch import Tensor

from dad.export.int8 import quantise
from dad.export.onnx_graph import with_description
from dad.models.description import Description
from dad.models.onnx_file import OnnxNetwork

IMAGES = 2 * torch.rand(12, 3, 8, 8, generator=torch.Generator().manual_seed(1)) - 1
WEIGHT = np.random.default_rng(0).normal(0, 0.1, (6, 192)).astype(np.float32)


def linear_graph() -> bytes:
    """An ONNX file of one matrix product over all pixels."""
    nodes = [
        helper.make_node("Flatten", ["images"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight"], ["logits"], transB=1),
    ]
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, 8, 8])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 6])
    graph = helper.make_graph(nodes, "linear", [image], [logits], [numpy_helper.from_array(WEIGHT, "weight")])
    model: Any = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return with_description(model, DESCRIPTION)


def quantised(scale: float) -> bytes:
    """The graph in int8, calibrated on images of pixels from -scale to scale."""
    batches = [scale * images for images in IMAGES.split(4)]
    return quantise(linear_graph(), DESCRIPTION, batches, "12 images of noise")


def error(content: bytes, images: Tensor) -> float:
    """The largest difference to float32, as a share of the largest logit."""
    expected = images.flatten(1) @ torch.from_numpy(WEIGHT).T
    return ((OnnxNetwork(content)(images) - expected).abs().max() / expected.abs().max()).item()


def test_it_is_nearly_the_same_and_says_what_it_is() -> None:
    content = quantised(1)
    assert 0 < error(content, IMAGES) < 0.03
    description = Description.of_strings(OnnxNetwork(content).metadata, "int8")
    assert description.precision == "int8" and description.about["calibration"] == "12 images of noise"
    assert description.classes == DESCRIPTION.classes


def test_a_logit_above_all_of_the_calibration_images_is_not_cut_off() -> None:
    sign = torch.from_numpy(np.sign(WEIGHT[:1])).view(1, 3, 8, 8)  # of all images in range, the most of class 0
    assert error(quantised(1), sign) < 0.02


def test_the_weights_are_8_bit_integers() -> None:
    weights = [one for one in load_from_string(quantised(1)).graph.initializer if np.prod(one.dims) == WEIGHT.size]
    assert [one.data_type for one in weights] == [TensorProto.INT8]


def test_no_product_overflows_on_a_processor_that_adds_two_of_them_in_16_bits() -> None:
    weights = [one for one in load_from_string(quantised(1)).graph.initializer if np.prod(one.dims) == WEIGHT.size]
    assert 60 < np.abs(numpy_helper.to_array(weights[0]).astype(int)).max() <= 64  # 2 * 64 * 255 < 2 ** 15


def test_ranges_are_those_of_the_calibration_images() -> None:
    assert error(quantised(0.1), IMAGES) > 0.5  # which clips what is larger
