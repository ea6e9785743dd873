"""An ONNX file in 8-bit integers: static quantisation by ONNX Runtime, with ranges from calibration images."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import Tensor

from dad.export.onnx_graph import INPUT, with_description
from dad.export.quiet import quiet
from dad.models.description import Description

# Where the time goes; norms, softmax and activations between them stay as they are, which costs little and keeps a
# transformer's accuracy.
_QUANTISED = ["Conv", "Gemm", "MatMul"]
_FLOAT_OUTPUT = ["Gemm", "MatMul"]  # else logits above the largest of the calibration images would become that


def quantise(content: bytes, description: Description, batches: Iterable[Tensor], calibration: str) -> bytes:
    """Return an ONNX file with the weights and inputs of convolutions and matrix products in int8.

    Weights are scaled by output channel and have 7 bits: with 8, the products of processors without VNNI overflow their
    16 bits, silently. The range of an activation is the smallest and largest value that the calibration images give it.

    Args:
        content: the file in float32, of `description`.
        batches: images [B, 3, H, W], normalised for the network.
        calibration: what they are, in words, for the description.
    """
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with TemporaryDirectory() as folder, quiet():
        plain, prepared, quantised = (Path(folder) / name for name in ("plain.onnx", "prepared.onnx", "int8.onnx"))
        plain.write_bytes(content)
        quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)  # folds batch norms, infers shapes
        quantize_static(
            str(prepared),
            str(quantised),
            _reader(batches),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=_QUANTISED,
            per_channel=True,
            reduce_range=True,
            extra_options={"OpTypesToExcludeOutputQuantization": _FLOAT_OUTPUT},
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
        )
        model = onnx.load(str(quantised))
    about = {**description.about, "calibration": calibration}
    return with_description(model, replace(description, precision="int8", about=about))


def _reader(batches: Iterable[Tensor]) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):
        """Hands batches over, one at a time."""

        def __init__(self) -> None:
            self.batches: Iterator[Tensor] = iter(batches)

        def get_next(self) -> Any:
            batch = next(self.batches, None)
            return None if batch is None else {INPUT: batch.numpy()}

    return Reader()
