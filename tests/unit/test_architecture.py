"""Imports point strictly downwards, files and functions stay small, and every module has its test file."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = (
    {
        "errors", "environment", "launch", "markdown", "rng", "draws", "names", "passing", "pixels",
        "losses", "gradients", "verdicts", "charts",
    },
    {"ahead", "files", "memory", "virtual_epochs"},
    {"locks", "decisions", "checkpoints", "plugins", "runtime", "images", "attacks"},
    {"args", "discretizers", "pyramid", "shards", "trained_classes", "variants"},
    {"models", "soft_targets", "styles"},
    {"teachers", "generation", "training", "adversary", "report", "analysis"},
    {"objectives", "evaluation", "export"},
    {"asking", "fetch", "tables"},
    {"doctor"},
)  # fmt: skip
PROGRAM = "__main__"  # a program stands on everything, in the folder of what it looks after
LAYER_OF = {module: number for number, layer in enumerate((*LAYERS, {PROGRAM})) for module in layer}
FILES = sorted(path for path in (ROOT / "dad").rglob("*.py") if path != ROOT / "dad" / "__init__.py")


def dad_imports(path: Path) -> set[str]:
    """The modules or sub-packages of dad that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        found |= {name.split(".")[1] for name in names if name.startswith("dad.")}
    return found


def module_of(path: Path) -> str:
    """The module or sub-package of dad that a file belongs to."""
    if path.name == "__main__.py":
        return PROGRAM
    return path.relative_to(ROOT / "dad").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_point_down(path: Path) -> None:
    own = module_of(path)
    wrong = {name for name in dad_imports(path) - {own} if LAYER_OF[name] >= LAYER_OF[own]}
    assert not wrong, f"{path} (layer {LAYER_OF[own]}) must not import {wrong}"


def test_nothing_in_dad_imports_a_script_or_emojinet() -> None:
    outside = ("emojinet", "generate", "train", "validate", "benchmarks", "studies")
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in outside, path


def takes_args(function: ast.FunctionDef) -> bool:
    """Whether a function has a parameter for the namespace of flags."""
    return any(argument.arg == "args" for argument in function.args.args)


def test_only_builders_take_the_namespace_of_flags() -> None:
    allowed = ("create_", "setup_", "resolve_", "find_", "with_", "check_", "_", "__init__")
    for path in FILES:
        if module_of(path) == "args":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and takes_args(node):
                assert node.name.startswith(allowed), f"{path}: {node.name} takes args"


@pytest.mark.parametrize(
    "path", [*FILES, *ROOT.glob("*.py"), *(ROOT / "emojinet").glob("*.py"), *(ROOT / "studies").rglob("*.py")], ids=str
)
def test_files_and_functions_are_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < (120 if node.name == "main" else 65), f"{path}: {node.name}"


def needs_test_file(path: Path) -> bool:
    """Whether a module is to have a test file of its name. Objectives are walked by tables, so that a new one touches
    no test; packages' own files and programs are tested by what they do."""
    return path.stem not in ("__init__", "__main__") and path.parent.name != "objectives"


def place_of_tests(path: Path) -> Path:
    """Where a module's tests are; the underscore of a private one is dropped."""
    folder = ROOT / "tests" / "unit" / path.parent.relative_to(ROOT / "dad")
    return folder / f"test_{path.stem.removeprefix('_')}.py"


def test_every_module_has_its_test_file() -> None:
    wanted = [place_of_tests(path) for path in FILES if needs_test_file(path)]
    missing = [str(path.relative_to(ROOT)) for path in wanted if not path.is_file()]
    assert not missing, f"write {', '.join(missing)}"
