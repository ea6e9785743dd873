"""What CONTRIBUTING promises to whoever extends: one file, or one entry, and every script knows the part."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import dad.objectives
import generate
import train
from dad.args import create_train_parser
from dad.args.hparams import parse_args
from dad.errors import UsageError
from dad.plugins import list_plugins
from dad.training.views import VIEWS

_SHARPENED = """
import torch
from dad.args.checks import require_above_zero
from dad.objectives.dad import Objective as Base
from dad.training.views import CLEAN, DAD, view


@view("dark")
def serve_dark(dataset, index, clean):
    return clean.point(lambda value: value // 2)


class Objective(Base):
    views = (CLEAN, DAD, "dark")

    @staticmethod
    def add_args(group):
        group.add_argument("--dark-weight", default=1.0, type=float, metavar="W", help="of dark images")

    @classmethod
    def check_args(cls, args):
        super().check_args(args)
        require_above_zero(args, "dark_weight")

    def __init__(self, args, student, teacher, device):
        super().__init__(args, student, teacher, device)
        self.dark_weight = args.dark_weight

    @property
    def weights(self):
        return {**super().weights, "kd_dark": self.dark_weight}
"""


@pytest.fixture
def in_dark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An objective with a third view and a flag of its own, in one file of its own."""
    folder = tmp_path / "further_objectives"
    folder.mkdir()
    (folder / "in_dark.py").write_text(_SHARPENED)
    monkeypatch.setattr(dad.objectives, "__path__", [*dad.objectives.__path__, str(folder)])
    yield "in_dark"
    VIEWS.pop("dark", None)
    monkeypatch.delitem(__import__("sys").modules, "dad.objectives.in_dark", raising=False)


def test_an_objective_with_a_third_view_and_own_flags_is_one_file(
    in_dark: str, train_flags: list[str], generate_flags: list[str], tmp_path: Path
) -> None:
    assert generate.main([*generate_flags, "--preview", "0", "--gallery", "0"]) == 0
    words = ["--objective", in_dark, "--dad-dir", str(tmp_path / "dad"), "--dark-weight", "2", "--epochs", "1"]
    assert train.main([*train_flags, *words]) == 0
    titles = (tmp_path / "run" / "summary.csv").read_text().splitlines()[0]
    assert {"train_kd_clean", "train_kd_dad", "train_kd_dark"} <= set(titles.split(","))
    assert in_dark in list_plugins("objectives")


def test_its_flags_stand_under_its_name_and_are_checked(
    in_dark: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit):
        parse_args(create_train_parser(), ["--help"])
    assert "Objective in_dark:\n  --dark-weight W" in capsys.readouterr().out
    with pytest.raises(UsageError, match=r"--dark-weight 0: it must be above 0"):
        train.main(["--objective", in_dark, "--dark-weight", "0", "--data-dir", "/nowhere"])
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("dark_weigth: 2\n")
    with pytest.raises(UsageError, match="unknown key 'dark_weigth'; did you mean 'dark_weight'"):
        parse_args(create_train_parser(), ["--config", str(recipe)])
