"""Recipes of containers, which nothing here builds: linted, of files that exist, and never root."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from dad.doctor.card import PIP_OLD_CARDS

ROOT = Path(__file__).parents[2]
DOCKERFILES = ("docker/Dockerfile", "docker/Dockerfile.v100")
APPTAINER = "docker/apptainer.def"


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_hadolint_has_nothing_to_say() -> None:
    linter = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([linter, *DOCKERFILES], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", DOCKERFILES)
def test_nobody_is_root_in_a_container(name: str) -> None:
    users = re.findall(r"^USER (\d+)", text(name), re.MULTILINE)
    assert users and users[-1] != "0" and text(name).index("USER") > text(name).rindex("\nRUN ")


@pytest.mark.parametrize("name", [*DOCKERFILES, APPTAINER])
def test_what_is_copied_and_installed_is_there(name: str) -> None:
    copied = [word for line in re.findall(r"^COPY (.*) \./$", text(name), re.MULTILINE) for word in line.split()]
    copied += re.findall(r"^    (\S+) /opt/dad/\S+$", text(name), re.MULTILINE)
    installed = re.findall(r"(?<= -[rc] )[\w.-]+\.txt", text(name))
    assert copied and all((ROOT / path).exists() for path in copied) and set(installed) <= set(copied)


@pytest.mark.parametrize(("name", "is_old"), [(DOCKERFILES[0], False), (DOCKERFILES[1], True), (APPTAINER, True)])
def test_old_cards_get_the_build_that_the_doctor_names(name: str, is_old: bool) -> None:
    build = PIP_OLD_CARDS.split(" && ")[0].partition("--force-reinstall ")[2]
    assert (build in text(name)) is is_old


def test_what_a_container_would_only_carry_along_stays_out() -> None:
    assert {".git", ".venv", "data", "output"} <= set(text(".dockerignore").split())
