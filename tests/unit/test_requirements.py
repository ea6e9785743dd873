"""What has to be installed is said in pyproject.toml; the requirements files repeat it, and messages name them."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it where Python has none

ROOT = Path(__file__).parents[2]
CONTENT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = CONTENT["project"]
SETS = {"requirements.txt": PROJECT["dependencies"]} | {
    f"requirements-{extra}.txt": listed for extra, listed in PROJECT["optional-dependencies"].items()
}
TEXTS = [
    *ROOT.glob("*.md"), *ROOT.glob("*.sh"), *ROOT.glob("*.py"), *(ROOT / "slurm").iterdir(),
    *(path for folder in ("dad", "benchmarks", "emojinet", "hparams", "studies")
      for suffix in ("py", "md", "yaml") for path in (ROOT / folder).rglob(f"*.{suffix}")),
]  # fmt: skip


def bounds(listed: list[str]) -> dict[str, str]:
    """The bounds by package name, without the project's own extras."""
    parsed = [Requirement(line) for line in listed]
    return {canonicalize_name(one.name): str(one.specifier) for one in parsed if one.name != PROJECT["name"]}


def lines(file: str) -> list[str]:
    """What a requirements file says, without its comments."""
    stripped = [line.partition("#")[0].strip() for line in (ROOT / file).read_text(encoding="utf-8").splitlines()]
    return [line for line in stripped if line]


def test_every_extra_has_its_requirements_file() -> None:
    assert {path.name for path in ROOT.glob("requirements*.txt")} == set(SETS)


@pytest.mark.parametrize("file", SETS)
def test_a_requirements_file_has_the_names_and_bounds_of_the_project(file: str) -> None:
    own = [line for line in lines(file) if not line.startswith("-r ")]
    assert bounds(own) == bounds(SETS[file])


def test_the_developers_file_takes_in_what_their_extra_does() -> None:
    (inner,) = (line for line in SETS["requirements-dev.txt"] if line.startswith(PROJECT["name"]))
    taken = {line.removeprefix("-r ") for line in lines("requirements-dev.txt") if line.startswith("-r ")}
    assert taken == {"requirements.txt"} | {f"requirements-{extra}.txt" for extra in Requirement(inner).extras}


def test_the_developers_have_what_the_package_is_built_with() -> None:
    needed = bounds(CONTENT["build-system"]["requires"])
    assert needed.items() <= bounds(SETS["requirements-dev.txt"]).items()


def test_requirements_files_that_are_named_exist() -> None:
    named = {
        (path, found)
        for path in TEXTS
        for found in re.findall(r"requirements[\w-]*\.txt|(?<=-r )requirements[^\s`)\"']*", path.read_text("utf-8"))
    }
    assert {found for _, found in named} >= {"requirements.txt", "requirements-diffusion.txt"}
    assert not {(str(path), found) for path, found in named if not (ROOT / found).is_file()}


def pinned(file: str) -> list[Requirement]:
    """What a constraints file pins, a line a package and Python version."""
    return [Requirement(line) for line in lines(file)]


@pytest.mark.parametrize("file", ["constraints-v100.txt", "constraints-latest.txt"])
def test_constraints_name_all_that_is_needed_within_the_projects_bounds(file: str) -> None:
    found = pinned(file)
    assert set(bounds(PROJECT["dependencies"])) <= {canonicalize_name(one.name) for one in found}
    for listed in SETS.values():
        for needed in map(Requirement, listed):
            own = [one for one in found if canonicalize_name(one.name) == canonicalize_name(needed.name)]
            for pin in own:
                versions = [version.version for version in pin.specifier if version.operator == "=="]
                assert all(needed.specifier.contains(version) for version in versions), f"{pin} against {needed}"
                assert versions or pin.name in ("torch", "torchvision"), f"{pin} pins nothing"


def test_torch_for_a_v100_is_one_that_has_a_build_for_it() -> None:
    (torch,) = (one.specifier for one in pinned("constraints-v100.txt") if one.name == "torch")
    lowest = Requirement(next(line for line in PROJECT["dependencies"] if line.startswith("torch>"))).specifier
    assert not torch.contains("2.15.0") and not torch.contains("2.15.0+cu132") and torch.contains("2.14.1+cu126")
    assert lowest.contains("2.14.1+cu126")


def test_constraints_leave_cuda_to_the_build_of_torch() -> None:
    for file in ("constraints-v100.txt", "constraints-latest.txt"):
        assert not [one for one in pinned(file) if one.name.startswith(("nvidia", "cuda", "triton"))]


def imported() -> dict[str, Path]:
    """Packages that the library imports, by the name in the import, with a file that does."""
    found = {}
    for path in (ROOT / "dad").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            found |= {module.split(".")[0]: path for module in modules}
    return {name: path for name, path in found.items() if name not in {*sys.stdlib_module_names, "dad"}}


def test_the_library_declares_what_it_imports() -> None:
    declared = {name for file in SETS if file != "requirements-dev.txt" for name in bounds(SETS[file])}
    providers = packages_distributions()
    missing = {
        name: path
        for name, path in imported().items()
        if not declared & {canonicalize_name(provider) for provider in providers.get(name, [])}
    }
    assert not missing
