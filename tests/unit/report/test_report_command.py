"""`python -m dad.report`."""

import json
from pathlib import Path

import pytest

from dad.errors import UsageError
from dad.report import format_csv, format_table
from dad.report.__main__ import main
from dad.report.notes import format_notes


@pytest.fixture
def file(made_up: list[dict], tmp_path: Path) -> str:
    (tmp_path / "results.json").write_text(json.dumps(made_up))
    return str(tmp_path / "results.json")


@pytest.mark.parametrize("flags", [[], ["--markdown"]])
def test_markdown_is_printed_by_default(first_format: dict, tmp_path: Path, capsys, flags: list[str]) -> None:
    (tmp_path / "results.json").write_text(json.dumps(first_format))
    main([str(tmp_path / "results.json"), *flags])
    assert capsys.readouterr().out == f"{format_table([first_format])}\n\n{format_notes([first_format])}\n"


def test_attacks_and_the_papers_tables_follow(file: str, capsys) -> None:
    main([file, "--paper", "3,5"])
    printed = capsys.readouterr().out
    assert printed.index("Avg natural") < printed.index("AutoAttack") < printed.index("Table 3:")
    assert printed.index("Table 3:") < printed.index("Table 5:") and "not ImageNet's" not in printed


def test_csv(file: str, made_up: list[dict], capsys) -> None:
    main([file, "--csv"])
    assert capsys.readouterr().out == format_csv(made_up)


def test_the_card_is_written_to_a_file(file: str, tmp_path: Path, capsys) -> None:
    main([file, "--html", "--out", str(tmp_path / "new" / "report.html")])
    assert capsys.readouterr().out == f"written to {tmp_path / 'new' / 'report.html'}\n"
    assert (tmp_path / "new" / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_file_names_that_are_no_text_do_no_harm(made_up: list[dict], tmp_path: Path) -> None:
    made_up[0]["variants"]["imagenet"]["mistakes"][0]["file"] = "caf\udce9.png"
    (tmp_path / "results.json").write_text(json.dumps(made_up))
    main([str(tmp_path / "results.json"), "--html", "--out", str(tmp_path / "report.html")])
    assert "caf\\udce9.png" in (tmp_path / "report.html").read_text()


def test_csv_has_no_room_for_the_paper(file: str) -> None:
    with pytest.raises(UsageError, match="--paper: CSV has no room"):
        main([file, "--csv", "--paper", "3"])


def test_transfer_is_told_with_a_baseline(made_up: list[dict], tmp_path: Path, capsys) -> None:
    teacher = {**made_up[1], "name": "clip", "weights": "teacher"}
    (tmp_path / "others.json").write_text(json.dumps([{**made_up[0], "name": "student"}, teacher]))
    (tmp_path / "base.json").write_text(json.dumps(made_up[0]))
    files = [str(tmp_path / "others.json"), str(tmp_path / "base.json")]  # rows of several files
    main(files)
    assert "Transfer" not in capsys.readouterr().out
    main([*files, "--baseline", "vitb_ce"])
    printed = capsys.readouterr().out
    assert printed.index("Effective robustness") < printed.index("the share of the surplus of clip over vitb_ce")
    main([*files, "--baseline", "vitb_ce", "--html", "--out", str(tmp_path / "card.html")])
    assert "The share of the surplus of clip over vitb_ce" in (tmp_path / "card.html").read_text()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--csv", "--baseline", "vitb_ce"], "--baseline: CSV has no room"),
        (["--teacher", "clip"], "--teacher clip: .* give --baseline NAME too"),
        (["--baseline", "nobody"], "--baseline nobody: no row has this name"),
    ],
)
def test_a_transfer_that_cannot_be_told_is_refused(file: str, flags: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        main([file, *flags])
