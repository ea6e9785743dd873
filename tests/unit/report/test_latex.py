"""Tables as LaTeX: the same cells, and nothing in them that LaTeX would take for its own."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dad.markdown import format_rows
from dad.report.__main__ import main
from dad.report.latex import escape_latex, format_latex


def test_a_table_has_booktabs_rules_and_the_columns_sides() -> None:
    assert format_latex("about 5 %\n\n" + format_rows([["Model", "A"], ["resnet50", "-7.25"]])) == (
        "% needs \\usepackage{booktabs}\n% about 5 %\n\n\\begin{tabular}{lr}\n\\toprule\nModel & A \\\\\n\\midrule\n"
        "resnet50 & $-$7.25 \\\\\n\\bottomrule\n\\end{tabular}\n"
    )


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("a_b & c%", r"a\_b \& c\%"), ("{x}$#", r"\{x\}\$\#"),
        ("a\\b~^", r"a\textbackslash{}b\textasciitilde{}\textasciicircum{}"),
        ("70.1 ± 0.2 (69–71)", r"70.1 $\pm$ 0.2 (69--71)"), ("< 0.0001", "$<$ 0.0001"),
        ("-1.20 to +3.00", "$-$1.20 to +3.00"), ("run-2", "run-2"), ("L∞", r"L$\infty$"),
        ("C (mCE ↓)", r"C (mCE $\downarrow$)"),
    ],
)  # fmt: skip
def test_every_character_is_set_as_it_is(text: str, latex: str) -> None:
    assert escape_latex(text) == latex


def test_bars_in_names_stay_in_their_cells() -> None:
    found = format_latex(format_rows([["Model", "A"], ["a|b\\", "1"], ["**c|**", "2"]]))
    assert r"a$|$b\textbackslash{} & 1 \\" in found and r"\textbf{c$|$} & 2 \\" in found


@pytest.fixture
def everything(made_up: list[dict], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """All that the report can print of two results with odd names."""
    made_up[0]["name"] = r"50%_of {a}|b\c & ~^#$ <x>"
    (tmp_path / "results.json").write_text(json.dumps(made_up))
    main([str(tmp_path / "results.json"), "--latex", "--measures", "--paper", "all"])
    return capsys.readouterr().out


def test_each_row_has_as_many_cells_as_its_table_has_columns(everything: str) -> None:
    tables = re.findall(r"\\begin{tabular}{([lr]+)}(.*?)\\end{tabular}", everything, re.DOTALL)
    assert len(tables) > 10
    for columns, body in tables:
        rows = [line for line in body.splitlines() if line.endswith(r" \\")]
        assert len(rows) > 1 and {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {len(columns)}
    outside = re.sub(r"\\begin{tabular}.*?\\end{tabular}", "", everything, flags=re.DOTALL)
    assert all(line.startswith("%") for line in outside.splitlines() if line)
    assert not [character for _, body in tables for character in body if ord(character) > 127]


@pytest.mark.slow
def test_latex_sets_it(everything: str, tmp_path: Path) -> None:
    program = shutil.which("pdflatex")
    if program is None:
        pytest.skip("no LaTeX is installed")
    page = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\\tiny\n" + everything + "\\end{document}\n"
    (tmp_path / "page.tex").write_text(page)
    command = [program, "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert told.returncode == 0 and (tmp_path / "page.pdf").stat().st_size > 10_000, told.stdout[-2000:]
