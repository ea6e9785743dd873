"""A card against what the build of torch has code for, and against the precisions that are asked for."""

from argparse import Namespace
from pathlib import Path

import pytest
import torch

from dad.doctor import card as module
from dad.doctor.card import (
    PIP_LATEST,
    PIP_OLD_CARDS,
    Card,
    Precision,
    Wheel,
    has_code,
    judge_precision,
    judge_wheel,
    read_cards,
    resolve_precision,
)
from dad.doctor.findings import Level

CU132 = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")  # torch 2.15's on the package index
CU126 = ("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90")
V100, A100, H100 = Card("V100", (7, 0)), Card("A100", (8, 0)), Card("H100", (9, 0))
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("capability", "architectures", "runs"),
    [
        ((7, 0), CU132, False),
        ((7, 0), CU126, True),
        ((8, 9), CU132, True),  # by code for an earlier minor version
        ((8, 0), ("sm_86",), False),
        ((10, 3), CU132, True),
        ((9, 0), ("sm_90a",), True),
        ((9, 1), ("sm_90a",), False),  # code for one version alone
        ((12, 1), ("sm_80", "compute_90"), True),  # compiled by the driver
        ((7, 0), ("compute_75",), False),
        ((8, 0), (), False),
        ((8, 0), ("gfx90a",), False),
    ],
)
def test_code_runs_on_its_major_version_from_its_minor_one_on(
    capability: tuple[int, int], architectures: tuple[str, ...], runs: bool
) -> None:
    assert has_code(capability, architectures) is runs


def test_a_card_of_before_cuda_13_gets_the_line_that_installs_its_build() -> None:
    (finding,) = judge_wheel([V100], Wheel("2.15.0+cu132", "13.2", CU132), "cuda")
    assert finding.level == Level.FAIL
    assert finding.said == (
        "V100 (compute capability 7.0): torch 2.15.0+cu132 (CUDA 13.2) has no code for it, only for " + ", ".join(CU132)
    )
    assert finding.remedy == f"it needs a CUDA 12.6 build of torch up to 2.14: {PIP_OLD_CARDS}"
    assert judge_wheel([V100], Wheel("2.14.1+cu126", "12.6", CU126), "cuda")[0].level == Level.OK


def test_a_card_that_is_too_new_gets_the_newest_build() -> None:
    (finding,) = judge_wheel([Card("R200", (13, 0))], Wheel("2.15.0", "13.2", CU132), "cuda")
    assert finding.level == Level.FAIL and finding.remedy == f"install a build that has sm_130: {PIP_LATEST}"


def test_cards_of_one_kind_are_one_line() -> None:
    findings = judge_wheel([H100, H100, V100], Wheel("2.15.0", "13.2", CU132), "cuda")
    assert [(finding.level, finding.said[:10]) for finding in findings] == [
        (Level.OK, "2 x H100 ("),
        (Level.FAIL, "1 x V100 ("),
    ]


@pytest.mark.parametrize(
    ("device", "cuda", "level", "said"),
    [
        ("cpu", "13.2", Level.OK, "none is asked for"),
        ("cuda", None, Level.FAIL, "this is torch 2.15.0 (without CUDA)"),
        ("cuda", "13.2", Level.FAIL, "sees no card; see whether nvidia-smi lists one"),
    ],
)
def test_no_card_is_told_by_its_reason(device: str, cuda: str | None, level: Level, said: str) -> None:
    (finding,) = judge_wheel([], Wheel("2.15.0", cuda, CU132), device)
    assert finding.level == level and said in finding.sentence


@pytest.mark.parametrize(
    ("card", "asked", "level", "said"),
    [
        (V100, Precision(), Level.OK, "V100: fp16, no bf16 (emulated), no TF32"),
        (V100, Precision("float16"), Level.OK, "fp16"),
        (V100, Precision("bfloat16"), Level.WARN, "slow here; --amp-dtype float16"),
        (V100, Precision("", "bfloat16"), Level.WARN, "leave out --model-dtype and use --amp"),
        (A100, Precision("bfloat16"), Level.OK, "A100: fp16, bf16, TF32 (off unless torch is told)"),
        (Card("P100", (6, 0)), Precision("float16"), Level.WARN, "--no-amp is as fast"),
        (Card("P100", (6, 0)), Precision(), Level.OK, "fp16 without tensor cores"),
    ],
)
def test_precisions_are_those_of_the_card(card: Card, asked: Precision, level: Level, said: str) -> None:
    (finding,) = judge_precision([card, card], asked)
    assert finding.level == level and said in finding.sentence


def test_flags_say_which_precision_is_asked_for() -> None:
    assert resolve_precision(Namespace(amp=False, amp_dtype="bfloat16")) == Precision()
    assert resolve_precision(Namespace(amp=True, amp_dtype="bfloat16", model_dtype="bfloat16")) == Precision(
        "bfloat16", "bfloat16"
    )


@pytest.mark.parametrize(("device", "count"), [("cpu", 0), ("cuda", 2), ("cuda:1", 1), ("cuda:7", 0)])
def test_the_cards_are_those_of_the_device(monkeypatch: pytest.MonkeyPatch, device: str, count: int) -> None:
    class Properties:
        name, major, minor, total_memory = "H100", 9, 0, 80 * 2**30

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: Properties)
    cards = read_cards(device)
    assert len(cards) == count and all(str(card) == "H100 (compute capability 9.0, 80 GiB)" for card in cards)


def test_the_installed_build_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.torch.cuda, "get_arch_list", lambda: ["sm_90"])
    assert Wheel.installed() == Wheel(torch.__version__, torch.version.cuda, ("sm_90",))


def test_the_lines_to_install_by_stand_in_the_constraints_and_in_the_readme() -> None:
    first, second = PIP_OLD_CARDS.split(" && ")
    constraints, readme = ((ROOT / name).read_text("utf-8") for name in ("constraints-v100.txt", "README.md"))
    assert f"    {first}\n    {second}\n" in readme and PIP_LATEST.replace("--upgrade ", "") in readme
    assert f"#     {first}\n#     {second}\n" in constraints
