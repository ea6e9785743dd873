"""Results in print: the paper's tables, timm's CSV, and a report card. `python -m dad.report` is the command."""

from dad.report.columns import average_natural, average_seven
from dad.report.results import load_results
from dad.report.table import format_table
from dad.report.timm_csv import format_csv, in_short

__all__ = ["average_natural", "average_seven", "format_csv", "format_table", "in_short", "load_results"]
