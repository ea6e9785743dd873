"""The report's tables as LaTeX, to be pasted or \\input: booktabs, and every character of a name escaped.

They are made from the Markdown that is printed otherwise, so that no table is in the one form alone.
"""

import re
from collections.abc import Sequence

# Of a cell's text; what is no letter of a name has its sign in mathematics.
_ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$", "|": "$|$", "±": r"$\pm$",
    "–": "--", "−": "$-$", "×": r"$\times$", "·": r"$\cdot$", "∞": r"$\infty$", "↓": r"$\downarrow$",
}  # fmt: skip
_CELL_END = re.compile(r"(?<!\\) ?\|")
_BOLD = re.compile(r"\*\*(.+)\*\*")
_RULE = re.compile(r"\| -+:? (\| -+:? )*\|")
_MINUS = re.compile(r"(?<!\S)-(?=\d)")  # of a number, not a hyphen


def format_latex(markdown: str) -> str:
    """Return the tables of a text as LaTeX, in order; the lines between them are comments above the next one."""
    lines = markdown.splitlines()
    parts = ["% needs \\usepackage{booktabs}"]
    place = 0
    while place < len(lines):
        if place + 1 < len(lines) and lines[place].startswith("|") and _RULE.fullmatch(lines[place + 1]):
            end = place
            while end < len(lines) and lines[end].startswith("|"):
                end += 1
            parts.append(_table(lines[place:end]))
            place = end
        else:
            parts.append(f"% {lines[place]}" if lines[place] else "")
            place += 1
    return "\n".join(parts).rstrip("\n") + "\n"


def escape_latex(text: str) -> str:
    """Return a text that LaTeX sets as it is."""
    text = _MINUS.sub("−", text)
    return "".join(_ESCAPES.get(character, character) for character in text)


def _table(lines: Sequence[str]) -> str:
    head, rule, *rows = [_cells(line) for line in lines]
    kinds = "".join("r" if cell.endswith(":") else "l" for cell in rule)
    body = [" & ".join(map(_set, row)) + r" \\" for row in rows]
    top = " & ".join(map(_set, head)) + r" \\"
    start = rf"\begin{{tabular}}{{{kinds}}}"
    return "\n".join([start, r"\toprule", top, r"\midrule", *body, r"\bottomrule", r"\end{tabular}"])


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in _CELL_END.split(line.strip()[1:])[:-1]]


def _set(cell: str) -> str:
    bold = _BOLD.fullmatch(cell)
    return rf"\textbf{{{escape_latex(bold[1])}}}" if bold else escape_latex(cell)
