"""Write docs/tree.md, a phrase on each file, from the docstrings: python docs/tree.py"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "tree.md"
PLACES = ("*.py", "dad/**/*.py", "hparams/*.py", "emojinet/**/*.py", "benchmarks/**/*.py", "studies/**/*.py")
_END = re.compile(r"(?<!et al)(?<!eq)(?<!Fig)\.(?:\s|$)")  # of a sentence
_HEAD = """# Every file in a phrase

[README's tree](../README.md#the-tree) in full, written by `python docs/tree.py` from the files' own first sentences.
"""


def phrase(path: Path) -> str:
    """Return the first sentence of a file's docstring; empty if it has none."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return _END.split(" ".join(text.split("\n\n")[0].split()))[0]


def build_page() -> str:
    """Return the page: a section for each folder, a line for each file."""
    files = sorted({path for pattern in PLACES for path in ROOT.glob(pattern) if phrase(path)})
    folders = dict.fromkeys(path.parent for path in sorted(files, key=lambda path: (path.parent, path.name)))
    return _HEAD + "".join(_section(folder, files) for folder in folders)


def _section(folder: Path, files: list[Path]) -> str:
    name = folder.relative_to(ROOT).as_posix()
    lines = "".join(f"{line}\n" for line in _lines(folder, files))
    return f"\n## {'The scripts' if name == '.' else f'{name}/'}\n{lines}"


def _lines(folder: Path, files: list[Path]) -> Iterator[str]:
    own = [path for path in files if path.parent == folder]
    for path in sorted(own, key=lambda path: (path.name != "__init__.py", path.name)):
        yield f"- `{path.name}`: {phrase(path)}" if path.name != "__init__.py" else f"{phrase(path)}.\n"


if __name__ == "__main__":
    PAGE.write_text(build_page(), encoding="utf-8")
