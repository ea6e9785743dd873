"""The tree in README names what is in dad/, and docs/tree.md has every file, in its own words of today."""

from pathlib import Path

import pytest

from docs.tree import PAGE, ROOT, build_page, phrase

PARTS = sorted(path for path in (ROOT / "dad").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists())


def test_the_page_is_what_the_files_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == build_page(), "run: python docs/tree.py"


@pytest.mark.parametrize("path", sorted((ROOT / "dad").rglob("*.py")), ids=str)
def test_every_file_says_in_a_phrase_what_is_in_it(path: Path) -> None:
    assert 10 < len(phrase(path)) < 260


@pytest.mark.parametrize("part", [part for part in PARTS if part.name != "__init__.py"], ids=lambda part: part.name)
def test_readme_names_every_part(part: Path) -> None:
    tree = (ROOT / "README.md").read_text(encoding="utf-8").partition("## The tree")[2]
    assert f" {part.name}{'/' * part.is_dir()} " in tree.replace("\n", " ")


def test_an_abbreviation_ends_no_sentence(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text('"""By Zhou et al. 2023\n(eq. 4).\n\nMore."""\n')
    assert phrase(file) == "By Zhou et al. 2023 (eq. 4)"
