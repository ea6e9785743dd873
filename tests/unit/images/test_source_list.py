"""Source images in arrays are the same source images."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from dad.images.source_list import SourceList
from dad.images.sources import SourceImage

FILES = [
    SourceImage(f"ant/{number}", Path(f"/data/ant/{number}.{'png' if number % 3 else 'JPEG'}"), 3)
    for number in range(9)
]
MEMBERS = [
    SourceImage(f"bee/{number}", Path(f"/data/{number % 2}.tar"), 1, number * 512, 100 + number) for number in range(5)
]
ODD = [SourceImage("byte\udcff/ü", Path("/d/byte\udcff/ü.png"), 0), SourceImage("a", Path("elsewhere"), 7)]


@pytest.mark.parametrize("sources", [FILES, MEMBERS, ODD, [*FILES, *MEMBERS, *ODD], []])
def test_sources_come_back_whole(sources: list[SourceImage]) -> None:
    packed = SourceList.pack(sources)
    assert list(packed) == sources and len(packed) == len(sources)
    assert list(pickle.loads(pickle.dumps(packed))) == sources
    assert list(packed[1:7:2]) == sources[1:7:2]
    assert [packed[index] for index in range(-len(sources), 0)] == sources


def test_another_order_shares_the_arrays() -> None:
    packed = SourceList.pack(FILES)
    turned = packed.reordered(range(8, -1, -1))
    assert list(turned) == FILES[::-1] and turned.keys is packed.keys
    assert list(turned.reordered([0, 3])) == [FILES[8], FILES[5]] and list(turned[:2]) == FILES[:-3:-1]


def test_paths_are_not_held_one_by_one() -> None:
    assert len(SourceList.pack(FILES).forms) == 2 and len(SourceList.pack(MEMBERS).forms) == 2


def test_what_is_not_there_is_an_index_error() -> None:
    with pytest.raises(IndexError):
        SourceList.pack(FILES)[9]
    assert isinstance(SourceList.pack(FILES)[np.int64(2)], SourceImage)
