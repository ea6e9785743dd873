"""The pictures that loading two views is measured on; the comparison itself is run in tests/smoke."""

from pathlib import Path

import pytest

from benchmarks import views
from dad.runtime import Runtime
from dad.shards import DadSet


@pytest.fixture
def written(tmp_path: Path) -> Path:
    decoding = views._write(tmp_path, views._parse(["--images", "8"]))
    assert set(decoding) == {"clean", "dad"} and all(seconds > 0 for seconds in decoding.values())
    return tmp_path


def test_every_picture_is_another_and_has_a_dad_image_of_its_own(written: Path) -> None:
    pictures = [path.read_bytes() for path in (written / "train").glob("*/*.jpg")]
    dad_set = DadSet.open(written / "dad")
    assert len(set(pictures)) == len({dad_set.read(index, "jpg") for index in range(len(dad_set))}) == 8


@pytest.mark.parametrize(("name", "seen"), [("one view", 4), ("two views", 8), ("two views, --dad-cache ram", 8)])
def test_a_batch_has_the_views_that_its_row_is_called_by(written: Path, name: str, seen: int, cpu: Runtime) -> None:
    args = views._parse(["--images", "8", "--batch-size", "4"])
    batches = list(views._loader(written, name, (), args, cpu))
    assert [len(batch.input) for batch in batches] == [seen, seen]
    assert all((batch.present is None) == (name == "one view") for batch in batches)
