"""A set whose source has grown: extended to the same bytes whatever is killed, and everything goes on with it."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from fault_tools import at_rename, die, finished_files, reasons, run

import generate
import train
from dad.errors import DataError, SettingsError
from dad.shards import DadSet
from dad.shards.__main__ import main as look_after
from dad.shards.verify import verify


def grow(train_folder: Path, number: int = 3) -> None:
    """Give the first classes another picture each, whose key lies before those that are there."""
    for folder in sorted(train_folder.iterdir())[:number]:
        shutil.copy(next(folder.iterdir()), folder / "_new.png")


@pytest.fixture
def begun(quick_flags: list[str], data: Path, tmp_path: Path) -> list[str]:
    """Flags of a finished set of 36 images whose source has gained three since."""
    flags = [*quick_flags, "--data-dir", str(data)]
    assert generate.main(flags) == 0
    grow(data / "train")
    return flags


def shards(root: Path) -> dict[str, tuple[int, bytes]]:
    return {path.name: (path.stat().st_ino, path.read_bytes()) for path in (root / "shards").iterdir()}


def test_a_grown_source_is_refused_with_the_flag_that_helps(begun: list[str], tmp_path: Path) -> None:
    before = finished_files(tmp_path / "dad")
    with pytest.raises(SettingsError, match=r"3 added: apple/_new, bear/_new, car/_new\); --extend adds what is new"):
        generate.main(begun)
    assert finished_files(tmp_path / "dad") == before


def test_new_images_get_shards_of_their_own_and_the_old_ones_are_not_touched(begun: list[str], tmp_path: Path) -> None:
    before = shards(tmp_path / "dad")
    assert generate.main([*begun, "--extend"]) == 0
    after = shards(tmp_path / "dad")
    assert before.items() <= after.items() and sorted(after.keys() - before.keys()) == ["00004.json", "00004.tar"]
    dad_set = DadSet.open(tmp_path / "dad")
    assert dad_set.ledger.sources == 39 and {"apple/_new", "bear/_new", "car/_new"} <= set(dad_set.keys)
    files = finished_files(tmp_path / "dad")
    for again in ([], ["--extend"]):  # both go on with the set, and there is nothing to do
        assert generate.main([*begun, *again]) == 0
        assert finished_files(tmp_path / "dad") == files
    assert "extend: false" in (tmp_path / "dad" / "args.yaml").read_text()


def test_a_dry_run_counts_all_shards_and_times_the_new_images(
    begun: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate.main([*begun, "--extend", "--dry-run"]) == 0
    first = next(line for line in capsys.readouterr().out.splitlines() if "source images in" in line)
    assert (
        first.startswith("39 source images in 5 shards; ") and "; 3 are new, and what follows is about these" in first
    )


def test_a_set_extended_twice_ends_the_same_for_one_process_and_for_several(
    begun: list[str], data: Path, tmp_path: Path
) -> None:
    shutil.copytree(tmp_path / "dad", tmp_path / "shared")
    assert generate.main([*begun, "--extend"]) == 0
    for part in ("4:5", "0:4", ""):
        assert generate.main([*begun, "--dad-dir", str(tmp_path / "shared"), "--extend", "--shard-range", part]) == 0
    assert finished_files(tmp_path / "shared") == finished_files(tmp_path / "dad")
    shutil.copy(data / "train" / "fox" / "fox_00.png", data / "train" / "fox" / "zz.png")
    assert generate.main([*begun, "--extend"]) == 0
    assert DadSet.open(tmp_path / "dad").ledger.sources == 40 and verify(tmp_path / "dad").is_intact


def test_images_that_are_gone_are_told_and_their_dad_images_stay(
    begun: list[str], data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (data / "train" / "eel" / "eel_02.png").unlink()
    before = shards(tmp_path / "dad")
    assert generate.main([*begun, "--extend"]) == 0
    assert "1 images of the set are gone from the source: eel/eel_02; their DAD images stay" in caplog.text
    dad_set = DadSet.open(tmp_path / "dad")
    assert before.items() <= shards(tmp_path / "dad").items() and dad_set.index_of("eel/eel_02") is not None
    assert generate.main([*begun, "--extend", "--redo-shards", "2"]) == 0  # made anew, there is nothing of it
    assert reasons(tmp_path / "dad") == {"eel/eel_02": "FileNotFoundError: No such file or directory"}


def test_a_new_class_is_refused_since_every_verdict_would_be_another(
    quick_flags: list[str], data: Path, tmp_path: Path
) -> None:
    flags = [*quick_flags, "--data-dir", str(data), "--class-map", ""]
    assert generate.main(flags) == 0
    before = finished_files(tmp_path / "dad")
    shutil.copytree(data / "train" / "fox", data / "train" / "cat")
    with pytest.raises(SettingsError, match=r"are of other classes than when the set was made.*own class list"):
        generate.main([*flags, "--extend"])
    shutil.move(data / "train" / "cat", data / "train" / "zebra")  # behind all others, so that no index moves
    with pytest.raises(SettingsError, match=r"class_list: here"):
        generate.main([*flags, "--extend"])
    assert finished_files(tmp_path / "dad") == before


def test_what_looks_after_a_set_goes_on(begun: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "dad"
    assert generate.main([*begun, "--extend"]) == 0
    whole = finished_files(root)
    assert look_after(["verify", str(root)]) == 0
    for name in ("shards/00004.tar", "shards/00001.json", "listing.1.gz", "index.bin"):
        (root / name).write_bytes(b"damaged")
    assert look_after(["verify", str(root)]) == DataError.exit_code
    assert look_after(["repair", str(root), "--mark-only"]) == 0
    assert generate.main(begun) == 0  # without --extend: nothing is new
    assert look_after(["verify", str(root)]) == 0
    (root / "index.bin").unlink()
    assert look_after(["repair", str(root)]) == 0 and finished_files(root) == whole
    assert look_after(["hydrate", str(root), "--out", str(tmp_path / "png"), "--device", "cpu"]) == 0
    assert look_after(["export", str(tmp_path / "png"), "--out", str(tmp_path / "files")]) == 0
    assert (tmp_path / "files" / "apple" / "_new.png").is_file()
    assert look_after(["stats", str(root)]) == 0
    assert next(line for line in capsys.readouterr().out.splitlines() if "| all " in line).split("|")[2].strip() == "39"


@pytest.mark.parametrize("seeding", ["worker", "sample"])
def test_training_reads_the_new_images(
    begun: list[str], data: Path, tmp_path: Path, train_flags: list[str], seeding: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    assert generate.main([*begun, "--extend"]) == 0
    flags = ["--data-dir", str(data), "--objective", "ard", "--dad-dir", str(tmp_path / "dad"), "--epochs", "1"]
    assert train.main([*train_flags, *flags, "--val-split", "", "--aug-seeding", seeding]) == 0
    assert "39 of 39 training images have a DAD image of their own" in caplog.text


@pytest.fixture
def small(begun: list[str], data: Path, tmp_path: Path) -> Callable[[Path], list[str]]:
    """Flags that extend a copy of the set."""

    def copy(root: Path) -> list[str]:
        shutil.copytree(tmp_path / "dad", root)
        return [*begun, "--dad-dir", str(root), "--extend"]

    return copy


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
def test_death_at_any_rename_leaves_a_set_that_reads_and_the_same_command_finishes_it(
    small: Callable[[Path], list[str]], tmp_path: Path, after: bool
) -> None:
    flags = small(tmp_path / "whole")
    old = finished_files(tmp_path / "whole")
    assert run(flags).code == 0
    whole, renames, unread = finished_files(tmp_path / "whole"), 0, 0
    for number in range(1, 100):
        root = tmp_path / str(number)
        flags = small(root)
        code = run(flags, partial(at_rename, number, die, after)).code
        assert {name: content for name, content in old.items() if name.startswith("shards/")}.items() <= (
            finished_files(root).items()
        )
        if code == 0:
            break  # there are fewer renames
        renames += 1
        assert code == 9 and not any(damage.shard != 4 for damage in verify(root).damage)  # a tar without its marker
        unread += not (root / "manifest.json").exists()
        assert (root / "manifest.json").exists() is False or len(DadSet.open(root)) in (36, 39)
        assert run(flags).code == 0 and finished_files(root) == whole
    assert renames >= 2 + 1 + 2 + 3 and unread <= 5  # only while the last files change places is there no manifest
