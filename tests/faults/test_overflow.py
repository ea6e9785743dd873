"""One image of which a network makes no numbers: an overflow in half precision, or a NaN."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import generate
from dad.discretizers.vqgan import Vqgan
from dad.generation.generator import Generated, Generator
from dad.pixels import PixelModel
from dad.shards import DadSet
from dad.shards.__main__ import main as shards_main

KEY = "bear/bear_02"
_series = Generator.series


def spoil(monkeypatch: pytest.MonkeyPatch, kind: type, method: str, value: float) -> None:
    """Let a network's method make `value` of one place of one image."""
    current: list[Sequence[str]] = []
    original = getattr(kind, method)

    def series(
        self: Generator, pixels: Tensor, labels: Tensor, keys: Sequence[str], attacks: Sequence[Any], before: str
    ) -> list[Generated]:
        current[:] = [keys]
        return _series(self, pixels, labels, keys, attacks, before)

    def spoilt(self: Any, *args: Tensor) -> Tensor:
        values: Tensor = original(self, *args).clone()
        if KEY in current[0]:
            image = values[list(current[0]).index(KEY)]
            image[(0,) * image.ndim] = value
        return values

    monkeypatch.setattr(Generator, "series", series)
    monkeypatch.setattr(kind, method, spoilt)


def samples(root: Path) -> dict[str, list[bytes]]:
    dad_set = DadSet.open(root)
    return {key: [dad_set.read(row, name) for name in ("npy", "jpg")] for row, key in enumerate(dad_set.keys)}


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
@pytest.mark.parametrize(
    ("kind", "method", "reason"),
    [
        (Vqgan, "latents", "the latents of Q(x)"),
        (Vqgan, "decode_latents", "Q(x)"),
        (PixelModel, "forward", "the teacher's logits on Q(x)"),
    ],
)
def test_an_overflow_costs_one_image_which_is_named(
    generate_flags: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: type, method: str,
    reason: str, value: float,
) -> None:  # fmt: skip
    judged = ["--stats-before", "all"] if kind is PixelModel else []  # else not every row of a batch is one of Q(x)
    flags = [*generate_flags, "--gallery", "2", *judged]
    assert generate.main([*flags, "--dad-dir", str(tmp_path / "whole")]) == 0
    with pytest.MonkeyPatch.context() as patch:
        spoil(patch, kind, method, value)
        assert generate.main(flags) == 0
    whole = samples(tmp_path / "whole")
    assert samples(tmp_path / "dad") == {key: whole[key] for key in whole if key != KEY}
    assert (tmp_path / "dad/rejected.tsv").read_text().splitlines()[1:] == [f"{KEY}\tnot finite: {reason}\tnan\tnan"]
    assert f"bear_02.png: not finite: {reason}; rejected" in caplog.text
    assert json.loads((tmp_path / "dad/manifest.json").read_text())["ledger"]["rejected"] == 1
    assert shards_main(["verify", str(tmp_path / "dad")]) == shards_main(["stats", str(tmp_path / "dad")]) == 0


def test_a_set_of_which_nothing_is_finite_ends_with_an_empty_set(
    quick_flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = torch.full((1, 6), torch.nan)
    monkeypatch.setattr(PixelModel, "forward", lambda self, pixels: nothing * pixels.sum(dim=(1, 2, 3))[:, None])
    assert generate.main(quick_flags) == 0
    assert len(DadSet.open(tmp_path / "dad")) == 0
