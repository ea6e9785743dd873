"""The sets that evaluation is measured on; the comparison itself is run in tests/smoke."""

from argparse import Namespace
from pathlib import Path

import pytest

from benchmarks import validate


def test_sets_have_the_folders_of_imagenet_c_and_val(tmp_path: Path) -> None:
    many, one = validate._write_sets(tmp_path, Namespace(seed=0, img_size=32, small=3, large=12))
    assert len(list(many.glob("*/*"))) == 75 and len(list(many.rglob("*.jpg"))) == 75 * 3
    assert sorted(path.name for path in one.iterdir()) == sorted(validate._CLASSES.folders)
    assert len(list(one.rglob("*.jpg"))) == 12


def test_medians_and_ratio_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    seconds = {"ours": [1.0, 2.0, 9.0], "timm's parts": [4.0, 3.0, 8.0]}
    ratios = {"ratio": 1.5, "ratios": [4.0, 1.5, 0.889], "processor_ratio": 1.25}
    runs = {"one large set": {"images": 4000, "seconds": seconds, **ratios}}
    validate._print({"machine": {"cpu": "none"}, "settings": {"model": "m", "out": "o"}, "runs": runs})
    row = capsys.readouterr().out.splitlines()[-1]
    expected = ["one large set", "4,000", "4.00", "2.00", "1.50", "0.89 to 4.00", "1.25"]
    assert [cell.strip() for cell in row.strip("|").split("|")] == expected
