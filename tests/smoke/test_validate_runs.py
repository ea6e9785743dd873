"""validate.py as a user runs it, on sets in which every image's right answer is known."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from timm import create_model

import validate
from dad.report.__main__ import main as report

ROOT = Path(__file__).parents[2]
NAMES = "abcdef"
CORRUPTED = ("fog/1", "fog/2", "saturate/3")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six classes in four sets, and two models with random weights."""
    root = tmp_path_factory.mktemp("sets")
    for place in ("val", "imagenet-r", "imagenetv2", *(f"imagenet-c/{name}" for name in CORRUPTED)):
        for label, name in enumerate(NAMES):
            folder = root / place / (str(label) if place == "imagenetv2" else name)
            folder.mkdir(parents=True)
            for number in range(3):
                Image.new("RGB", (64, 64), (40 * label, 80 * number, len(place) * 9 % 255)).save(
                    folder / f"{number}.png"
                )
    for seed in (1, 2):
        torch.manual_seed(seed)
        model = create_model("test_resnet", num_classes=6)
        torch.nn.init.normal_(model.fc.weight)
        (root / f"run{seed}").mkdir()
        torch.save({"state_dict": model.state_dict(), "arch": "test_resnet"}, root / f"run{seed}" / "last.pth.tar")
    return root


def words(world: Path, *more: str) -> list[str]:
    flags = ["--data-dir", str(world), "--device", "cpu", "--workers", "0", "--img-size", "64", "-b", "7"]
    return [*flags, "--checkpoint", str(world / "run1" / "last.pth.tar"), *more]


def scores_of(path: Path) -> Any:
    return json.loads(path.read_text())


def without_times(entry: dict[str, Any]) -> dict[str, Any]:
    variants = {name: {**scores, "seconds": 0} for name, scores in entry["variants"].items()}
    return {**entry, "variants": variants, "attacks": [{**row, "seconds": 0} for row in entry["attacks"]]}


def test_results_say_what_they_were_made_of(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert validate.main(words(world, "--results-file", str(tmp_path / "r.json"), "--metrics-avg", "macro")) == 0
    entry = scores_of(tmp_path / "r.json")
    assert entry["name"] == "run1" and entry["class_names"]["a"] == "a" and len(entry["checkpoint_hash"]) == 16
    assert entry["settings"]["input_size"] == [3, 64, 64] and torch.__version__.startswith(entry["versions"]["torch"])
    assert {"imagenet", "imagenet-r", "imagenetv2", "imagenet-c"} <= set(entry["variants"])
    top1 = entry["variants"]["imagenet"]
    assert sum(right for right, _ in top1["per_class"].values()) == top1["correct"]
    assert top1["recall"] == pytest.approx(top1["top1"])  # as many images in every class
    printed = capsys.readouterr().out
    assert entry["variants"]["imagenet-c"]["mce"] is None and "incomplete" in printed
    assert "Before you compare:\n\n- run1, C: incomplete, so there is no number for it; missing: " in printed


def test_a_second_run_scores_only_what_is_new(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = words(world, "--results-file", str(tmp_path / "r.json"))
    assert validate.main([*flags, "--variants", "imagenet,imagenet-r"]) == 0
    first = scores_of(tmp_path / "r.json")
    capsys.readouterr()
    assert validate.main([*flags, "--attack", "fgsm"]) == 0
    printed, second = capsys.readouterr().out, scores_of(tmp_path / "r.json")
    assert printed.count("is in") == 2 and {"imagenetv2", "imagenet-c"} <= set(second["variants"])
    assert second["variants"]["imagenet"] == first["variants"]["imagenet"]  # seconds too: it was not scored again
    assert [row["attack"] for row in second["attacks"]] == ["fgsm"]
    assert validate.main([*flags, "--attack", "fgsm"]) == 0
    assert scores_of(tmp_path / "r.json") == second


def test_other_models_and_settings_stay_in_the_file(world: Path, tmp_path: Path) -> None:
    flags = words(world, "--results-file", str(tmp_path / "r.json"), "--variants", "imagenet")
    for more in ([], ["--crop-pct", "0.5"], ["--checkpoint", str(world / "run2" / "last.pth.tar")]):
        assert validate.main([*flags, *more]) == 0
    entries = scores_of(tmp_path / "r.json")
    assert [(entry["name"], entry["settings"]["crop_pct"]) for entry in entries] == [
        ("run1", pytest.approx(0.95)), ("run1", 0.5), ("run2", pytest.approx(0.95)),
    ]  # fmt: skip


@pytest.mark.parametrize(("split", "row"), [("val", "imagenet"), ("imagenet-r", "imagenet/imagenet-r")])
def test_a_split_is_not_taken_for_the_validation_images(world: Path, tmp_path: Path, split: str, row: str) -> None:
    flags = words(world, "--results-file", str(tmp_path / "r.json"))
    for more in (["--variants", "imagenet"], ["--split", split]):
        assert validate.main([*flags, *more]) == 0
    variants = scores_of(tmp_path / "r.json")["variants"]
    assert set(variants) == {"imagenet", row} and variants["imagenet"]["mistakes"][0]["file"].startswith(
        f"{world}/val/"
    )


def test_an_interrupted_run_goes_on_to_the_same_scores(world: Path, tmp_path: Path) -> None:
    flags = words(world, "--checkpoint", *(str(world / f"run{seed}" / "last.pth.tar") for seed in (1, 2)))
    assert validate.main([*flags, "--results-file", str(tmp_path / "whole.json")]) == 0
    command = [sys.executable, "validate.py", *flags, "--results-file", str(tmp_path / "r.json")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        while not (tmp_path / "r.json").exists() and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    assert validate.main(command[2:]) == 0
    whole, mended = (scores_of(tmp_path / name) for name in ("whole.json", "r.json"))
    assert [without_times(entry) for entry in whole] == [without_times(entry) for entry in mended]


def test_unreadable_images_are_named_and_do_not_count(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "val", tmp_path / "val")
    (tmp_path / "val" / "a" / "0.png").write_bytes(b"<html>")
    assert validate.main(words(world, "--data-dir", str(tmp_path), "--results-file", str(tmp_path / "r.json"))) == 0
    scores = scores_of(tmp_path / "r.json")["variants"]["imagenet"]
    assert scores["count"] == 17 and scores["unreadable"] == [str(tmp_path / "val" / "a" / "0.png")]
    assert scores["per_class"]["a"][1] == 2


def test_the_csv_and_the_report_card_have_these_numbers(world: Path, tmp_path: Path) -> None:
    assert validate.main(words(world, "--results-file", str(tmp_path / "r.json"), "--attack", "pgd")) == 0
    top1 = scores_of(tmp_path / "r.json")["variants"]["imagenet-r"]["top1"]
    lines = (tmp_path / "r.csv").read_text().splitlines()
    assert "top1_err" in lines[0] and any("imagenet-r" in line and str(round(top1, 4)) in line for line in lines)
    report([str(tmp_path / "r.json"), "--html", "--out", str(tmp_path / "card.html")])
    card = (tmp_path / "card.html").read_text()
    assert f"{top1:.1f}" in card and "run1" in card and "data:image/jpeg;base64," in card


def test_shifted_and_own_sets_are_attacked_too(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.txt").write_text("0\n5\n")
    flags = words(world, "--results-file", str(tmp_path / "r.json"), "--variants", "imagenet,imagenet-r,imagenet-c")
    flags += ["--extra-set", f"mine={world / 'imagenet-r'}", "--attack", "fgsm,pgd"]
    sets = ["--attack-sets", "imagenet-r,imagenet-c,mine", "--attack-images", f"imagenet-r={tmp_path / 'r.txt'}"]
    assert validate.main([*flags, *sets]) == 0
    found = {(row["attack"], row["variant"]): row for row in scores_of(tmp_path / "r.json")["attacks"]}
    counts = {"imagenet-r": 2, "imagenet-c": 36, "mine": 18}  # of C without `saturate`, which does not count
    assert {place: row["count"] for place, row in found.items()} == {
        (attack, name): count for attack in ("fgsm", "pgd") for name, count in counts.items()
    }
    scores = scores_of(tmp_path / "r.json")["variants"]
    assert found["fgsm", "mine"]["clean_top1"] == pytest.approx(scores["mine"]["top1"])
    assert found["fgsm", "imagenet-c"]["clean_top1"] == pytest.approx(scores["imagenet-c"]["top1"])
    capsys.readouterr()
    assert validate.main([*flags, *sets]) == 0 and capsys.readouterr().out.count("is in") == 4 + 6


def test_an_own_set_alone_can_be_attacked(world: Path, tmp_path: Path) -> None:
    flags = words(world, "--results-file", str(tmp_path / "r.json"), "--extra-set", f"mine={world / 'imagenet-r'}")
    flags += ["--data-dir", "", "--class-map", str(world / "classes.txt"), "--attack", "fgsm", "--attack-sets", "mine"]
    (world / "classes.txt").write_text("\n".join(NAMES))
    assert validate.main(flags) == 0
    assert [row["variant"] for row in scores_of(tmp_path / "r.json")["attacks"]] == ["mine"]


def test_an_extra_set_has_a_column_of_its_own_everywhere(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    extra = f"mine={world / 'imagenet-r'}"
    flags = words(world, "--results-file", str(tmp_path / "r.json"), "--variants", "imagenet,imagenet-r")
    assert validate.main([*flags, "--extra-set", extra, "--attack", "fgsm"]) == 0
    printed, entry = capsys.readouterr().out, scores_of(tmp_path / "r.json")
    mine = entry["variants"]["mine"]
    assert (mine["title"], mine["metric"], mine["count"], mine["expected"]) == ("mine", "top1", 18, None)
    assert mine["per_class"] == entry["variants"]["imagenet-r"]["per_class"]
    assert [row["variant"] for row in entry["attacks"]] == ["imagenet"]
    header = next(line for line in printed.splitlines() if line.startswith("| Model"))
    assert [cell.strip() for cell in header.split("|")][-3:-1] == ["R", "mine"]  # of these classes there is no average
    assert ",mine,18,top1," in (tmp_path / "r.csv").read_text()
    for flag, column in (("--markdown", "mine |"), ("--csv", ",mine,"), ("--html", '<th scope="col">mine</th>')):
        report([str(tmp_path / "r.json"), flag])
        assert column in capsys.readouterr().out
    assert validate.main([*flags, "--extra-set", extra]) == 0
    assert f"mine                  is in {tmp_path / 'r.json'} already" in capsys.readouterr().out


def test_extra_sets_are_scored_alone_without_a_data_root(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "classes.txt").write_text("\n".join(NAMES))
    for name in "bd":
        shutil.copytree(world / "val" / name, tmp_path / "part" / name)
    monkeypatch.chdir(tmp_path)  # relative folders are of the current one
    flags = words(world, "--class-map", "classes.txt", "--results-file", "r.json")[2:]
    assert validate.main([*flags, "--extra-set", "part=part", "--extra-set", f"whole={world}/val"]) == 0
    variants = scores_of(tmp_path / "r.json")["variants"]
    assert set(variants) == {"part", "whole"} and list(variants["part"]["per_class"]) == ["b", "d"]
    assert {name: variants["whole"]["per_class"][name] for name in "bd"} == variants["part"]["per_class"]


def test_groups_and_a_part_of_the_classes_are_told_everywhere(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, letters in {"first": "bcd", "second": "cd"}.items():
        for letter in letters:  # letters' folders have other names
            shutil.copytree(world / "val" / letter, tmp_path / "mine" / name / f"the {letter}")
    (tmp_path / "map.txt").write_text("".join(f"the {letter} {letter}\n" for letter in "bcd"))
    flags = words(world, "--results-file", str(tmp_path / "r.json"), "--variants", "imagenet")
    mine = ["--extra-set", f"mine={tmp_path / 'mine'}", "--extra-set-groups", "mine"]
    assert validate.main([*flags, *mine, "--folder-map", str(tmp_path / "map.txt")]) == 0
    printed, variants = capsys.readouterr().out, scores_of(tmp_path / "r.json")["variants"]
    groups, whole = variants["mine"]["groups"], variants["imagenet"]["per_class"]
    for name, letters in {"first": "bcd", "second": "cd"}.items():
        assert groups[name]["correct"] == sum(whole[letter][0] for letter in letters)
    worst = min(group["top1"] for group in groups.values())
    assert f"worst group '{variants['mine']['worst_group']}' {worst:.3f}" in printed
    assert "mine: images of 3 of the 6 classes" in printed
    header = next(line for line in printed.splitlines() if line.startswith("| Model"))
    assert [cell.strip() for cell in header.split("|")][-4:-1] == ["mine", "mine (own classes)", "mine (worst group)"]
    assert f",mine,15,worst_group_top1,{round(worst, 4)}," in (tmp_path / "r.csv").read_text()
    report([str(tmp_path / "r.json"), "--html"])
    assert "mine by group" in capsys.readouterr().out


@pytest.mark.slow
def test_two_processes_score_as_one(world: Path, tmp_path: Path) -> None:
    flags = words(world, "--attack", "pgd", "-b", "4", "--workers", "1")
    assert validate.main([*flags, "--results-file", str(tmp_path / "one.json")]) == 0
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "validate.py"]
    more = ["--results-file", str(tmp_path / "two.json"), "--variants", "imagenet,imagenetv2"]
    subprocess.run([*launcher, *flags, *more], cwd=ROOT, check=True, timeout=240, env=_environment())
    subprocess.run([*launcher, *flags, *more[:2]], cwd=ROOT, check=True, timeout=240, env=_environment())
    one, two = (without_times(scores_of(tmp_path / name)) for name in ("one.json", "two.json"))
    assert one["attacks"] == two["attacks"]
    for name, scores in one["variants"].items():
        assert scores.pop("loss") == pytest.approx(two["variants"][name].pop("loss"), rel=1e-6)
        assert {**scores, "mistakes": 0} == {**two["variants"][name], "mistakes": 0}


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
