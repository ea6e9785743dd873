"""results.json: entries that are gone on with, replaced or left alone."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from known_answers import CPU

from dad.args import create_validate_parser
from dad.args.hparams import parse_args
from dad.decisions import Decisions, DecisionsFile, decisions_path
from dad.errors import DataError, UsageError
from dad.evaluation.results import ResultsFile, is_scored, resolve_results_path
from dad.report.results import FORMAT
from dad.variants.contents import Contents

IDENTITY = {
    "name": "run",
    "model": "resnet18",
    "checkpoint": "run/last.pth.tar",
    "checkpoint_hash": "0123456789abcdef",
    "weights": "ema",
    "settings": {"input_size": [3, 8, 8], "crop_pct": 0.9, "precision": "float32"},
}
SCORES = {
    "title": "ImageNet",
    "metric": "top1",
    "top1": 50.0,
    "images": "abc",
    "per_class": {"a": (1, 2)},
    "mistakes": [],
    "unreadable": [],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with one entry, scored on imagenet and under an attack."""
    results = ResultsFile(tmp_path / "new" / "results.json", CPU)
    entry = results.entry(IDENTITY, {"param_count": 11.7})
    entry["variants"]["imagenet"] = SCORES
    entry["attacks"].append({"attack": "fgsm"})
    results.write()
    return results.path


def names(path: Path, **other: Any) -> tuple[int, list[str]]:
    """How many entries there are once a model has one, and what it is scored on."""
    results = ResultsFile(path, CPU)
    entry = results.entry({**IDENTITY, **other}, {})
    return len(results.entries), [*entry["variants"], *(row["attack"] for row in entry["attacks"])]


def test_one_entry_stands_by_itself_and_several_in_a_list(path: Path) -> None:
    assert json.loads(path.read_bytes())["variants"]["imagenet"]["top1"] == 50
    results = ResultsFile(path, CPU)
    results.entry({**IDENTITY, "name": "other"}, {})
    results.write()
    assert [entry["name"] for entry in json.loads(path.read_bytes())] == ["run", "other"]
    assert [entry["name"] for entry in ResultsFile(path, CPU).entries] == ["run", "other"]


def test_an_entry_of_the_same_weights_is_gone_on_with(path: Path) -> None:
    assert names(path) == (1, ["imagenet", "fgsm"])


def test_what_is_told_of_a_model_is_told_anew(path: Path) -> None:
    entry = ResultsFile(path, CPU).entry(IDENTITY, {"versions": {"torch": "9"}})
    assert entry["versions"] == {"torch": "9"} and "param_count" not in entry and entry["format"] == FORMAT == 2


def test_an_entry_of_earlier_weights_is_replaced(path: Path) -> None:
    assert names(path, checkpoint_hash="f" * 16) == (1, [])


@pytest.mark.parametrize(
    "other",
    [{"settings": {**IDENTITY["settings"], "crop_pct": 1.0}}, {"settings": {**IDENTITY["settings"], "test_pool": True}},
     {"name": "other"}, {"weights": "state_dict"}, {"checkpoint": "other/last.pth.tar"}, {"model": "resnet34"}],
)  # fmt: skip
def test_an_entry_of_another_model_or_settings_stays(path: Path, other: dict[str, Any]) -> None:
    assert names(path, **other) == (2, [])


def test_a_rerun_leaves_the_order_of_rows_as_it_is(path: Path) -> None:
    results = ResultsFile(path, CPU)
    for name in ("second", "third"):
        results.entry({**IDENTITY, "name": name}, {})
    results.entry({**IDENTITY, "checkpoint_hash": "fedcba9876543210"}, {})
    results.entry({**IDENTITY, "name": "second"}, {})
    assert [entry["name"] for entry in results.entries] == ["run", "second", "third"]


def test_two_runs_on_one_file_lose_nothing(path: Path) -> None:
    one, other = ResultsFile(path, CPU), ResultsFile(path, CPU)
    ours, theirs = one.entry(IDENTITY, {}), other.entry(IDENTITY, {})
    other.entry({**IDENTITY, "name": "second"}, {})
    ours["variants"] = {**ours["variants"], "imagenet-r": {"top1": 1}}
    theirs["variants"] = {**theirs["variants"], "imagenet": {"top1": 60}, "imagenet-a": {"top1": 2}}
    theirs["attacks"] = [*theirs["attacks"], {"attack": "pgd"}]
    other.write()
    one.write()
    first, second = json.loads(path.read_bytes())
    assert {name: scores["top1"] for name, scores in first["variants"].items()} == {
        "imagenet": 60, "imagenet-r": 1, "imagenet-a": 2,
    }  # fmt: skip
    assert [row["attack"] for row in first["attacks"]] == ["fgsm", "pgd"] and second["name"] == "second"
    assert one.written == [first, second] and set(ours["variants"]) == {"imagenet", "imagenet-r"}


def test_earlier_weights_do_not_come_back(path: Path) -> None:
    results = ResultsFile(path, CPU)
    results.entry({**IDENTITY, "checkpoint_hash": "f" * 16}, {})
    results.write()
    assert json.loads(path.read_bytes())["variants"] == {}


def test_what_earlier_versions_have_scored_says_so(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    for number, name in enumerate(("imagenet-r", "imagenet-a", "imagenet-sketch")):
        results = ResultsFile(path, CPU)
        entry = results.entry(IDENTITY, {"versions": {"torch": "1" if number == 0 else "2"}})
        entry["variants"] = {**entry["variants"], name: {"title": name}}
        results.write()
    variants = json.loads(path.read_bytes())["variants"]
    told = {name: scores.get("versions") for name, scores in variants.items()}
    assert told == {"imagenet-r": {"torch": "1"}, "imagenet-a": None, "imagenet-sketch": None}


def test_another_relative_error_makes_no_new_scores(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    for torch, clean in (("1", {}), ("2", {"imagenet": {"top1": 76.0}})):
        results = ResultsFile(path, CPU)
        entry = results.entry(IDENTITY, {"versions": {"torch": torch}})
        corrupted = {"mce": 50.0, **({"relative_mce": 70.0} if clean else {})}
        entry["variants"] = {**entry["variants"], "imagenet-c": corrupted, **clean}
        results.write()
    variants = json.loads(path.read_bytes())["variants"]
    assert variants["imagenet-c"] == {"mce": 50.0, "relative_mce": 70.0, "versions": {"torch": "1"}}
    assert "versions" not in variants["imagenet"]


def test_an_entry_of_an_older_format_stays(path: Path) -> None:
    older = {
        "name": "run",
        "model": "resnet18",
        "checkpoint": "run/last.pth.tar",
        "variants": {"imagenet": {"top1": 1}},
    }
    path.write_text(json.dumps(older))
    assert names(path) == (2, [])
    assert ResultsFile(path, CPU).entries == [older]


@pytest.mark.parametrize(
    "content",
    ["", "{", '{"top1": 3}', "[1]", '["variants"]', "3", '[{"variants": {}}, {}]', "null", "\xff"],
)
def test_a_file_that_is_no_results_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(DataError, match=f"^{path}: .*choose another --results-file") as caught:
        ResultsFile(path, CPU)
    assert "\n" not in str(caught.value) and path.read_bytes() == content.encode("latin-1")


def test_a_folder_is_no_results_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a folder, not a file of JSON; .*--results-file"):
        ResultsFile(tmp_path, CPU)


def test_scores_belong_to_the_images_that_were_listed(path: Path) -> None:
    entry = ResultsFile(path, CPU).entries[0]
    assert is_scored(entry, "imagenet", Contents(lambda: "abc"))
    assert not is_scored(entry, "imagenet", Contents(lambda: "abd")) and not is_scored(
        entry, "imagenet-r", Contents(lambda: "abc")
    )


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ("--results-file new/scores.json", "new/scores.json"),
        ("--checkpoint run/last.pth.tar", "run/results.json"),
        ("--checkpoint run", "run/results.json"),
        ("--checkpoint run/last.pth.tar run/best.pth.tar", "results.json"),
        ("--checkpoint run/last.pth.tar --teacher clip/x", "results.json"),
        ("--pretrained", "results.json"),
    ],
)
def test_results_lie_beside_a_checkpoint_that_is_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, place: str
) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path)
    assert resolve_results_path(parse_args(create_validate_parser(), words.split())[0]) == Path(place)


def test_another_kind_of_results_file_is_refused() -> None:
    args = parse_args(create_validate_parser(), ["--results-file", "scores.csv"])[0]
    with pytest.raises(UsageError, match=r"--results-file scores.csv: scores are JSON, name it scores.json"):
        resolve_results_path(args)


def decided(*right: bool) -> Decisions:
    return Decisions(np.array(right), np.ones(len(right), np.bool_), np.arange(len(right), dtype=np.uint64))


def scored(results: ResultsFile, variant: str, *right: bool, **identity: Any) -> None:
    """Add a set to an entry, as a session does."""
    entry, scores = results.entry({**IDENTITY, **identity}, {}), {"images": f"of {variant}"}
    results.keep(entry, variant, scores, decided(*right))
    entry["variants"] = {**entry["variants"], variant: scores}


def rights(path: Path) -> dict[tuple[str, str], list[bool]]:
    """What each model of a file gets right of each set of which there are decisions."""
    entries = ResultsFile(path, CPU).entries
    known = [(entry, name) for entry in entries for name, scores in entry["variants"].items() if "decisions" in scores]
    return {(entry["name"], name): DecisionsFile(path).read(entry, name).right.tolist() for entry, name in known}


def test_two_runs_on_one_file_lose_no_decisions(path: Path) -> None:
    one, other = ResultsFile(path, CPU), ResultsFile(path, CPU)
    scored(one, "imagenet-r", True, False)
    scored(other, "imagenet-a", False, False)
    scored(other, "imagenet-a", True, True, name="second")
    other.write()
    one.write()
    found = {("run", "imagenet-r"): [True, False], ("run", "imagenet-a"): [False, False]}
    assert rights(path) == {**found, ("second", "imagenet-a"): [True, True]}
    assert is_scored(ResultsFile(path, CPU).entries[0], "imagenet", Contents(lambda: "abc"))


def test_two_runs_on_a_checkpoint_that_has_changed_in_between_lose_no_decisions(path: Path) -> None:
    one, other = ResultsFile(path, CPU), ResultsFile(path, CPU)
    scored(one, "imagenet-r", True, False)
    one.write()
    scored(other, "imagenet-a", False, False, checkpoint_hash="of the next epoch")
    other.write()
    one.write()
    assert rights(path) == {("run", "imagenet-r"): [True, False]}


def test_decisions_are_packed_once_by_a_run_and_anew_by_the_next(path: Path) -> None:
    for right in range(2):
        results = ResultsFile(path, CPU)
        scored(results, "imagenet-r", True)
        results.write()
        assert rights(path) == {("run", "imagenet-r"): [True]}
        before = decisions_path(path).stat().st_ino
        results.write()
        assert decisions_path(path).stat().st_ino == before, right
        content = bytearray(decisions_path(path).read_bytes())
        content[60:64] = b"????"  # the names are still there, the array is not what it was
        decisions_path(path).write_bytes(content)


def test_decisions_that_no_scores_name_go(path: Path) -> None:
    for right in (True, False):
        results = ResultsFile(path, CPU)
        scored(results, "imagenet-r", right)
        results.write()
    assert rights(path) == {("run", "imagenet-r"): [False]}
    with np.load(decisions_path(path)) as file:
        assert len([name for name in file.files if name.endswith(".right")]) == 1


def test_a_damaged_file_of_decisions_stops_no_run(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    decisions_path(path).write_bytes(b"PK garbage")
    results = ResultsFile(path, CPU)
    scored(results, "imagenet-r", True)
    results.write()
    assert rights(path) == {("run", "imagenet-r"): [True]} and "what it held is lost" in caplog.text
