"""The teacher is asked shard by shard, and what it says does not depend on what was asked before."""

from collections.abc import Callable
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from dad.asking.build import PartBatches, build, bytes_per_row, finish, size_of
from dad.asking.session import Session
from dad.shards.manifest import MANIFEST
from dad.soft_targets.reader import SoftTargets
from dad.soft_targets.shards import Division
from dad.soft_targets.writer import SoftTargetWriter
from dad.virtual_epochs import View

MIXED = ("--mixup", 0.8, "--mixup-mode", "pair", "--epochs", 2, "--mixup-off-epoch", 1, "--payload", "fp32")
Open = Callable[..., SoftTargetWriter]


@pytest.mark.parametrize("batch_size", [2, 4, 6, 8])
def test_no_batch_spans_two_shards_and_every_row_is_asked_for_once(batch_size: int) -> None:
    division = Division(21, 8)
    shards = [number for view in (View(1, 0, True), View(1, 1, False)) for number in division.numbers(view)]
    batches = PartBatches(division, 1, shards, batch_size)
    asked = [(ask.view, ask.mixed, ask.row) for ask in chain(*batches)]
    assert asked == [(0, True, row) for row in range(20)] + [(1, False, row) for row in range(21)]
    assert [part.shard for part in batches.parts if part.is_last] == shards and len(batches) == len(batches.parts)
    assert all(len(part.rows) <= batch_size and part.rows[-1] // 8 == part.rows[0] // 8 for part in batches.parts)


def test_a_shards_batches_are_the_same_whatever_else_is_asked() -> None:
    division = Division(21, 8)
    alone, together = list(PartBatches(division, 1, [1], 6)), PartBatches(division, 1, [2, 0, 1, 4], 6)
    places = [place for place, part in enumerate(together.parts) if part.shard == 1]
    assert [list(together)[place] for place in places] == alone and [len(batch) for batch in alone] == [6, 2]


@pytest.fixture
def session(create: Callable[..., Session]) -> Session:
    return create(*MIXED)


def shards_of(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (root / "shards").iterdir()}


def test_a_build_is_whole_and_holds_what_the_teacher_says(session: Session, open_writer: Open) -> None:
    writer = open_writer(session)
    build(session, writer, writer.missing(session.views), 6)
    finish(writer, session.views)
    targets = SoftTargets(writer.root)
    assert targets.whole == set(session.views) == {View(42, 0, True), View(42, 1, False)}
    for epoch in (0, 1):
        loader = session.images.train_loader(session.runtime, targets)
        loader.start_epoch(epoch)
        for batch in loader:
            assert batch.recorded is not None
            assert np.array_equal(session.ask(batch, 6)[0].numpy(), batch.recorded.numpy())


def test_shards_in_any_order_and_in_two_runs_are_the_same_bytes(session: Session, open_writer: Open) -> None:
    one, other = open_writer(session, "one"), open_writer(session, "other")
    missing = one.missing(session.views)
    build(session, one, missing, 6)
    for part in (missing[7:], missing[:2][::-1], missing[2:7]):
        build(session, other, part, 6)
    assert shards_of(one.root) == shards_of(other.root) and len(missing) == 10


def test_a_build_of_nothing_is_nothing(session: Session, open_writer: Open) -> None:
    writer = open_writer(session)
    build(session, writer, [], 6)
    assert not (writer.root / "shards").exists()


def test_the_last_process_writes_the_manifest(
    session: Session, open_writer: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "dad")
    writer = open_writer(session)
    missing = writer.missing(session.views)
    build(session, writer, missing[:6], 6)
    finish(writer, session.views)
    assert not (writer.root / MANIFEST).exists() and "4 of 10 shards are left to other processes" in caplog.text
    build(session, writer, missing[6:], 6)
    finish(writer, session.views)
    assert (writer.root / MANIFEST).exists() and "2 virtual epochs are there, 0.00 GB" in caplog.text


@pytest.mark.parametrize("width, payload, views, size", [
    (768, "fp16", 2, 3082), (512, "int8", 1, 517), (1000, "fp32", 1, 4005)
])  # fmt: skip
def test_what_a_row_takes_is_its_numbers_and_five_bytes_a_view(width: int, payload: str, views: int, size: int) -> None:
    assert bytes_per_row(width, payload, views) == size


def test_the_size_is_that_of_the_records(tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    for name, size in (("1.bin", 30_000_000), ("2.bin", 10_000_000), ("1.json", 50_000_000)):
        with (tmp_path / "shards" / name).open("wb") as file:
            file.truncate(size)
    assert size_of(tmp_path) == "0.04 GB"
