"""Tables and steps in print."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dad.tables.listing import IMAGENET, Pace, format_ending, format_steps, format_tables
from dad.tables.recipes import Wishes
from dad.tables.rows import read_headers, resolve_tables
from dad.tables.steps import Plan
from dad.tables.submit import Queue


def cells(text: str, recipe: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if f" {recipe} " in line and line.startswith("|")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_row_says_recipe_cost_state_and_steps(wishes: Wishes, clone: Path, write_run: Callable[..., None]) -> None:
    write_run(clone / "output/train/vitb_kd", {"state": "interrupted", "epoch": 12, "epochs": 30})
    tables = resolve_tables("3", read_headers(wishes.folder))
    plan = Plan(tables, wishes)
    lacking = plan.lacking()
    text = format_tables(tables, plan, lacking)
    assert cells(text, "vitb_kd") == ["KD", "vitb_kd", "2.5", "interrupted, 12 of 30 epochs", "1, 2"]
    assert cells(text, "vitb_ard") == ["ARD", "vitb_ard", "2.5", "not begun", "1, 3, 4, 5"]
    assert "| DIST   |" in text and "no recipe" in text and "by --recipe NAME: vitb_kd_scratch" in text
    steps = format_steps(lacking, Queue(clone / "submitted"))
    assert "\n3. make generate_clip (not begun)\n   DAD_SCRIPT=generate.py ./launch --config " in steps
    assert "\n6. train vitb_dad (not begun; after 3)\n   ./launch --config " in steps
    assert format_ending(tables, plan, lacking) == ""


def test_hours_are_epochs_of_images_at_the_pace(wishes: Wishes) -> None:
    slow = replace(wishes, flags=("--epochs", "10"))
    tables = resolve_tables("3", read_headers(wishes.folder))
    plan = Plan(tables, slow)
    lacking = plan.lacking()
    text = format_tables(tables, plan, lacking, Pace(1000))
    assert "Hours at 1,000 img/s" in text and cells(text, "vitb_kd")[3] == f"{10 * IMAGENET / 1000 / 3600:.1f}"
    assert cells(format_tables(tables, plan, lacking, Pace(10, 360)), "vitb_kd")[3] == "0.1"
    assert "as if every recipe ran at that pace" in text and "Hours" not in format_tables(tables, plan, lacking)


def test_what_is_missing_is_said(wishes: Wishes, clone: Path) -> None:
    (clone / "images").rmdir()
    plan = Plan(resolve_tables("3", read_headers(wishes.folder)), wishes)
    steps = format_steps(plan.lacking(), Queue(clone / "submitted"))
    assert "1. train vitb_kd (not begun; missing: images (--data-dir))" in steps


def test_what_is_scored_can_be_printed(wishes: Wishes, clone: Path) -> None:
    tables = resolve_tables("3", read_headers(wishes.folder))
    plan = Plan(tables, wishes)
    lacking = {key: pair for key, pair in plan.lacking().items() if not key.endswith("vitb_kd")}
    (clone / "output/train/vitb_kd").mkdir(parents=True)
    (clone / "output/train/vitb_kd/results.json").touch()
    ending = format_ending(tables, plan, lacking)
    assert ending.endswith("python -m dad.report output/train/vitb_kd/results.json --paper 3")
    assert cells(format_tables(tables, plan, lacking), "vitb_kd")[3:] == ["scored", "–"]


def test_a_table_of_costs_needs_no_scores() -> None:
    wishes = Wishes(Path(__file__).parents[3] / "hparams")
    tables = resolve_tables("7", read_headers(wishes.folder))
    plan = Plan(tables, wishes)
    assert not [key for key in plan.steps if key.startswith("score")]
    text = format_tables(tables, plan, {})
    assert cells(text, "rn50_ce")[3:] == ["trained", "–"]
