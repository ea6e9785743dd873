"""Answers are found by row, in any order and of any views, and refused where they are about other pixels."""

import multiprocessing
import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dad.draws import Ask
from dad.errors import DataError, SettingsError
from dad.soft_targets.payload import PAYLOADS
from dad.soft_targets.reader import SoftTargets
from dad.soft_targets.records import make_records
from dad.soft_targets.shards import soft_shard_paths
from dad.virtual_epochs import View, epoch_rows

HERE = {"numpy": "1.0"}


def asks_of(view: View, rows: Sequence[int] | None = None) -> list[Ask]:
    return view.asks(7, np.array(range(view.rows(7)) if rows is None else rows))


def stored(tiny: Any, asks: Sequence[Ask], names: Sequence[str] = ("clean", "dad")) -> Tensor:
    return torch.cat([tiny.answers(asks, name) for name in names])


@pytest.fixture
def targets(tiny: Any) -> SoftTargets:
    made: SoftTargets = tiny.make(*tiny.mixed[:2], *tiny.plain[:2])
    return made


@pytest.mark.parametrize("epoch", [0, 1, 4])
@pytest.mark.parametrize("mixed", [True, False])
def test_answers_are_those_of_the_images_in_any_order(tiny: Any, targets: SoftTargets, epoch: int, mixed: bool) -> None:
    view = View(3, epoch % 2, mixed)
    asks = asks_of(view, epoch_rows(view, 7, epoch).tolist())
    assert torch.equal(targets.read(asks, *tiny.seen(asks)), stored(tiny, asks))


def test_a_batch_may_be_of_several_shards_and_virtual_epochs(tiny: Any, targets: SoftTargets) -> None:
    asks = [*asks_of(tiny.mixed[1], [5, 0]), *asks_of(tiny.plain[0], [6]), *asks_of(tiny.mixed[0], [3])]
    assert torch.equal(targets.read(asks, *tiny.seen(asks)), stored(tiny, asks))


def test_more_shards_than_files_may_be_open_are_read_nevertheless(
    tiny: Any, targets: SoftTargets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dad.soft_targets.reader.MAX_OPEN", 1)
    asks = [*asks_of(tiny.mixed[1], [5, 0]), *asks_of(tiny.plain[0], [6, 0, 3])]
    for _ in range(2):
        assert torch.equal(targets.read(asks, *tiny.seen(asks)), stored(tiny, asks)) and len(targets._maps) == 1


@pytest.mark.parametrize("names", [("clean",), ("dad",), ("dad", "clean"), ("clean", "dad")])
def test_some_views_may_be_read_in_another_order(tiny: Any, targets: SoftTargets, names: tuple[str, ...]) -> None:
    asks = asks_of(tiny.mixed[0])
    found = targets.for_views(names).read(asks, *tiny.seen(asks, names))
    assert torch.equal(found, stored(tiny, asks, names)) and len(found) == 6 * len(names)


def test_views_that_nobody_asked_about_are_refused(targets: SoftTargets) -> None:
    with pytest.raises(SettingsError, match="holds answers about clean and dad images, none about self and other"):
        targets.for_views(("clean", "self", "other"))


@pytest.mark.parametrize("place, view", [(0, 0), (1, 1), (5, 0)])
def test_other_pixels_are_refused_by_the_name_of_the_image(
    tiny: Any, targets: SoftTargets, place: int, view: int
) -> None:
    asks = asks_of(tiny.mixed[1])
    present, checks, keys = tiny.seen(asks)
    checks[view, place] ^= 1
    name = ("clean", "dad")[view]
    with pytest.raises(DataError, match=rf"^{keys[place]} \({name}, virtual epoch 1\): its pixels are not.*numpy 1\.0"):
        targets.read(asks, present, checks, keys)


def test_a_view_that_is_there_now_or_no_more_is_refused(tiny: Any, targets: SoftTargets) -> None:
    asks = asks_of(tiny.plain[0], [0, 2])
    present, checks, keys = tiny.seen(asks)
    for view, place in ((1, 1), (1, 0)):
        other = present.clone()
        other[view, place] ^= True
        with pytest.raises(DataError, match=rf"^{keys[place]} \(dad, virtual epoch 0\)"):
            targets.read(asks, other, checks, keys)


@pytest.mark.parametrize("byte", [0, 17, 20, 21, 41, 62, 100, 167])
def test_a_damaged_record_is_refused_by_the_name_of_its_shard(tiny: Any, targets: SoftTargets, byte: int) -> None:
    path = soft_shard_paths(tiny.root, tiny.division.numbers(tiny.mixed[0])[0])[0]
    content = bytearray(path.read_bytes())  # of 2 views of 4 rows of 21 bytes
    content[byte] ^= 64
    path.write_bytes(content)
    asks = asks_of(tiny.mixed[0])
    with pytest.raises(DataError, match=rf"^{path}: its bytes have changed; let it be made anew: .* --take-back, and"):
        SoftTargets(tiny.root).read(asks, *tiny.seen(asks))


@pytest.mark.parametrize("spoil", ["missing", "cut", "longer"])
def test_a_missing_or_cut_shard_is_refused_when_the_folder_is_opened(
    tiny: Any, targets: SoftTargets, spoil: str
) -> None:
    path = soft_shard_paths(tiny.root, tiny.division.numbers(tiny.plain[1])[1])[0]
    content = path.read_bytes()
    path.unlink() if spoil == "missing" else path.write_bytes(content[:-1] if spoil == "cut" else content + b"0")
    with pytest.raises(DataError, match=rf"^{path}: missing or cut; rerun the python -m dad\.soft_targets build"):
        SoftTargets(tiny.root)


@pytest.mark.parametrize("name", ["teacher.json", "environment.json"])
def test_a_missing_file_is_refused_when_the_folder_is_opened(tiny: Any, targets: SoftTargets, name: str) -> None:
    (tiny.root / name).unlink()
    with pytest.raises(DataError, match=rf"{name}: no such file; rerun the python"):
        SoftTargets(tiny.root)


def test_a_changed_scale_is_no_teachers(tiny: Any, targets: SoftTargets) -> None:
    path = tiny.root / "teacher.json"
    path.write_text(path.read_text().replace("10.0", "90.0"))
    with pytest.raises(DataError, match=r"teacher\.json"):
        SoftTargets(tiny.root)


def test_the_same_flags_are_served(tiny: Any, targets: SoftTargets, caplog: pytest.LogCaptureFixture) -> None:
    targets.require({"hflip": 0.5, "aa": None, "images": 7}, [tiny.mixed[0], tiny.plain[1]], HERE)
    assert not caplog.text


@pytest.mark.parametrize("asked, words", [
    ({"hflip": 0.0}, "hflip: here 0.5, asked for 0.0"),
    ({"aa": "v0", "hflip": 1}, "aa: here None, asked for v0; hflip: here 0.5, asked for 1"),
    ({"dad_set": "abc"}, "dad_set: here nothing, asked for abc"),
    ({"images": 8}, "images: here 7, asked for 8"),
])  # fmt: skip
def test_other_flags_are_refused_field_by_field(
    tiny: Any, targets: SoftTargets, asked: dict[str, Any], words: str
) -> None:
    with pytest.raises(SettingsError, match=rf"was made with other settings \({words}\); use those, or build others"):
        targets.require(asked, tiny.mixed[:1], HERE)


@pytest.mark.parametrize("missing", [
    [View(3, 2, True)], [View(3, 2, False), View(3, 2, True)], [View(4, 0, True)]
])  # fmt: skip
def test_missing_virtual_epochs_are_counted(tiny: Any, targets: SoftTargets, missing: list[View]) -> None:
    read = [*tiny.mixed[:2], *missing]
    with pytest.raises(SettingsError, match=f"holds 2 of the {len(read)} virtual epochs that these epochs read"):
        targets.require({}, read, HERE)


def test_the_number_of_virtual_epochs_that_is_advised_would_do(tiny: Any) -> None:
    targets = tiny.make(*tiny.mixed[:2], tiny.plain[2])  # of --teacher-views 3 and --mixup-off-epoch 2, in 3 epochs
    with pytest.raises(SettingsError) as raised:
        targets.require({}, tiny.mixed, HERE)
    advised = int(str(raised.value).rpartition("--teacher-views ")[2].split()[0])
    targets.require({}, tiny.mixed[:advised], HERE)


def test_other_versions_are_told(tiny: Any, targets: SoftTargets, caplog: pytest.LogCaptureFixture) -> None:
    targets.require({}, tiny.mixed[:1], {"numpy": "2.0", "other": "1"})
    assert "was made with other versions: numpy 1.0, here 2.0; each image is checked" in caplog.text


def test_a_copy_in_another_process_reads_the_same(tiny: Any, targets: SoftTargets) -> None:
    asks = asks_of(tiny.plain[0])
    targets.for_views(("dad",)).read(asks, *tiny.seen(asks, ("dad",)))  # which maps files
    sent = pickle.dumps(targets)
    assert len(sent) < 10_000
    assert torch.equal(pickle.loads(sent).read(asks, *tiny.seen(asks, ("dad",))), stored(tiny, asks, ("dad",)))


@pytest.mark.slow
def test_a_spawned_worker_reads_the_same(tiny: Any, targets: SoftTargets) -> None:
    asks = asks_of(tiny.mixed[0])
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(targets.read, (asks, *tiny.seen(asks)))
    assert torch.equal(found, stored(tiny, asks))


@pytest.mark.parametrize("payload", PAYLOADS)
def test_answers_come_as_they_are_stored(tiny: Any, payload: str) -> None:
    writer = tiny.writer(payload=payload)
    for number in writer.missing(tiny.plain[:1]):
        records = tiny.records(number)
        answers = records["payload"].astype(PAYLOADS[payload])
        rows = tiny.plain[0].asks(7, np.array(tiny.division.rows(number, 3)))
        present, checks, _ = tiny.seen(rows)
        writer.commit(number, make_records(answers, checks.numpy(), present.numpy()))
    writer.finish(tiny.plain[:1])
    asks = asks_of(tiny.plain[0])
    found = SoftTargets(tiny.root).read(asks, *tiny.seen(asks))
    assert found.numpy().dtype == PAYLOADS[payload] and torch.equal(found.float(), stored(tiny, asks))
