"""The page of the second study follows its records."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dad.charts.svg import to_file
from dad.errors import DataError
from studies.emojinet.__main__ import RESULTS, pictures_of
from studies.emojinet.page import MARK, PAGE, tables_of, write_page
from studies.emojinet.records import Records
from studies.emojinet.study import Study, load_study


def test_what_is_told_stays_and_what_was_found_is_written_anew(
    make_records: Callable[..., Records], tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"Told.\n{MARK}\nold numbers\n")
    study = Study(make_records({"ce": [1.0, 2.0], "kd": [3.0, 5.0]}))
    for _ in range(2):
        write_page(page, study, 9)
    assert page.read_text() == f"Told.\n{MARK}\n\n{tables_of(study, 9)}"
    assert "4 of 9 planned runs are done." in page.read_text()
    page.write_text("Told.\n")
    with pytest.raises(DataError, match="no page with the mark"):
        write_page(page, study, 9)


@pytest.fixture(scope="module")
def committed() -> Study:
    return load_study(RESULTS / "runs.json")


def test_the_committed_page_shows_the_committed_runs(committed: Study) -> None:
    assert PAGE.read_text(encoding="utf-8").partition(MARK)[2] == f"\n\n{tables_of(committed, 248)}"


def test_the_committed_pictures_show_the_committed_runs(committed: Study) -> None:
    for name, svg in pictures_of(committed).items():
        assert to_file(svg) == (RESULTS / name).read_bytes(), name
