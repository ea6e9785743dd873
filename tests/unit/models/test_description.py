"""What a shipped file says of itself comes back as it was, or is refused."""

from dataclasses import replace

import pytest
from tiny_onnx import CONFIG, DESCRIPTION

from dad.errors import DataError
from dad.images.classes import ClassList
from dad.models.description import Description


def test_it_comes_back_from_strings_alone() -> None:
    odd = replace(
        DESCRIPTION,
        classes=ClassList(("n01", 'a "b"\n', "\udcff"), ("tench", "Änderung", "?")),
        data_config={**CONFIG, "crop_pct": 0.1 + 0.2},
        about={"origins": [{"objective": "dad"}]},
    )
    strings = odd.to_strings()
    assert all(isinstance(value, str) and value.isascii() for value in strings.values())
    assert Description.of_strings(strings, "file") == odd


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"description_format": None}, "it does not say how it wants its images; python -m dad.export"),
        ({"description_format": "2"}, "format 2, this version reads 1; update it"),
        ({"mean": "0.5 0.5"}, "damaged .* export it anew"),
        ({"crop_pct": None}, r"damaged \('crop_pct'\)"),
    ],
)
def test_what_is_missing_newer_or_damaged_is_refused(change: dict[str, str | None], message: str) -> None:
    strings = {**DESCRIPTION.to_strings(), **change}
    there = {name: value for name, value in strings.items() if value is not None}
    with pytest.raises(DataError, match=f"^--onnx file: .*{message}"):
        Description.of_strings(there, "--onnx file")
