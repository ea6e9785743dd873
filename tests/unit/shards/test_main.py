"""The five commands of `python -m dad.shards`."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from tiny_set import flip, make_set, tree

import generate
from dad.errors import DataError, UsageError, UserError
from dad.shards import DadSet, decode_image
from dad.shards import __main__ as commands
from dad.shards.__main__ import main


def words(*given: object) -> list[str]:
    return [str(word) for word in given]


@pytest.fixture(scope="session")
def made_once() -> dict[str, Path]:
    return {}


@pytest.fixture
def made(made_once: dict[str, Path], generate_flags: list[str], tmp_path: Path, tmp_path_factory) -> Path:
    """A set of codes and PNGs of the tiny world, with the bytes of one run of generate.py."""
    if not made_once:
        made_once["dad"] = tmp_path_factory.mktemp("made") / "dad"
        flags = [*generate_flags, "--store", "codes,image", "--image-format", "png"]
        generate.main([*flags, "--dad-dir", str(made_once["dad"]), "--teacher-cache", str(made_once["dad"].parent)])
    return Path(shutil.copytree(made_once["dad"], tmp_path / "dad"))


def test_verify_says_that_all_is_well(tmp_path: Path, capsys) -> None:
    make_set(tmp_path)
    assert main(words("verify", tmp_path)) == 0
    assert capsys.readouterr().out == f"{tmp_path}: every file is as it was written\n"


def test_verify_names_the_damage_and_the_remedy(tmp_path: Path, capsys) -> None:
    make_set(tmp_path)
    flip(tmp_path / "shards/00001.tar", 2000)
    assert main(words("verify", tmp_path)) == DataError.exit_code == 3
    assert capsys.readouterr().out.splitlines() == [
        "shards/00001: its bytes have changed",
        f"{tmp_path}: 1 damaged files or shards",
        f"mend it: python -m dad.shards repair {tmp_path}",
    ]


def test_repair_leaves_an_undamaged_set_alone(tmp_path: Path) -> None:
    make_set(tmp_path)
    before = tree(tmp_path)
    assert main(words("repair", tmp_path)) == 0
    assert tree(tmp_path) == before


def test_repair_without_the_command_of_the_set_takes_nothing_back(tmp_path: Path) -> None:
    make_set(tmp_path)
    flip(tmp_path / "shards/00001.tar", 2000)
    before = tree(tmp_path)
    with pytest.raises(DataError, match=r"args\.yaml: no such file.* use --mark-only and rerun generate\.py"):
        main(words("repair", tmp_path))
    assert tree(tmp_path) == before


def test_repair_away_from_a_clone_takes_nothing_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_set(tmp_path / "set")
    (tmp_path / "set" / "args.yaml").write_text("seed: 1\n")
    flip(tmp_path / "set/shards/00001.tar", 2000)
    before = tree(tmp_path)
    monkeypatch.setattr(commands, "_GENERATE", tmp_path / "site-packages" / "generate.py")
    with pytest.raises(DataError, match=r"generate\.py: no such file; use --mark-only"):
        main(words("repair", tmp_path / "set"))
    assert tree(tmp_path) == before


def test_repair_can_leave_the_work_to_generate(tmp_path: Path, capsys) -> None:
    make_set(tmp_path)
    before = tree(tmp_path)
    flip(tmp_path / "shards/00001.tar", 2000)
    assert main(words("repair", tmp_path, "--mark-only")) == 0
    assert "rerun the same generate.py command" in capsys.readouterr().out
    assert before.keys() ^ tree(tmp_path).keys() == {"shards/00001.json", "shards/00001.json.damaged"}


@pytest.mark.slow
def test_repair_makes_every_file_what_it_was(generate_flags: list[str], tmp_path: Path) -> None:
    assert generate.main(generate_flags) == 0
    before = without_logs(tmp_path / "dad")
    flip(tmp_path / "dad/shards/00001.tar", 2000)
    assert without_logs(tmp_path / "dad") != before
    assert main(words("repair", tmp_path / "dad", "--yes")) == 0
    assert without_logs(tmp_path / "dad") == before
    assert main(words("verify", tmp_path / "dad")) == 0


def without_logs(root: Path) -> dict[str, bytes]:
    return {name: content for name, content in tree(root).items() if not name.startswith("logs/")}


def test_a_repair_whose_images_have_moved_changes_nothing_and_asks_for_them(made: Path, world: Path) -> None:
    settings = yaml.safe_load((made / "args.yaml").read_text())
    (made / "args.yaml").write_text(yaml.safe_dump({**settings, "data_dir": "/moved/away"}))
    flip(made / "shards/00001.tar", 2000)
    before = tree(made)
    with pytest.raises(DataError, match=r"not here .--data-dir /moved/away.; nothing was .* --data-dir \.\.\.$"):
        main(words("repair", made, "--yes"))
    assert tree(made) == before
    assert main(words("repair", made, "--dry-run", "--data-dir", world / "data")) == 0


@pytest.mark.slow
def test_a_repair_that_fails_removes_nothing_that_was_intact(made: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "other").mkdir()
    flip(made / "shards/00001.tar", 2000)
    before = without_logs(made)
    assert main(words("repair", made, "--yes", "--data-dir", tmp_path / "other")) == DataError.exit_code
    assert "nothing that was intact was removed" in capsys.readouterr().out
    assert without_logs(made) == before
    assert main(words("verify", made)) == DataError.exit_code


def test_repair_says_what_it_will_do_and_runs_no_command_unasked(made: Path, capsys) -> None:
    flip(made / "shards/00001.tar", 2000)
    before = tree(made)
    assert main(words("repair", made, "--dry-run")) == 0
    said = capsys.readouterr().out
    assert "shard 00001: made anew by generate.py; its files stay until then" in said
    assert "python generate.py " in said and "--redo-shards=1" in said
    with pytest.raises(UsageError, match="look at it, and say --yes"):
        main(words("repair", made))
    assert tree(made) == before


def test_repair_takes_no_module_and_no_compiler_from_a_set(made: Path, capsys) -> None:
    with (made / "args.yaml").open("a") as file:
        file.write("device_modules: [evil]\n")
    flip(made / "shards/00001.tar", 2000)
    assert main(words("repair", made, "--dry-run")) == 0
    assert "evil" not in capsys.readouterr().out


def test_what_needs_no_network_is_repaired_without_a_command(tmp_path: Path) -> None:
    make_set(tmp_path)
    before = tree(tmp_path)
    flip(tmp_path / "index.bin", 100)
    assert main(words("repair", tmp_path)) == 0
    assert tree(tmp_path) == before


def test_a_set_without_a_manifest_is_unfinished(tmp_path: Path, capsys) -> None:
    make_set(tmp_path)
    (tmp_path / "manifest.json").unlink()
    assert main(words("verify", tmp_path)) == DataError.exit_code
    assert "unfinished (3 of 3 shards are there, and no manifest.json)" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["verify", "stats"])
def test_flags_of_generate_are_for_repair_alone(tmp_path: Path, command: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words(command, tmp_path, "--data-dir", "x"))


def test_hydrate_finds_the_discretiser_of_the_set_and_its_images_again(made: Path, tmp_path: Path, capsys) -> None:
    assert main(words("hydrate", made, "--out", tmp_path / "out", "--device", "cpu", "-b", 3)) == 0
    assert "36 images decoded, of 36 sources" in capsys.readouterr().out
    before, after = DadSet.open(made), DadSet.open(tmp_path / "out")
    for index in range(len(before)):
        assert after.read(index, "npy") == before.read(index, "npy")
        images = [decode_image(dad.read(index, "png")).astype(int) for dad in (before, after)]
        assert np.abs(images[0] - images[1]).max() <= 1


def test_hydrate_asks_for_a_discretiser_that_the_set_does_not_name(made: Path, tmp_path: Path) -> None:
    (made / "args.yaml").unlink()
    with pytest.raises(UsageError, match=r"args\.yaml: no such file, so give .*: .* needs --vqgan-checkpoint FILE"):
        main(words("hydrate", made, "--out", tmp_path / "out"))


def test_flags_of_q_that_are_given_count_more_than_those_of_the_set(made: Path, world: Path, tmp_path: Path) -> None:
    config = made / "args.yaml"
    config.write_text(config.read_text().replace(str(world / "vqgan"), "/moved/away"))
    with pytest.raises(UserError, match="/moved/away"):
        main(words("hydrate", made, "--out", tmp_path / "out"))
    own = {"--vqgan-config": world / "vqgan/config.json", "--vqgan-checkpoint": world / "vqgan/model.safetensors"}
    given = [word for pair in own.items() for word in pair]
    assert main(words("hydrate", made, "--out", tmp_path / "out", "--device", "cpu", *given)) == 0
    assert len(DadSet.open(tmp_path / "out")) == 36


@pytest.mark.parametrize(
    ("text", "message"),
    [("vqgan_checkpoint: [1]\n", "not the flags"), ("- 1\n", "not the flags"), ("a: {\n", "not the flags")],
)
def test_flags_that_generate_would_not_take_are_refused(made: Path, tmp_path: Path, text: str, message: str) -> None:
    (made / "args.yaml").write_text(text)
    with pytest.raises(DataError, match=rf"args\.yaml: {message} of generate\.py"):
        main(words("hydrate", made, "--out", tmp_path / "out"))


def test_what_the_set_was_made_with_by_another_version_is_passed_over(made: Path, tmp_path: Path) -> None:
    with (made / "args.yaml").open("a") as file:
        file.write("a_flag_of_tomorrow: 7\n")
    assert main(words("hydrate", made, "--out", tmp_path / "out", "--device", "cpu")) == 0


def test_codes_are_not_decoded_by_what_has_none(made: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--discretizer identity has no codes; leave it out"):
        main(words("hydrate", made, "--out", tmp_path / "out", "--discretizer", "identity"))


def test_export_writes_a_folder_of_images(made: Path, tmp_path: Path, capsys) -> None:
    assert main(words("export", made, "--out", tmp_path / "out")) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'out'}: 36 images\n"
    assert len(list((tmp_path / "out").glob("*/*.png"))) == 36


def test_stats_prints_a_table_and_writes_all_numbers(made: Path, tmp_path: Path, capsys) -> None:
    assert main(words("stats", made, "--rows", 2, "--json", tmp_path / "stats.json")) == 0
    assert (
        len(capsys.readouterr().out.splitlines()) == 2 + 1 + 2 + 2 + 4
    )  # the table, its sample, and what the attack does
    stats = json.loads((tmp_path / "stats.json").read_text())
    assert sorted(stats["classes"]) == ["apple", "bear", "car", "dog", "eel", "fox"]
    assert stats["all"]["kept"] == 36


@pytest.mark.parametrize("given", [[], ["mend", "."], ["verify"], ["hydrate", "."], ["export", "."]])
def test_commands_that_make_no_sense_show_how_it_is_done(given: list[str], capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(given)
    assert "usage: python -m dad.shards" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (["stats", "dad", "--rows", "-1"], "--rows -1: it must be at least 1"),
        (["hydrate", "dad", "--out", "x", "-b", "0"], "--batch-size 0: it must be at least 1"),
        (["hydrate", "dad", "--out", "x", "--image-quality", "500"], "--image-quality 500: it must be from 1 to 100"),
        (["hydrate", "dad", "--out", "x", "--device", "cudaa"], "--device cudaa: not available on this machine"),
    ],
)
def test_values_that_cannot_work_are_refused_before_a_set_is_opened(given: list[str], line: str) -> None:
    with pytest.raises(UsageError, match=f"^{line}"):
        main(given)
