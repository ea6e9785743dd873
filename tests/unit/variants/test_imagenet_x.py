"""ImageNet-X's annotations, as their package has them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dad.variants import imagenet_x
from dad.variants.imagenet_x import FACTORS, annotated_factors


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    annotated_factors.cache_clear()
    yield
    annotated_factors.cache_clear()


def test_images_have_the_factor_that_sets_them_apart_most() -> None:
    """evaluation/test_imagenet_x.py holds all of them against the package's own reading."""
    found = annotated_factors()
    if not found:
        pytest.skip("imagenet-x is not installed")
    assert len(found) == 46_110 and found["ILSVRC2012_val_00004487"] == ("larger",)
    assert {len(one) for one in found.values()} <= {0, 1} and {name for one in found.values() for name in one} == {
        *FACTORS
    }
    assert "ILSVRC2012_val_00007197" not in found  # a prototype


def test_without_the_package_nothing_is_annotated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagenet_x, "_PACKAGE", "no_such_package")
    assert annotated_factors() == {}


def test_other_files_than_are_known_stop_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "made_up_x" / "annotations").mkdir(parents=True)
    (tmp_path / "made_up_x" / "annotations" / "prototypical_paths.csv").write_text("other\n1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(imagenet_x, "_PACKAGE", "made_up_x")
    assert annotated_factors() == {} and "not readable as imagenet-x 0.0.7" in caplog.text
