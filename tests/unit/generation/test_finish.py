"""The end of a process's share: the manifest, or a word on what is left to others."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pytest

from dad.generation.finish import finish_set
from dad.images.sources import SourceImage
from dad.shards import DadSet, DadWriter


@pytest.fixture
def writer(tmp_path: Path) -> DadWriter:
    sources = [SourceImage(f"ant/{number}", Path(f"ant/{number}.png"), 0) for number in range(4)]
    return DadWriter(tmp_path / "dad", {"class_list": "abc"}, sources, shard_size=2)


def commit(writer: DadWriter, shards: Sequence[int]) -> None:
    for shard in shards:
        first, second = writer.sources_of(shard)
        writer.commit(shard, [], {first.key: {"probability_after": 0.1, "predicted": 0}}, {second.key: "cut"})


def test_the_last_process_writes_the_manifest_and_the_sum(writer: DadWriter, caplog: pytest.LogCaptureFixture) -> None:
    commit(writer, [0, 1])
    finish_set(writer, ["ant"])
    assert len(DadSet.open(writer.root)) == 0 and "ant/0\tant\t" in (writer.root / "rejected.tsv").read_text()
    assert "4 sources = 0 kept + 2 rejected by the teacher + 2 unreadable" in caplog.text


def test_others_leave_it_to_the_last_one(writer: DadWriter, caplog: pytest.LogCaptureFixture) -> None:
    commit(writer, [1])
    finish_set(writer, ["ant"])
    assert not (writer.root / "manifest.json").exists() and "1 of 2 shards are left to other" in caplog.text


def test_it_is_said_by_a_process_that_is_silent_otherwise(
    writer: DadWriter, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("dad"), "level", logging.WARNING)
    commit(writer, [0, 1])
    finish_set(writer, [])
    assert "4 sources" in caplog.text
