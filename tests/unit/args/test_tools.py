"""The tools of a DAD set and of results answer a wrong command line in two lines, with what was meant."""

from argparse import ArgumentParser

import pytest

from dad.analysis.__main__ import create_parser as create_analysis_parser
from dad.args.checks import _RULES
from dad.args.tools import ToolParser
from dad.report.__main__ import main as report
from dad.shards.__main__ import create_parser as create_shards_parser


def complaint(capsys: pytest.CaptureFixture[str], parse: object, *words: str) -> str:
    """Return the second of the two lines."""
    with pytest.raises(SystemExit) as exit_info:
        parse(words)  # type: ignore[operator]
    assert exit_info.value.code == 2
    usage, line = capsys.readouterr().err.splitlines()
    assert usage.startswith("usage: python -m dad.") and usage.endswith("--help lists the flags")
    return line.partition("error: ")[2]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["stats", "--row", "3", "dad"], "unrecognized arguments: --row (did you mean '--rows'?)"),
        (["hydrate", "dad", "--ouut", "x"], "unrecognized arguments: --ouut (did you mean '--out'?)"),
        (["repair", "dad", "--dryrun"], "unrecognized arguments: --dryrun (did you mean '--dry-run'?)"),
        (["repair", "dad", "--dta-dir=x"], "unrecognized arguments: --dta-dir (did you mean '--data-dir'?)"),
        (["export", "dad", "-out", "x"], "unrecognized arguments: -out (did you mean '--out'?)"),
        (["verify", "dad", "--qqqq"], "unrecognized arguments: --qqqq"),
        (["export"], "the following arguments are required: DIR, --out"),
    ],
)
def test_a_mistyped_flag_of_shards(capsys: pytest.CaptureFixture[str], words: list[str], line: str) -> None:
    assert complaint(capsys, create_shards_parser().parse_args, *words) == line


def test_a_mistyped_flag_of_the_other_tools(capsys: pytest.CaptureFixture[str]) -> None:
    assert complaint(capsys, report, "--htlm", "results.json").endswith("--htlm (did you mean '--html'?)")
    analyse = create_analysis_parser().parse_args
    assert complaint(capsys, analyse, "wasserstein", "--refrence", "x").endswith("(did you mean '--reference'?)")


def commands_of(parser: ToolParser) -> list[ArgumentParser]:
    return [command for action in parser._actions for command in getattr(action, "_name_parser_map", {}).values()]


def test_every_number_of_a_tool_has_a_rule() -> None:
    ruled = {name for names, _, _ in _RULES for name in names}
    commands = commands_of(create_shards_parser()) + commands_of(create_analysis_parser())
    actions = [action for command in commands for action in command._actions]
    assert {action.dest for action in actions if action.type in (int, float)} <= ruled


def test_flags_for_another_program_are_left_over() -> None:
    parser = ToolParser(words="DIR", left_over=["--data-dir"])
    parser.add_argument("--yes", action="store_true")
    args, left = parser.parse_known_args(["--data-dir", "x", "--yes"])
    assert args.yes and left == ["--data-dir", "x"]
