"""All findings of a script with its flags, in one list."""

from pathlib import Path

import pytest

import generate
from dad.doctor.__main__ import main
from dad.doctor.card import PIP_OLD_CARDS, Card, Wheel


def lines(words: list[str], capsys: pytest.CaptureFixture[str], code: int) -> list[str]:
    assert main([str(word) for word in words]) == code
    return capsys.readouterr().out.splitlines()


def subjects(said: list[str]) -> set[str]:
    return {line[6:20].strip() for line in said if line and line[:5].strip() in ("ok", "warn", "fail")}


def test_generation(generate_flags: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    said = lines(generate_flags, capsys, 0)
    assert said[-1] == "all is well" and not (tmp_path / "dad").exists()
    assert subjects(said) == {"card", "weights", "network", "data", "teacher", "zero-shot head", "VQGAN", "disk"}


def test_training(
    train_flags: list[str], generate_flags: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = [*train_flags, "--objective", "dad", "--dad-dir", str(tmp_path / "dad"), "--workers", "2"]
    said = lines(words, capsys, 4)
    assert [line for line in said if line.startswith("fail")] == [
        f"fail  DAD set        {tmp_path / 'dad'}: generation is not finished (no manifest.json there); rerun the same "
        "generate.py command"
    ]
    assert generate.main([*generate_flags, "--preview", "0", "--gallery", "0"]) == 0
    capsys.readouterr()
    said = lines(words, capsys, 0)
    assert subjects(said) == {
        "card", "weights", "network", "data", "DAD set", "teacher", "zero-shot head", "student", "shared memory",
        "open files", "disk",
    }  # fmt: skip
    assert not (tmp_path / "run").exists()


def test_who_asks_no_teacher_makes_no_head(train_flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    said = lines([*train_flags, "--objective", "ce"], capsys, 0)
    assert "teacher" not in subjects(said) and not any("zero-shot head" in line for line in said)


def test_validation(world: Path, teacher_flags: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    left_out = teacher_flags.index("--workers")
    words = [*teacher_flags[:left_out], "--script", "validate", "--results-file", str(tmp_path / "results.json")]
    said = lines(words, capsys, 0)
    assert {"data", "teacher", "weights", "shared memory", "disk"} <= subjects(said)
    said = lines([*words, "--checkpoint", str(tmp_path / "none.pth.tar")], capsys, 4)
    assert any("--checkpoint" in line and "nothing is there" in line for line in said)


def test_building_soft_targets(train_flags: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = [*train_flags, "--objective", "kd", "--script", "soft_targets", "--soft-targets", str(tmp_path / "soft")]
    said = lines(words, capsys, 0)
    assert any("the teacher's answers" in line for line in said) and "soft targets" not in subjects(said)
    said = lines([word for word in words if word not in ("--script", "soft_targets")], capsys, 4)
    assert "soft targets" in subjects(said)  # training reads what is not there yet


def test_all_that_would_fail_is_said_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    said = lines(
        ["--device", "cpu", "--teacher", "clip/ViT-L-15/openai", "--discretizer", "vqgan", "--keep", "all"], capsys, 4
    )
    assert sum(line.startswith("fail") for line in said) >= 3 and said[-1].endswith(" to be looked at")
    assert any("open_clip has no model 'ViT-L-15'" in line for line in said)


def test_an_objective_that_is_none_is_all_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    said = lines(["--device", "cpu", "--objective", "dda"], capsys, 4)
    assert [line for line in said if line.startswith("fail")] == [
        line for line in said if "no objective named 'dda'" in line
    ]


def test_the_machine_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert subjects(lines(["--device", "cpu"], capsys, 0)) == {"card", "shared memory", "open files"}
    monkeypatch.setattr("dad.doctor.examine.read_cards", lambda device: [Card("V100", (7, 0), 32 * 2**30)])
    monkeypatch.setattr(Wheel, "installed", classmethod(lambda cls: cls("2.15.0", "13.2", ("sm_75",))))
    said = lines([], capsys, 4)
    assert said[0].startswith("fail  card           V100 (compute capability 7.0, 32 GiB)") and PIP_OLD_CARDS in said[0]
    assert said[1].startswith("ok    precision      V100: fp16, no bf16")
