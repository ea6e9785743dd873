"""Settings come from defaults, YAML files and the command line, in this order."""

import pytest
import yaml

from dad.args import create_generate_parser, create_train_parser, create_validate_parser
from dad.args.hparams import parse_args

PARSERS = {"train": create_train_parser, "generate": create_generate_parser, "validate": create_validate_parser}


def parse_train(*argv):
    return parse_args(create_train_parser(), argv)[0]


def test_default_is_below_base_below_file_below_command_line(write):
    write("{opt: adamw, lr: 0.1, momentum: 0.5}", "base.yaml")
    recipe = write("{base: base.yaml, lr: 0.2, momentum: 0.6}")
    args = parse_train("--config", recipe, "--momentum", "0.7")
    assert (args.epochs, args.opt, args.lr, args.momentum) == (300, "adamw", 0.2, 0.7)


def test_command_line_wins_even_when_it_repeats_the_default(write):
    recipe = write("{epochs: 30, model_kwargs: {a: 1, b: 2}}")
    args = parse_train("--epochs", "300", "-c", recipe, "--model-kwargs", "c=3")
    assert args.epochs == 300
    assert args.model_kwargs == {"c": 3}


def test_bases_merge_left_to_right_and_relative_to_their_file(write):
    write("{lr: 1.0, epochs: 1, mixup: 0.1}", "base/root.yaml")
    write("{base: root.yaml, epochs: 2}", "base/left.yaml")
    write("{epochs: 3, mixup: 0.3}", "base/right.yaml")
    args = parse_train("-c", write("{base: [base/left.yaml, base/right.yaml], mixup: 0.4}"))
    assert (args.lr, args.epochs, args.mixup) == (1.0, 3, 0.4)


def test_base_may_be_reached_twice_without_a_circle(write):
    write("epochs: 7", "root.yaml")
    write("base: root.yaml", "left.yaml")
    assert parse_train("-c", write("base: [left.yaml, root.yaml]")).epochs == 7


def test_empty_file_changes_nothing(write):
    assert parse_train("-c", write("# nothing\n")) == parse_train()


TRAIN_WORDS = ["--amp", "--lr", "1e-5", "--mean", "0.1", "0.2", "0.3", "--experiment", "on: 'é' \n {x} # y"]
KWARGS_WORDS = ["--torchcompile", "--opt-kwargs", "betas=(0.9,0.95)", "name=yes", "flag=True", "nested={'a':[1,None]}"]


@pytest.mark.parametrize(
    ("script", "argv"),
    [
        *((script, []) for script in PARSERS),
        ("train", TRAIN_WORDS),
        ("train", KWARGS_WORDS),
        ("generate", ["/", "--store", "codes", "--attack-lr", "1"]),
        ("validate", ["--checkpoint", "a.pth.tar", "b.pth.tar"]),
        ("validate", ["--extra-set", "a=x", "b=y: z", "--extra-set", "c=.."]),
    ],
)
def test_yaml_text_given_back_yields_the_same_namespace(write, script, argv):
    parser = PARSERS[script]()
    args, text = parse_args(parser, argv)
    assert parse_args(parser, ["--config", write(text)]) == (args, text)
    assert list(yaml.safe_load(text)) == sorted(vars(args))


def test_defaults_of_the_namespace_are_fresh_each_time():
    first, second = parse_train(), parse_train()
    first.model_kwargs["drop_rate"] = 0.1
    first.decay_milestones.append(1)
    assert (second.model_kwargs, second.decay_milestones) == ({}, [90, 180, 270])


@pytest.mark.parametrize(
    ("argv", "data_dir"),
    [
        ([], "from_file"),
        (["here"], "here"),
        (["--data-dir", "there"], "there"),
        (["here", "--data-dir", "there"], "there"),
        (["--lr", "1", "here", "--amp"], "here"),
    ],
)
def test_positional_data_root_is_data_dir_unless_that_flag_is_given(write, tmp_path, monkeypatch, argv, data_dir):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    args = parse_train("-c", write("data_dir: from_file"), *argv)
    assert args.data_dir == data_dir
    assert not hasattr(args, "data")


def print_config(capsys, *argv):
    with pytest.raises(SystemExit) as exit_info:
        parse_train("--print-config", *argv)
    assert exit_info.value.code == 0
    return capsys.readouterr().out


def test_print_config_shows_every_value_and_where_it_comes_from(write, capsys):
    base = write("{lr: 0.1, opt: lamb}", "base.yaml")
    recipe = write("{base: base.yaml, lr: 0.2}")
    lines = print_config(capsys, "-c", recipe, "--epochs", "30").splitlines()
    expected = [f"lr: 0.2  # {recipe}", f"opt: lamb  # {base}", "epochs: 30  # command line", "amp: false  # default"]
    assert set(expected) <= set(lines)
    assert [line.split(":")[0] for line in lines] == sorted(vars(parse_train()))


def test_print_config_is_itself_a_config(write, capsys):
    argv = ["--scale", "0.5", "1", "--model-kwargs", "a=1", "b=x"]
    assert parse_train("-c", write(print_config(capsys, *argv))) == parse_train(*argv)


@pytest.mark.parametrize(
    "argv", [["--lrr", "1"], ["--lr", "fast"], ["--amp-dtype", "float8"], ["--model-kwargs", "word"], ["a", "b"]]
)
def test_wrong_command_line_exits_with_2(argv, capsys):
    with pytest.raises(SystemExit) as exit_info:
        parse_train(*argv)
    assert exit_info.value.code == 2
    assert "error:" in capsys.readouterr().err
