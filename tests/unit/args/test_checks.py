"""Numbers and words that nothing works with are refused by their flag, in one line, before anything is loaded."""

import re

import pytest

import generate
import train
import validate
from dad.args import create_generate_parser, create_train_parser, create_validate_parser
from dad.args.checks import (
    _NAMES,
    _PAIRS,
    _RULES,
    flag_of,
    missing_flags,
    require_given,
    require_names,
    require_numbers,
)
from dad.args.hparams import parse_args
from dad.errors import UsageError
from dad.objectives import load_objective
from dad.plugins import list_plugins, load_plugin

PARSERS = {"train": create_train_parser, "generate": create_generate_parser, "validate": create_validate_parser}
MAINS = {"train": train.main, "generate": generate.main, "validate": validate.main}
BAD = {
    "at least 1": "0", "above 0": "0", "at least 0": "-1", "from 0 to 1": "1.5", "a number": "nan",
    "at least 0 and below 1": "1", "from 0 to 4294901760": "-1", "from 1 to 100": "0", "above 0 and up to 1": "0",
}  # fmt: skip
OF_SCRIPT = {script: {action.dest: action for action in create()._actions} for script, create in PARSERS.items()}
NUMBERS = {
    script: [name for name, action in actions.items() if action.type in (int, float)]
    for script, actions in OF_SCRIPT.items()
}
CASES = [
    pytest.param(script, name, BAD[wanted], wanted, id=f"{script} {name}")
    for names, wanted, _ in _RULES
    for name in names
    for script in PARSERS
    if name in NUMBERS[script]
]
PREPROCESSING = {"crop_pct", "mean", "std", "in_chans", "input_size"}  # checked by require_preprocessing, or the script
OBJECTIVE = {  # checked by the objectives that have them
    "dist_temperature", "rslad_temperature", "kdiga_weight", "pyramid_cells", "pyramid_multipliers",
}  # fmt: skip


def refusal(script: str, words: list[str]) -> str:
    with pytest.raises(UsageError) as error:
        MAINS[script]([*words, "--data-dir", "/nowhere"])
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    "script, name, value, wanted",
    [
        *CASES,
        ("train", "task_loss_weight", "nan", "at least 0"),
        ("train", "smoothing", "-0.1", "from 0 to 1"),
        ("train", "lr", "inf", "finite"),
        ("train", "seed", "4294967295", "from 0 to 4294901760"),
        ("train", "opt_betas", "-0.1", "at least 0 and below 1"),
        ("generate", "image_quality", "101", "from 1 to 100"),
    ],
)
def test_a_number_that_cannot_be_is_refused_before_anything_is_read(
    script: str, name: str, value: str, wanted: str
) -> None:
    words = [f"{flag_of(name)}={value}"]
    if OF_SCRIPT[script][name].nargs == "+":
        words = [flag_of(name), value, value]
    if name == "local_rank":
        words = [f"--local_rank={value}"]
    assert refusal(script, words) == f"{flag_of(name)} {value}: it must be {wanted}"


@pytest.mark.parametrize("script", PARSERS)
def test_every_number_of_a_script_has_a_rule(script: str) -> None:
    ruled = {name for names, _, _ in _RULES for name in names}
    assert set(NUMBERS[script]) <= ruled | PREPROCESSING | OBJECTIVE


def test_every_rule_is_of_a_flag() -> None:
    ruled = [name for names, _, _ in _RULES for name in names]
    assert len(ruled) == len(set(ruled))
    tools = {"rows", "num_batches", "num_images", "num_calibration_images", "tolerance"}  # of python -m dad.*
    known = {name for actions in OF_SCRIPT.values() for name in actions} | tools
    assert {*ruled, *_PAIRS, *(name for name, _, _ in _NAMES)} <= known


@pytest.mark.parametrize("name", _PAIRS)
@pytest.mark.parametrize("values", [["0.5"], ["0.1", "0.2", "0.3"]])
def test_a_range_is_two_numbers(name: str, values: list[str]) -> None:
    said = refusal("train", [flag_of(name), *values])
    assert said == f"{flag_of(name)} {' '.join(values)}: it takes two numbers, the smallest and the largest"


@pytest.mark.parametrize("name, unset, known", _NAMES)
def test_a_word_is_refused_with_those_that_are_known(name: str, unset: str, known: tuple[str, ...]) -> None:
    script = "train" if name in OF_SCRIPT["train"] else "validate"
    assert refusal(script, [flag_of(name), "word", "--pretrained"]) == (
        f"{flag_of(name)} word: known are {', '.join(known)}"
    )


@pytest.mark.parametrize(
    "objective, flag, value, wanted",
    [
        ("dist", "--dist-temperature", "-1", "above 0"),
        ("rslad", "--rslad-temperature", "nan", "above 0"),
        ("kdiga_dad", "--kdiga-weight", "-1", "at least 0"),
        ("ard", "--kd-temperature", "0", "above 0"),
    ],
)
def test_an_objective_refuses_its_own_flags(objective: str, flag: str, value: str, wanted: str) -> None:
    assert refusal("train", ["--objective", objective, f"{flag}={value}"]) == f"{flag} {value}: it must be {wanted}"


@pytest.mark.parametrize("script", PARSERS)
def test_what_the_flags_have_by_default_is_accepted(script: str) -> None:
    args, _ = parse_args(PARSERS[script](), [])
    require_numbers(args)
    require_names(args)


@pytest.mark.parametrize(
    "script, words, flags",
    [
        ("generate", "", "--data-dir, --dad-dir and --teacher are needed; see generate.py --help; --discretizer vqgan "
            "needs --vqgan-checkpoint FILE"),
        ("generate", "--dad-dir x --teacher y", "--data-dir is needed; see .*--vqgan-checkpoint"),
        ("generate", "--discretizer stable_diffusion", "--data-dir, .*diffusion needs --diffusion-model NAME, "),
        ("generate", "--discretizer identity", "--data-dir, --dad-dir and --teacher are needed; see .* --help$"),
        ("validate", "", "nothing to score: give --checkpoint .*; --data-dir is needed: "),
        ("train", "", "--data-dir is needed: .*; --objective dad needs --teacher SPEC, .*, and --dad-dir DIR, the"),
        ("train", "--objective kd --data-dir x", "--objective kd needs --teacher SPEC, e.g. "),
        ("train", "--objective dad --data-dir x --teacher y", "--objective dad needs --dad-dir DIR, the DAD set"),
        ("train", "--objective dat --data-dir x", "--discretizer vqgan needs --vqgan-checkpoint FILE"),
        ("train", "--objective dad_dat", "--data-dir .*--teacher SPEC, .*--dad-dir DIR, .*--vqgan-checkpoint"),
        ("train", "--objective ce", "--data-dir is needed: "),
    ],
)  # fmt: skip
def test_all_that_is_missing_is_said_at_once(script: str, words: str, flags: str) -> None:
    with pytest.raises(UsageError, match=f"^{flags}") as error:
        MAINS[script](words.split())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", list_plugins("objectives"))
def test_what_an_objective_needs_is_known_before_anything_is_loaded(name: str) -> None:
    args, _ = parse_args(create_train_parser(), ["--objective", name, "--data-dir", "x"])
    said = "; ".join(filter(None, train.missing_parts(args, load_objective(name))))
    assert ("--teacher" in said) is load_objective(name).needs_teacher
    assert ("--dad-dir" in said) is ("dad" in load_objective(name).views)
    assert ("--vqgan-checkpoint" in said) is bool(load_objective(name).find_missing(args))
    assert load_objective(name).find_missing(args) or not name.endswith("dat")


@pytest.mark.parametrize("name", list_plugins("discretizers"))
def test_what_a_discretiser_needs_are_flags_of_generate_py(name: str) -> None:
    needs = getattr(load_plugin("discretizers", name), "NEEDS", {})
    assert set(needs) <= set(OF_SCRIPT["generate"]) and all(needs.values())


def test_missing_flags_are_told_in_words() -> None:
    args, _ = parse_args(create_train_parser(), ["--model", ""])
    assert missing_flags(args, {"teacher": "A", "dad_dir": "B"}) == "--teacher A, and --dad-dir B"
    assert missing_flags(args, {"teacher": "", "dad_dir": "", "model": ""}) == "--teacher, --dad-dir and --model"
    assert missing_flags(args, {"opt": "", "teacher": ""}) == "--teacher" and missing_flags(args, {"opt": ""}) == ""
    require_given(["", ""])
    with pytest.raises(UsageError, match=re.escape("a; b")):
        require_given(["a", "", "b"])
