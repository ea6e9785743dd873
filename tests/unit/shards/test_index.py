"""The index of a set: the same samples as all markers, from one file."""

import json
import logging
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from tiny_set import GOLDEN_V1, SETTINGS, SOURCES, as_written_before, flip, make_set

from dad.errors import DataError
from dad.shards import DadSet, DadWriter, Sample
from dad.shards import reader as reading
from dad.shards.index import INDEX, index_of_markers, map_index
from dad.shards.manifest import read_manifest
from dad.shards.reader import committed_markers


def contents(dad: DadSet) -> list[object]:
    payloads = [dad.read(row, name) for row in range(len(dad)) for name in dad.extensions]
    return [list(dad.keys), dad.labels.tolist(), dad.extensions, payloads, [dad.index_of(s.key) for s in SOURCES]]


def test_a_set_opens_by_its_index_without_reading_markers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_set(tmp_path)
    monkeypatch.setattr(reading, "read_marker", lambda *_: pytest.fail("a marker was read"))
    indexed = contents(DadSet.open(tmp_path))
    monkeypatch.undo()
    as_written_before(tmp_path)
    assert contents(DadSet.open(tmp_path)) == indexed


def test_the_file_holds_what_the_markers_say(tmp_path: Path) -> None:
    make_set(tmp_path)
    index = index_of_markers(committed_markers(tmp_path, read_manifest(tmp_path)))
    mapped = map_index(tmp_path / INDEX)
    assert index.to_bytes() == mapped.to_bytes() == (tmp_path / INDEX).read_bytes()
    assert mapped.keys == index.keys and mapped.spans.keys() == index.spans.keys()
    assert all(np.array_equal(mapped.spans[name], index.spans[name]) for name in index.spans)


def test_a_damaged_index_is_said_and_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = contents(make_set(tmp_path))
    for damage in (lambda: flip(tmp_path / INDEX, 300), lambda: os.truncate(tmp_path / INDEX, 100)):
        damage()
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert contents(DadSet.open(tmp_path)) == whole
        assert (
            "its bytes have changed; reading all markers instead; mend it: python -m dad.shards repair" in caplog.text
        )


@pytest.mark.parametrize("content", [b"", b"DADINDEX", b"DADINDEX" + bytes(8), b"x" * 100])
def test_what_is_no_index_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / INDEX).write_bytes(content)
    with pytest.raises(DataError, match=r"index\.bin: cannot be read"):
        map_index(tmp_path / INDEX)


def test_a_worker_that_is_spawned_maps_the_file_itself(tmp_path: Path) -> None:
    dad = make_set(tmp_path)
    sent = pickle.dumps(dad)
    assert len(sent) < (tmp_path / INDEX).stat().st_size + 1000 and b"ant/2" not in sent
    assert contents(pickle.loads(sent)) == contents(dad)


def test_an_empty_set_has_an_index(tmp_path: Path) -> None:
    writer = DadWriter(tmp_path, SETTINGS, SOURCES[:1], shard_size=1)
    writer.commit(0, [], {}, {"ant/0.x": "gone"})
    writer.finish()
    dad = DadSet.open(tmp_path)
    assert (tmp_path / INDEX).is_file() and (len(dad), dad.extensions, dad.index_of("ant/0.x")) == (0, (), None)


def test_samples_that_are_not_in_order_are_found_without_an_index(tmp_path: Path) -> None:
    sources = SOURCES[::-1]
    writer = DadWriter(tmp_path, SETTINGS, sources, shard_size=1)
    for number, source in enumerate(sources):
        writer.commit(number, [Sample(source.key, 3, {"png": source.key.encode()}, {})], {}, {})
    writer.finish()
    dad = DadSet.open(tmp_path)
    assert not (tmp_path / INDEX).exists()
    assert [dad.read(dad.index_of(source.key) or 0, "png") for source in SOURCES] == [s.key.encode() for s in SOURCES]


def test_sets_of_format_1_have_none() -> None:
    assert "files" not in json.loads((GOLDEN_V1 / "manifest.json").read_text()) and len(DadSet.open(GOLDEN_V1)) == 4
