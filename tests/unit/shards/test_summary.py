"""What the markers of a set say together."""

import hashlib
from pathlib import Path

import pytest
from tiny_set import KEPT, REJECTED, SOURCES, make_sample, make_set, open_writer

from dad.errors import DataError
from dad.files import read_json
from dad.shards import Sample
from dad.shards.layout import Layout
from dad.shards.marker import Ledger
from dad.shards.summary import summarise


def layout(root: Path, **changes: object) -> Layout:
    return Layout.of({**read_json(root / "settings.json"), **changes})


def test_it_sums_what_became_of_the_sources(tmp_path: Path) -> None:
    make_set(tmp_path)  # shards of 4, 4 and 2 sources
    found = summarise(tmp_path, layout(tmp_path))
    assert found.ledger == Ledger(sources=10, kept=4, rejected=3, unreadable=3)
    assert found.rejected == [(f"ant/{number}.x", REJECTED) for number in (0, 4, 8)]
    assert found.unreadable == [(f"ant/{number}.x", "truncated") for number in (1, 5, 9)]
    assert [shard["sha256"] for shard in found.shards] == [
        hashlib.sha256((tmp_path / f"shards/{number:05d}.tar").read_bytes()).hexdigest() for number in range(3)
    ]
    assert found.index is not None and len(found.index.keys) == 4


@pytest.mark.parametrize("content", [None, b"{", b'{"counts": 1}'])
def test_a_marker_that_says_nothing_is_named(tmp_path: Path, content: bytes | None) -> None:
    make_set(tmp_path)
    marker = tmp_path / "shards/00001.json"
    marker.unlink() if content is None else marker.write_bytes(content)
    with pytest.raises(DataError, match=r"00001\.json: missing, damaged or of other settings; python -m dad\.shards"):
        summarise(tmp_path, layout(tmp_path))


def test_a_marker_of_other_settings_is_named(tmp_path: Path) -> None:
    make_set(tmp_path)
    with pytest.raises(DataError, match=r"00000\.json"):
        summarise(tmp_path, layout(tmp_path, epsilon=0.2))


def test_samples_of_other_payloads_have_no_common_index(tmp_path: Path) -> None:
    writer = open_writer(tmp_path)
    first, second, *rest = [make_sample(source) for source in SOURCES]
    bare = Sample(second.key, second.label, {"png": b"alone"}, dict(KEPT))
    for index, samples in enumerate(([first, bare, *rest[:2]], rest[2:6], rest[6:])):
        writer.commit(index, samples, {}, {})
    assert summarise(tmp_path, layout(tmp_path)).index is None
