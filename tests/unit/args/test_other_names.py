"""An args.yaml that timm's script wrote is a recipe here: what has no flag is passed over at its default, by name."""

import json
import logging
from pathlib import Path

import pytest
import yaml

from dad.args import create_generate_parser, create_train_parser, create_validate_parser
from dad.args.hparams import parse_args
from dad.args.other_names import _MEANT, DROPPED, other_name
from dad.errors import UsageError

HERE = Path(__file__).parent
DUMPS = ("timm_args.yaml", "timm_args_0.4.yaml")
TIMM = json.loads((HERE / "timm_flags.json").read_text())
OF_VALIDATE = ("print_freq", "restore_checkpoint")  # renamed to flags that train.py does not have
OTHER_VALUES = {bool: True, str: "other", int: 7, list: ["other"], type(None): "other"}


def parse(*words):
    return parse_args(create_train_parser(), words)[0]


def test_the_dump_has_every_flag_of_timms_script_at_its_default():
    dump = yaml.safe_load((HERE / DUMPS[0]).read_text())
    assert {flag["dest"]: flag["default"] for flag in TIMM["train"]}.items() <= dump.items()


@pytest.mark.parametrize("dump", DUMPS)
def test_a_dump_is_a_recipe_of_plain_training_and_says_so_in_one_line(dump, caplog):
    with caplog.at_level(logging.WARNING):
        args = parse("--config", str(HERE / dump), "--data-dir", "images")
    content = yaml.safe_load((HERE / dump).read_text())
    kept = {key: value for key, value in content.items() if key in vars(args) and key != "data_dir"}
    assert kept.items() <= vars(args).items() and len(kept) > 80
    assert args.objective == "ce" and args.data_dir == "images"
    (record,) = caplog.records
    named = record.getMessage().split("defaults: ")[1].split(";")[0].split(", ")
    assert named == sorted(set(content) - set(vars(args))) and "objective: ce" in record.getMessage()


@pytest.mark.parametrize("key", DROPPED)
def test_a_dropped_key_is_taken_at_its_default_and_refused_with_the_reason_elsewhere(write, key):
    neutral = DROPPED[key].neutral
    assert parse("-c", write(yaml.safe_dump({key: neutral}))) == parse()
    other = OTHER_VALUES[type(neutral)]
    with pytest.raises(UsageError) as error:
        parse("-c", write(yaml.safe_dump({key: other})))
    hint = DROPPED[key].reason or f"did you mean '{DROPPED[key].now}'?"
    assert f"unknown key '{key}'" in str(error.value) and (hint in str(error.value) or key in OF_VALIDATE)


@pytest.mark.parametrize("key", [key for key, dropped in DROPPED.items() if dropped.neutral in (None, "", [])])
def test_null_stands_for_an_empty_default_of_a_dropped_key(write, key):
    assert parse("-c", write(f"{key}: null")) == parse()


def test_a_key_that_a_script_has_is_no_dropped_one():
    flags = {action.dest for create in (create_train_parser, create_validate_parser) for action in create()._actions}
    assert not (flags - {"data"}) & set(DROPPED)


def test_other_words_mean_flags_of_some_script():
    parsers = (create_train_parser(), create_generate_parser(), create_validate_parser())
    flags = {action.dest for parser in parsers for action in parser._actions}
    assert {other_name(word) for word in (*_MEANT, *(key for key, dropped in DROPPED.items() if dropped.now))} <= flags
    assert not flags & set(_MEANT) and other_name("nonsense") == ""


def test_the_line_is_printed_by_one_process(write, caplog, monkeypatch):
    for name, value in {"RANK": "3", "LOCAL_RANK": "3", "WORLD_SIZE": "4"}.items():
        monkeypatch.setenv(name, value)
    with caplog.at_level(logging.WARNING):
        parse("-c", write("log_wandb: false"))
    assert not caplog.records


RECIPE = "{model: seresnet34, sched: cosine, epochs: 150, lr: 0.4, reprob: 0.5, batch_size: 256, amp: true}"


@pytest.mark.parametrize(
    ("text", "words", "objective"),
    [
        (RECIPE, (), "ce"),
        (RECIPE, ("--objective", "kd"), "kd"),
        (RECIPE, ("--teacher", "resnet50"), "dad"),
        (RECIPE, ("--dad-dir", "set"), "dad"),
        ("{model: seresnet34, objective: dad}", (), "dad"),
        ("{lr: 0.4}", (), "dad"),
    ],
)
def test_a_recipe_that_names_a_model_and_no_part_of_ours_trains_by_labels(write, text, words, objective):
    assert parse("-c", write(text), *words).objective == objective


def test_a_file_of_validate_py_has_no_objective(write):
    args, _ = parse_args(create_validate_parser(), ["-c", write("{model: resnet50, fuser: ''}")])
    assert args.model == "resnet50" and not hasattr(args, "objective")
