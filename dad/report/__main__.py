"""Print results files in the paper's shape: `python -m dad.report output/plain/results.json output/dad/results.json`.

    python -m dad.report output/results.json --html --out output/report.html

Our table as Markdown, unless another form is asked for; `--paper 3,5` adds tables of the paper with our rows in them,
`--baseline NAME` how much of the teacher's robustness each student has.
"""

import sys
from pathlib import Path

from dad.args.tools import ToolParser
from dad.errors import UsageError, run_script
from dad.files import write_atomically
from dad.report import format_csv, format_table
from dad.report.beside import format_paper
from dad.report.compare import compare, format_paired
from dad.report.latex import format_latex
from dad.report.measures import format_measures
from dad.report.notes import format_notes, notes_of
from dad.report.pairs import Pairs
from dad.report.paper import resolve_tables
from dad.report.results import load_with_files
from dad.report.robustness import resolve_comparison
from dad.report.robustness_tables import format_robustness, format_transfer
from dad.report.seeds import format_seeds
from dad.report.table import format_attacks


def main(argv: list[str] | None = None) -> None:
    """Print or write the results files on the command line."""
    parser = ToolParser(prog="python -m dad.report", description="Print results files.", words="FILE ...")
    parser.add_argument("results", nargs="+", metavar="FILE", help="results.json of validate.py")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="tables as Markdown (default)")
    form.add_argument("--latex", action="store_true", help="the same tables as LaTeX, for booktabs")
    form.add_argument("--csv", action="store_true", help="timm's columns, a line for each model and set")
    form.add_argument(
        "--html", action="store_true", help="the report card: one page with charts, mistakes and settings"
    )
    parser.add_argument(
        "--paper",
        metavar="TABLES",
        help="tables of the paper to set our rows beside: numbers as in 3,5, or all "
        "(default: none in Markdown; on the card 3,5 if the results are of ImageNet)",
    )
    parser.add_argument(
        "--baseline", metavar="NAME", help="row that transfer is measured from: a student trained without the teacher"
    )
    parser.add_argument(
        "--teacher", metavar="NAME", help="row that transfer is measured to (default: the one that is a teacher's)"
    )
    parser.add_argument(
        "--compare",
        action="store_true",
        help="each model with the first one, on the images that both were scored on: interval of the difference by "
        "bootstrap, and McNemar's exact test",
    )
    parser.add_argument(
        "--no-seeds", action="store_true", help="no table of means over runs that differ in the seed alone"
    )
    parser.add_argument(
        "--measures",
        action="store_true",
        help="also calibration, worst classes and ImageNet-X's factors, a row for each model and set; the card has "
        "them anyway, CSV all but the factors",
    )
    parser.add_argument("--out", metavar="FILE", help="write here instead of printing")
    args = parser.parse_args(argv)

    if args.csv and args.paper:
        raise UsageError("--paper: CSV has no room for the paper's tables; leave it out, or use --markdown or --html")
    if args.csv and args.baseline:
        raise UsageError("--baseline: CSV has no room for transfer; leave it out, or use --markdown or --html")
    if args.teacher and not args.baseline:
        raise UsageError(f"--teacher {args.teacher}: it has a surplus over another row only; give --baseline NAME too")
    if args.csv and args.compare:
        raise UsageError("--compare: CSV has a line for each model and set, none for pairs; use --markdown or --html")
    tables = resolve_tables(args.paper) if args.paper else None
    results, files = load_with_files(args.results)
    pairs = Pairs(results, files)
    comparison = resolve_comparison(results, args.baseline, args.teacher or "") if args.baseline else None
    paired = compare(pairs) if args.compare else []
    if args.html:
        from dad.report.card import format_card  # reads images with torch, which is slow to import

        text = format_card(results, tables, comparison, pairs=pairs, paired=paired, with_seeds=not args.no_seeds)
    elif args.csv:
        text = format_csv(results)
        for line in notes_of(results):
            print(f"note: {line}", file=sys.stderr)
    else:
        parts = [format_table(results), "" if args.no_seeds else format_seeds(results)]
        parts += [format_attacks(results), format_robustness(results)]
        parts += [format_transfer(comparison)] if comparison else []
        parts += [format_paired(paired)] if paired else []
        parts += [format_measures(results)] if args.measures else []
        parts += [format_paper(tables, results)] if tables else []
        parts += [format_notes(results)]
        text = "\n\n".join(part for part in parts if part) + "\n"
        text = format_latex(text) if args.latex else text
    content = text.encode(errors="backslashreplace")  # a file's name may be no text
    if args.out:
        write_atomically(Path(args.out), content)
        print(f"written to {args.out}")
    else:
        sys.stdout.write(content.decode())


if __name__ == "__main__":
    sys.exit(run_script(main))
