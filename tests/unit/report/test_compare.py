"""`--compare`: tables of pairs, and what is said where there are none."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dad.decisions import decisions_path
from dad.errors import DataError, UsageError
from dad.report.__main__ import main
from dad.report.compare import compare, format_p, format_paired
from dad.report.pairs import Pairs
from dad.report.results import load_with_files

Decided = Callable[..., Path]


def compared(*paths: Path) -> str:
    return format_paired(compare(Pairs(*load_with_files([str(path) for path in paths]))))


def test_every_model_is_compared_with_the_first(decided: Decided) -> None:
    text = compared(decided("a"), decided("b", imagenet=0.8, imagenet_r=0.5), decided("c", images="other"))
    assert "b minus a:" in text and "c minus a:" in text and "c minus b" not in text
    row = next(line for line in text.splitlines() if line.startswith("| ImageNet"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[4].startswith("+") and cells[5] == "0" and cells[7] == "< 0.0001" and cells[8:] == ["400", "400"]
    assert f"{float(cells[2]) - float(cells[1]):+.1f}" == f"{float(cells[3]):+.1f}"
    assert "not compared: ImageNet: the two were scored on different images" in text


def test_files_without_decisions_say_what_to_rerun(decided: Decided, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [decided("a", imagenet_r=0.5), decided("b", imagenet_r=0.5)]
    decisions_path(paths[0]).unlink()
    with pytest.raises(DataError, match=r"--compare: ImageNet, R: .*a/results.decisions.npz: no such file; .*rescore"):
        main([*map(str, paths), "--compare"])
    main([*map(str, paths)])  # without it, nothing is missed
    assert "| a" in capsys.readouterr().out


def test_one_model_alone_is_refused(decided: Decided) -> None:
    with pytest.raises(UsageError, match="--compare: it takes two results"):
        main([str(decided("a")), "--compare"])
    with pytest.raises(UsageError, match="--compare: CSV"):
        main([str(decided("b")), "--compare", "--csv"])


@pytest.mark.parametrize(("p", "text"), [(None, "–"), (0.03456, "0.0346"), (1e-200, "< 0.0001"), (1.0, "1.0000")])
def test_p_is_printed_in_four_digits(p: float | None, text: str) -> None:
    assert format_p(p) == text
