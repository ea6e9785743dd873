"""What is wrong in a YAML file is refused, by file and key, with what would work."""

import pytest
import yaml

from dad.args import create_train_parser
from dad.args.hparams import parse_args
from dad.errors import UsageError


def parse_train(*argv):
    return parse_args(create_train_parser(), argv)[0]


def refusal(path):
    with pytest.raises(UsageError) as error_info:
        parse_train("--config", path)
    message = str(error_info.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("names", [["a.yaml"], ["a.yaml", "sub/b.yaml"]])
def test_circle_of_bases_is_refused(write, names):
    write("base: a.yaml" if len(names) == 1 else "base: sub/b.yaml", "a.yaml")
    write("base: ../a.yaml", "sub/b.yaml")
    message = refusal(write("base: a.yaml"))
    assert "'base'" in message and names[-1] in message and "back to itself" in message


@pytest.mark.parametrize(
    ("line", "near"),
    [
        ("weigth_decay: 0.1", "weight_decay"),
        ("mixup-prob: 0.1", "mixup_prob"),
        ("kd_model_name: resnet50", "teacher"),
        ("dr: 0.1", "decay_rate"),
        ("datadir: images", "data_dir"),
        ("data: images", "data_dir"),
        ("learning_rate: 0.1", "lr"),
        ("num_workers: 4", "workers"),
        ("no_amp: true", "amp"),
        ("zzzzzz: 1", "--help"),
        ("1: 2", "--help"),
    ],
)
def test_unknown_key_is_refused_with_the_nearest_name(write, line, near):
    path = write(line)
    message = refusal(path)
    assert message.startswith(f"{path}: unknown key '{line.split(':')[0]}'")
    assert near in message.split(";")[1]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('amp: "no"', "true or false"),
        ("amp: 1", "true or false"),
        ("amp: null", "true or false"),
        ("epochs: 300.0", "an integer"),
        ("epochs: '300'", "an integer"),
        ("epochs: true", "an integer"),
        ("lr: fast", "a number, or null"),
        ("lr: true", "a number, or null"),
        ("lr: [0.1]", "a number, or null"),
        ("momentum: null", "a number"),
        ("aa: no", "text (in quotes if need be), or null"),
        ("experiment: 001", "text (in quotes if need be)"),
        ("mean: 0.5", "a list, each entry a number, or null"),
        ("mean: []", "a list, each entry a number, or null"),
        ("decay_milestones: [1, 2.5]", "a list, each entry an integer"),
        ("model_kwargs: [a]", "a mapping such as {name: value}"),
        ("model_kwargs: {1: 2}", "a mapping such as {name: value}"),
        ("amp_dtype: bfloat", "one of 'float16', 'bfloat16'; did you mean 'bfloat16'?"),
        ("dad_missing: 3", "one of 'substitute', 'skip'"),
    ],
)
def test_wrong_value_is_refused_with_what_would_work(write, line, expected):
    path, value = write(line), yaml.safe_load(line)
    (key,) = value
    assert refusal(path) == f"{path}: key '{key}' is {value[key]!r}, expected {expected}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1, 2]", "found list at the top"),
        ("lr: [1", "line 1"),
        ("lr: 0.1\nepochs: 2\nlr: 0.2\n", "key 'lr' stands there twice"),
        ("experiment: 2026-13-45", "not readable as YAML"),
        ("lr: \x01", "not readable as YAML"),
        ("base: 3", "key 'base' is 3"),
        ("base: [1]", "key 'base' is [1]"),
        ("base: nowhere.yaml", "nowhere.yaml: no such file"),
    ],
)
def test_unreadable_file_is_refused_by_name(write, text, words):
    path = write(text)
    message = refusal(path)
    assert path in message and words in message


def test_all_that_is_wrong_in_a_file_and_its_bases_is_said_at_once(write):
    base = write("{lrr: 1, amp: 'no'}", "base.yaml")
    path = write("{base: base.yaml, data: images, log_wandb: true, epochs: null, lr: 0.1}")
    assert refusal(path).split(" (") == [
        f"(1) {base}: unknown key 'lrr'; did you mean 'lr'?",
        "2) key 'amp' is 'no', expected true or false",
        f"3) {path}: unknown key 'data'; did you mean 'data_dir'?",
        "4) unknown key 'log_wandb'; timm's flag is not here, and True is not its default: it is report_to: "
        "[tensorboard, wandb] now",
        "5) key 'epochs' is None, expected an integer",
    ]


def test_a_base_that_is_reached_twice_complains_once(write):
    base = write("lrr: 1", "root.yaml")
    write("base: root.yaml", "left.yaml")
    assert refusal(write("base: [left.yaml, root.yaml]")) == f"{base}: unknown key 'lrr'; did you mean 'lr'?"


def test_wrong_key_in_a_base_names_the_base(write):
    base = write("lrr: 1", "base.yaml")
    assert refusal(write("base: base.yaml")).startswith(f"{base}: unknown key 'lrr'")


def test_missing_config_names_the_flag():
    assert refusal("nowhere.yaml").startswith("--config names nowhere.yaml: no such file")


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("lr: 1e-3", 1e-3),
        ("lr: 1", 1.0),
        ("lr: null", None),
        ("aa: null", None),
        ("experiment: null", ""),
        ("class_map: null", ""),
        ("initial_checkpoint: null", ""),
        ("model_kwargs: null", {}),
        ("opt_kwargs: null", {}),
        ("mean: [0, 1e-1, .5]", [0.0, 0.1, 0.5]),
    ],
)
def test_yaml_value_becomes_what_the_command_line_would_make_of_it(write, line, value):
    found = getattr(parse_train("-c", write(line)), line.split(":")[0])
    assert (found, type(found)) == (value, type(value))
