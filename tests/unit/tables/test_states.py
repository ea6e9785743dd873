"""How far a run, a DAD set and scores are, from what is on the disk."""

import json
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest

from dad.checkpoints import file_digest
from dad.tables.states import State, state_of_dad_set, state_of_run, state_of_scores, state_of_soft_targets

ASKED = Namespace(epochs=30, lr=0.1, workers=8, batch_size=32, teacher="resnet18@a.pth", new_flag=1, output="x")
HOLD = """
import sys
from pathlib import Path
from dad.locks import hold
held = hold(Path(sys.argv[1]), "taken")
print("held", flush=True)
sys.stdin.read()
"""
Write = Callable[..., None]


@pytest.mark.parametrize(
    ("status", "weights", "state"),
    [
        ({"state": "done", "epoch": 30, "epochs": 30}, True, State("trained", is_done=True)),
        ({"state": "interrupted", "epoch": 12, "epochs": 30}, False, State("interrupted, 12 of 30 epochs")),
        ({"state": "running", "epoch": 3, "epochs": 30}, True, State("interrupted, 3 of 30 epochs")),  # killed
        ({"state": "failed", "epoch": 3, "epochs": 30, "exit_code": 3, "resumable": True}, True,
         State("failed with exit code 3, 3 of 30 epochs")),
        ({"state": "failed", "epoch": 3, "epochs": 30, "exit_code": 1, "resumable": False}, True,
         State("failed with exit code 1, 3 of 30 epochs", can_start=False)),  # it has diverged
    ],
)  # fmt: skip
def test_a_run_is_as_its_status_says(
    status: dict, weights: bool, state: State, tmp_path: Path, write_run: Write
) -> None:
    write_run(tmp_path / "run", status, weights=weights)
    assert state_of_run(tmp_path / "run", ASKED) == state


def test_what_was_never_begun_or_is_gone_is_no_training(tmp_path: Path, write_run: Write) -> None:
    assert state_of_run(tmp_path / "run", ASKED) == State("not begun")
    write_run(tmp_path / "run", {"state": "done"}, weights=False)
    gone = state_of_run(tmp_path / "run", ASKED)
    assert "is gone" in gone.text and not gone.is_done


def test_a_run_that_is_alive_is_not_started_again(tmp_path: Path, write_run: Write) -> None:
    write_run(tmp_path / "run", {"state": "running", "epoch": 3, "epochs": 30})
    words = [sys.executable, "-c", HOLD, str(tmp_path / "run" / ".run.lock")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"held\n"
        assert state_of_run(tmp_path / "run", ASKED) == State("training, 3 of 30 epochs", can_start=False)
        process.communicate(b"")
    assert state_of_run(tmp_path / "run", ASKED) == State("interrupted, 3 of 30 epochs")


def test_a_run_of_other_settings_is_another_run(tmp_path: Path, write_run: Write) -> None:
    done = {"state": "done", "epoch": 30, "epochs": 30}
    machine = "{epochs: 30, lr: 0.1, workers: 2, batch_size: 64, teacher: resnet18@b.pth, output: y, old_flag: 1}"
    write_run(tmp_path / "run", done, machine)
    assert state_of_run(tmp_path / "run", ASKED).is_done
    write_run(tmp_path / "run", done, "{epochs: 2, lr: 0.1, teacher: resnet50}")
    found = state_of_run(tmp_path / "run", ASKED)
    assert not found.is_done and not found.can_start
    assert found.text.endswith("(epochs: 2, asked 30, teacher: resnet50, asked resnet18)")


def test_a_dad_set_is_made_once_its_manifest_is_there(clone: Path) -> None:
    assert state_of_dad_set(clone / "gone") == State("not begun")
    assert state_of_dad_set(clone / "images") == State("not finished")
    assert state_of_dad_set(clone / "prepared").is_done
    manifest = clone / "prepared" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"digest": "', '"digest": "0'))
    damaged = state_of_dad_set(clone / "prepared")
    assert damaged.text == f"damaged (python -m dad.shards verify {clone / 'prepared'})" and not damaged.can_start
    assert state_of_soft_targets(clone / "gone") == State("not begun")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    (tmp_path / "last.pth.tar").write_bytes(b"weights")
    return tmp_path / "last.pth.tar"


def scores_in(checkpoint: Path, weights: str = "ema", **changes: object) -> State:
    """The state of ImageNet, C and FGSM, of which the file has what `changes` do not take away."""
    result = {
        "model": "m", "checkpoint": str(checkpoint), "weights": "ema",
        "checkpoint_hash": file_digest(checkpoint) if checkpoint.exists() else "gone",
        "variants": {"imagenet": {"top1": 1.0}, "imagenet-c": {"mce": 1.0}}, "attacks": [{"attack": "fgsm"}], **changes,
    }  # fmt: skip
    (checkpoint.parent / "results.json").write_text(json.dumps(result))
    files = [checkpoint.parent / "none.json", checkpoint.parent / "results.json"]
    return state_of_scores(checkpoint, files, ["imagenet", "imagenet-c"], ["fgsm"], weights)


def test_scores_count_if_they_are_all_there(checkpoint: Path) -> None:
    assert scores_in(checkpoint) == State("scored", is_done=True)
    assert scores_in(checkpoint, attacks=[]).text == "scored but for FGSM"
    part = {"imagenet": {"top1": 1.0}, "imagenet-c": {"mce": None, "complete": False}}
    assert scores_in(checkpoint, variants=part).text == "scored but for C"


def test_attacks_of_other_sets_are_not_those_of_the_table(checkpoint: Path) -> None:
    other = [{"attack": "fgsm", "variant": "imagenet-r"}]
    assert scores_in(checkpoint, attacks=other).text == "scored but for FGSM"
    assert scores_in(checkpoint, attacks=[*other, {"attack": "fgsm", "variant": "imagenet"}]).is_done


@pytest.mark.parametrize("changes", [{"checkpoint_hash": "of an earlier training"}, {"weights": "state_dict"}])
def test_scores_of_other_weights_do_not_count(changes: dict, checkpoint: Path) -> None:
    assert scores_in(checkpoint, **changes) == State("not scored")


def test_scores_stay_where_the_weights_were_removed(tmp_path: Path) -> None:
    assert scores_in(tmp_path / "last.pth.tar").is_done
