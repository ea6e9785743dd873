"""Runs that differ in the seed alone."""

import json
from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist
from typing import Any

import pytest

from dad.report.__main__ import main
from dad.report.card import format_card
from dad.report.seeds import format_seeds, seed_groups, seed_rows, spread, t_quantile


@pytest.mark.parametrize(  # any table of Student's t
    ("degrees", "quantile"), [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (5, 2.571), (9, 2.262), (30, 2.042)]
)
def test_quantiles_are_those_of_the_table(degrees: int, quantile: float) -> None:
    assert t_quantile(degrees) == pytest.approx(quantile, abs=5e-4)


def test_many_runs_are_nearly_normal() -> None:
    assert t_quantile(100_000) == pytest.approx(NormalDist().inv_cdf(0.975), abs=1e-4)


def test_the_spread_is_that_of_a_sample() -> None:
    found = spread([70.0, 71.0, 73.0])
    assert (found.mean, found.deviation) == pytest.approx((71.3333, 1.5275), abs=1e-4)
    assert found.interval == pytest.approx(
        (71.3333 - 4.3027 * 1.5275 / 3**0.5, 71.3333 + 4.3027 * 1.5275 / 3**0.5), abs=1e-3
    )


def run(seed: int, top1: float, **changes: Any) -> dict[str, Any]:
    """A run's results; `recipe` and `images` may be changed as if they were keys."""
    training = {"seed": seed, "recipe": changes.pop("recipe", "r")}
    scores = {"top1": top1, "images": changes.pop("images", "same"), "title": "mine", "metric": "top1"}
    return {
        "name": f"run_s{seed}", "model": "resnet18", "weights": "ema", "checkpoint": f"run_s{seed}/last.pth.tar",
        "checkpoint_hash": f"{seed} {top1}", "settings": {"num_classes": 20}, "class_names": {},
        "training": training, "variants": {"mine": scores}, **changes,
    }  # fmt: skip


def test_they_are_averaged() -> None:
    rows, notes = seed_rows([run(2, 73.0), run(0, 70.0), run(1, 71.0)])
    assert rows == [["Model", "Seeds", "mine"], ["run_s*", "0, 1, 2", "71.3 ± 1.5 (67.5–75.1)"]] and not notes


@pytest.mark.parametrize(
    "other",
    [{"recipe": "s"}, {"model": "resnet34"}, {"weights": "state_dict"}, {"checkpoint": "run_s1/model_best.pth.tar"},
     {"settings": {"num_classes": 20, "crop_pct": 1.0}}, {"training": {}}],
)  # fmt: skip
def test_what_differs_in_more_is_not(other: dict[str, Any]) -> None:
    assert seed_groups([run(0, 70.0), run(1, 71.0, **other)]) == ([], [])


def test_what_older_files_do_not_tell_keeps_no_seeds_apart() -> None:
    runs = [run(seed, 70.0 + seed) for seed in (0, 1, 2)]
    runs[2]["training"] |= {"epoch": 9, "images_per_update": 512}
    (group,), _ = seed_groups(runs)
    assert group.seeds == "0, 1, 2"
    runs[1]["training"]["images_per_update"] = 4096
    assert seed_groups(runs) == ([], [])


def test_another_epoch_is_another_training_but_for_the_best_one() -> None:
    runs = [run(seed, 70.0 + seed) for seed in (0, 1)]
    for number, result in enumerate(runs):
        result["training"]["epoch"] = number
    assert seed_groups(runs) == ([], [])
    best = [{**result, "checkpoint": f"run_s{number}/model_best.pth.tar"} for number, result in enumerate(runs)]
    assert len(seed_groups(best)[0]) == 1


def test_an_average_over_other_images_is_none(made_up: list[dict[str, Any]]) -> None:
    runs = [
        {**made_up[0], "name": f"run_s{seed}", "checkpoint_hash": str(seed), "training": {"seed": seed, "recipe": "r"}}
        for seed in (0, 1)
    ]
    heads, cells = seed_rows(runs)[0]
    assert (place := heads.index("Avg natural")) and cells[place] != "–"
    rendered = {**runs[1]["variants"]["imagenet-r"], "images": "other"}
    runs[1]["variants"] = {**runs[1]["variants"], "imagenet-r": rendered}
    heads, cells = seed_rows(runs)[0]
    assert cells[place] == cells[heads.index("Avg natural")] == "–"


def test_one_file_in_two_results_files_is_one_run() -> None:
    assert seed_groups([run(0, 70.0), run(0, 70.0)]) == ([], [])
    (group,), notes = seed_groups([run(0, 70.0), run(1, 71.0), run(0, 70.0)])
    assert group.seeds == "0, 1" and not notes


def test_the_same_seed_twice_is_told() -> None:
    groups, notes = seed_groups([run(0, 70.0), run(0, 71.0), run(1, 70.0)])
    assert not groups and notes == [
        "run_s0, run_s0, run_s1: trained alike, but some with the same seed; no mean over seeds"
    ]


def test_other_images_have_no_mean() -> None:
    rows, notes = seed_rows([run(0, 70.0), run(1, 71.0, images="other")])
    assert rows[1][2] == "–" and notes == ["run_s*, mine: scored on different images; no mean over seeds"]
    rows, notes = seed_rows([run(0, 70.0), run(1, 71.0, variants={})])
    assert rows[1][2] == "–" and notes == ["run_s*, mine: scored for run_s0 alone; no mean over seeds"]


def test_names_that_have_little_in_common_are_all_told() -> None:
    (group,), _ = seed_groups([run(0, 70.0, name="one"), run(1, 71.0, name="other")])
    assert group.name == "one, other"


def test_single_rows_stay_and_the_means_can_be_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text_of: Callable[[str], str]
) -> None:
    results = [run(0, 70.0), run(1, 71.0)]
    (tmp_path / "results.json").write_text(json.dumps(results))
    main([str(tmp_path / "results.json")])
    printed = capsys.readouterr().out
    assert format_seeds(results) in printed and "| run_s0 " in printed and "70.5 ± 0.7" in printed
    main([str(tmp_path / "results.json"), "--no-seeds"])
    assert "70.5" not in capsys.readouterr().out
    assert "run_s* 0, 1 70.5 ± 0.7" in text_of(format_card(results))
    assert "Several seeds" not in format_card(results, with_seeds=False) + format_card(results[:1])
