"""The page of the second study: what is told stands above a mark, what the records say is written below it."""

from pathlib import Path

from dad.errors import DataError
from dad.files import write_atomically
from studies.emojinet.power import format_power, plan_power
from studies.emojinet.study import Study
from studies.emojinet.table import format_study

PAGE = Path(__file__).parent / "second_study.md"
MARK = "<!-- Below: python -m studies.emojinet page -->"


def tables_of(study: Study, planned: int) -> str:
    """Return what stands below the mark: how many of the `planned` runs are done, tables and verdicts, and how many
    seeds each claim takes."""
    done = f"{len(study.records)} of {planned} planned runs are done."
    return f"{done}\n\n{format_study(study)}\n\n{format_power(plan_power(study.records))}\n"


def write_page(page: Path, study: Study, planned: int) -> str:
    """Write anew what stands below the mark, and return a line on it.

    Raises:
        DataError: there is no such page, or it has no mark.
    """
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    told, mark, _ = text.partition(MARK)
    if not mark:
        raise DataError(f"{page}: no page with the mark {MARK}")
    write_atomically(page, f"{told}{MARK}\n\n{tables_of(study, planned)}".encode())
    return f"written: {page}"
