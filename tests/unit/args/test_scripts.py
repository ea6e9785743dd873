"""Which script a command line is for, told from the flags and the recipe that it has."""

from argparse import ArgumentParser
from pathlib import Path

import pytest

from dad.args.scripts import ANY, ASK, SCRIPTS, Call, parse_of_any
from dad.errors import UsageError

ROOT = Path(__file__).parents[3]
RECIPES = sorted((ROOT / "hparams").glob("*.yaml"))


def call(*words: str) -> Call:
    def add_own(parser: ArgumentParser) -> None:
        parser.add_argument("--to", default=None)

    return parse_of_any("tool", "What it does.", words, add_own)


def test_every_recipe_is_known_as_what_its_name_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for recipe in RECIPES:
        script = next((name for name in ("generate", "validate") if name in recipe.stem), "train")
        assert call("--config", str(recipe)).script == script, recipe


@pytest.mark.parametrize(
    ("words", "script"),
    [
        (["--shard-size", "10", "--keep", "all"], "generate"),
        (["--objective=kd"], "train"),
        (["--checkpoint", "x"], "validate"),
        (["--objective", "kd", "--payload", "int8"], ASK),
        (["--objective", "kd", "--script", ASK], ASK),
        ([], ANY),
        (["--device", "cpu"], ANY),
    ],
)
def test_flags_tell_the_script(words: list[str], script: str) -> None:
    assert call(*words, "--to", "here").script == script


def test_a_recipe_that_fits_several_is_asked_about(tmp_path: Path) -> None:
    recipe = tmp_path / "any.yaml"
    recipe.write_text("device: cpu\n")
    with pytest.raises(UsageError, match=r"any\.yaml: it fits generate and train and validate alike; .* --script NAME"):
        call("--config", str(recipe))
    assert call("-c", str(recipe), "--script", "validate") == Call(
        "validate", call("-c", str(recipe), "--script", "validate").args, str(recipe)
    )


def test_values_are_those_of_the_script_and_the_tools_own() -> None:
    args = call("--keep", "all", "--batch-size", "3", "--to", "there").args
    assert (args.batch_size, args.keep, args.to) == (3, "all", "there")


@pytest.mark.parametrize(
    ("words", "line"),
    [(["--objectve", "kd"], "did you mean '--objective'?"), (["--script", "trian"], "invalid choice: 'trian'")],
)
def test_a_mistyped_flag_is_told(words: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        call(*words)
    assert exit_info.value.code == 2 and line in capsys.readouterr().err


def test_help_shows_the_tools_own_flags(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call("--help")
    said = capsys.readouterr().out
    assert "--to" in said and ", ".join(SCRIPTS) in " ".join(said.split()) and "--objective" not in said
