"""Tables of text: Markdown that is aligned for terminals too."""

from collections.abc import Sequence


def format_rows(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells, the first being the titles, as a table: first column left, the others right.

    A bar or a line's end in a cell, a model's name say, is written so that it ends no cell.
    """
    rows = [[" ".join(cell.split("\n")).replace("|", "\\|") for cell in row] for row in rows]
    widths = [max(3, *(len(row[column]) for row in rows)) for column in range(len(rows[0]))]  # 3: a rule needs a dash
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [[row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [lines[0], rule, *lines[1:]])
