"""Words that are no flags are named in two lines, with what would work."""

import pytest

from dad.args import create_train_parser
from dad.args.hparams import parse_args


def parse(*words):
    return parse_args(create_train_parser(), words)[0]


def complaint(capsys, *words):
    """Return the second of the two lines that a wrong command line of train.py is answered with."""
    with pytest.raises(SystemExit) as exit_info:
        parse(*words)
    assert exit_info.value.code == 2
    usage, line = capsys.readouterr().err.splitlines()
    assert usage.startswith("usage: ") and "--help" in usage
    return line.partition("error: ")[2]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--amp", "false"], "--amp takes no value, found 'false'; use --no-amp"),
        (["--amp", "TRUE"], "--amp takes no value, found 'TRUE'; use --amp"),
        (["--amp=0"], "--amp takes no value, found '0'; use --no-amp"),
        (["--no-amp", "off"], "--no-amp takes no value, found 'off'; use --amp"),
        (["--no-aug", "no"], "--no-aug takes no value, found 'no'; use --aug"),
        (["--amp=half"], "--amp takes no value, found 'half'; use --amp or --no-amp"),
        (["--data-dir", ".", "--amp", "1"], "--amp takes no value, found '1'; use --amp"),
        (
            ["--pin-mem", "flase"],
            "'flase' is no folder, and the word without a flag is the data root (--data-dir); --pin-mem takes no value",
        ),
        (["/nowhere"], "'/nowhere' is no folder, and the word without a flag is the data root (--data-dir)"),
        (
            ["--data-dir", ".", "run.yaml"],
            "'run.yaml' is no folder, and the word without a flag is the data root (--data-dir); a YAML of flags goes "
            "to --config",
        ),
        ([".", "word"], "unrecognized arguments: word; the only word without a flag is the data root"),
    ],
)
def test_a_stray_word_is_named(capsys, words, line):
    assert complaint(capsys, *words) == line


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--weigth-decay", "0.1"], "--weigth-decay (did you mean '--weight-decay'?)"),
        (["--weigth-decay=0.1"], "--weigth-decay (did you mean '--weight-decay'?)"),
        (["--batch_size", "3"], "--batch_size (did you mean '--batch-size'?)"),
        (["-batch-size", "3"], "-batch-size (did you mean '--batch-size'?)"),
        (["--data", "x"], "--data (did you mean '--data-dir'?)"),
        (["--learning-rate", "1"], "--learning-rate (did you mean '--lr'?)"),
        (["--checkpoint", "x"], "--checkpoint (did you mean '--checkpoint-hist'?)"),
        (["--no-no-aug"], "--no-no-aug (did you mean '--no-aug'?)"),
        (["--log-wandb"], "--log-wandb (timm's, but not here: it is report_to: [tensorboard, wandb] now)"),
        (["--iters-to-accum", "2"], "--iters-to-accum (did you mean '--grad-accum-steps'?)"),
        (["--qqqqqq"], "--qqqqqq"),
    ],
)
def test_a_mistyped_flag_is_answered_with_the_one_that_is_meant(capsys, words, hint):
    assert complaint(capsys, *words) == f"unrecognized arguments: {hint}"


def test_all_mistyped_flags_are_named_at_once(capsys):
    line = complaint(capsys, "--lrr", "1", "--epoks", "3", "--amp", "false")
    assert "'--lr'" in line and "'--epochs'" in line and "--amp takes no value" in line


def test_a_folder_may_have_the_name_of_a_truth_value(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "on").mkdir()
    args = parse("--amp", "on")
    assert args.amp and args.data_dir == "on"


def test_timms_data_sets_may_be_downloaded_to_a_folder_that_is_not_there_yet():
    assert parse("/nowhere", "--dataset", "torch/cifar10").data_dir == "/nowhere"


def test_timms_old_name_of_the_jsd_loss_is_known():
    assert parse("--jsd").jsd_loss
