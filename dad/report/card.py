"""The report card: one HTML page without scripts and without anything outside of it."""

from collections.abc import Sequence
from html import escape
from importlib.resources import files

from dad.charts.svg import element
from dad.report.beside import caveats
from dad.report.columns import SEVEN, columns_of
from dad.report.compare import PairedTable
from dad.report.comparison_section import comparison_section
from dad.report.differences import average_of, clear_bests, lead_of
from dad.report.markup import section
from dad.report.model_section import model_section
from dad.report.notes import TITLE, notes_of
from dad.report.pairs import Pairs
from dad.report.paper import PaperTable, paper_tables
from dad.report.results import Result, has_imagenets_classes, is_teacher, row_name
from dad.report.robustness import Comparison
from dad.report.robustness_section import robustness_section, transfer_section
from dad.report.score_table import score_tables
from dad.report.seeds import seeds_section
from dad.report.side_tables import attack_table, paper_table, provenance_table
from dad.report.table import format_number

_PAPER = ("3", "5")  # of ViT-B/16 by objective, and of other students and teachers


def format_card(
    results: Sequence[Result],
    tables: Sequence[PaperTable] | None = None,
    comparison: Comparison | None = None,
    *,
    pairs: Pairs | None = None,
    paired: Sequence[PairedTable] = (),
    with_seeds: bool = True,
) -> str:
    """Return the page. `tables` of the paper stand beside all `results`; if None, the main ones beside ImageNet's.
    With a comparison, transfer is told. `pairs` tells of leads image by image; `paired` tables get a section,
    and so do runs that differ in the seed alone.

    Thumbnails are read from the image files that the results name; where one is gone, its name stands in its place.
    """
    best = clear_bests(results, pairs)
    parts = [
        _header(results, pairs),
        _notes(notes_of(results)),
        section("Scores", _scores_about(results, pairs), score_tables(results, best)),
        seeds_section(results) if with_seeds else "",
        comparison_section(paired),
        robustness_section(results),
        transfer_section(comparison),
        *(model_section(result, best) for result in results),
        _attacks(results),
        _beside_paper(results, tables),
        section("How it was measured", "", provenance_table(results)),
    ]
    style = (files("dad.report") / "card.css").read_text(encoding="utf-8")
    body = "\n".join(part for part in parts if part)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Report card: {escape(", ".join(map(row_name, results)))}</title>
<link rel="icon" href="data:,">
<style>
{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def _header(results: Sequence[Result], pairs: Pairs | None) -> str:
    columns = [column for column in columns_of(results) if not column.beside]
    sets = [column for column in columns if any(column.scores(result) for result in results)]
    facts = [_counted(len(results), "model"), _counted(len(sets), "test set")]
    classes = {count for result in results if (count := result.get("settings", {}).get("num_classes"))}
    facts += [f"{count:,} classes" for count in sorted(classes)]
    about = element("p", " · ".join(facts), class_="about")
    return element("header", element("h1", "Report card"), about, _lead(results, pairs))


def _lead(results: Sequence[Result], pairs: Pairs | None) -> str:
    """Return one sentence on the best average, where there are students to compare: whose it is only if the lead is
    greater than chance makes it."""
    means = [(mean, place) for place, result in enumerate(results)
             if not is_teacher(result) and (mean := average_of(SEVEN, result)) is not None]  # fmt: skip
    if len(means) < 2:
        return ""
    means.sort(key=lambda pair: pair[0].value, reverse=True)
    (best, first), *others = means
    told = [lead_of(results, SEVEN, first, place, pairs) for _, place in others]
    number = next((number for number, lead in enumerate(told) if not lead.is_clear), 0)
    second, place = others[number]
    name, other = (escape(row_name(results[one])) for one in (first, place))
    is_clear, why = told[number].is_clear, told[number].why
    name = f"<b>{name}</b>" if is_clear else name
    names = f"{name} has {format_number(best.value)}, {other} {format_number(second.value)}"
    if is_clear:
        return element("p", f"Best average of the seven sets: {names}. {why[:1].upper()}{why[1:]}.")
    return element("p", f"No clear best average of the seven sets: {names}; {why}.")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _notes(lines: Sequence[str]) -> str:
    items = [element("li", escape(line)) for line in lines]
    return element("aside", element("b", TITLE), element("ul", *items)) if lines else ""


def _scores_about(results: Sequence[Result], pairs: Pairs | None) -> str:
    about = "Top-1 accuracy in percent, with its 95 % interval"
    if any(column.lower_is_better for column in columns_of(results)):
        about += "; for C the mean corruption error (lower is better), which enters the average as 100 − mCE"
    apart = ", teachers apart" if any(map(is_teacher, results)) else ""
    if len(results) - sum(map(is_teacher, results)) > 1:
        about += f". Marked is what leads all others by more than its interval{apart}"
        if pairs is not None and pairs.any_known():
            about += "; models whose decisions on the same images are known are compared image by image"
    return f"{about}. Intervals are of the images alone: another seed of the same training moves a number too."


def _attacks(results: Sequence[Result]) -> str:
    table = attack_table(results)
    about = "Top-1 accuracy on clean and on attacked images. Numbers of different norms, radii or steps do not compare."
    return section("Under attack", about, table) if table else ""


def _beside_paper(results: Sequence[Result], tables: Sequence[PaperTable] | None) -> str:
    beside = results if tables is not None else [result for result in results if has_imagenets_classes(result)]
    if not beside:
        lines = [*caveats(results), "The paper's tables are therefore left out; --paper all shows them all the same."]
        return section("Beside the paper", "", *(element("p", escape(line), class_="about") for line in lines))
    known = paper_tables()
    shown = [known[number] for number in _PAPER] if tables is None else tables
    about = "Our rows on top, then the paper's. Averages that it misprints are struck out beside the recomputed ones."
    lines = [element("p", escape(line), class_="about") for line in caveats(beside)]
    return section("Beside the paper", about, *lines, *(paper_table(table, beside) for table in shown))
