"""Calibration, worst classes and factors in tables."""

from collections.abc import Callable

from dad.report.measures import factor_rows, format_measures, measure_rows, measures_details

FACTORS = {"pose": {"count": 16_000, "error_ratio": 0.8123}, "partial_view": {"count": 678, "error_ratio": None}}


def calibrate(result: dict) -> None:
    result["variants"] = {
        "imagenet": {
            "top1": 50.0,
            "per_class": {"n01440764": [7, 50], "n9": [40, 50]},
            "calibration": {
                "ece": 12.34, "brier": 0.61239, "nll": 1.9,
                "scaled": {"temperature": 1.234, "count": 5, "ece": 2.06, "brier": 0.59, "nll": 1.75},
            },
            "imagenet_x": {"count": 46_000, "top1": 50.0, "factors": FACTORS},
        },
        "imagenet-real": {"top1": 60.0, "calibration": {"ece": 8.0}},
        "imagenet-o": {"aupr": 20.0},
    }  # fmt: skip


def test_each_set_of_which_something_is_known_has_a_row(made_up: list[dict]) -> None:
    calibrate(made_up[0])
    head, *rows = measure_rows(made_up[:1])
    assert [row[:2] for row in rows] == [["vitb_ce", "ImageNet"], ["vitb_ce", "ReaL"]]
    assert dict(zip(head[2:], rows[0][2:], strict=True)) == {
        "ECE": "12.3", "Brier": "0.612", "NLL": "1.900", "T": "1.23", "ECE at T": "2.1", "Brier at T": "0.590",
        "NLL at T": "1.750", "Worst tenth of classes": "14.0", "Worst class": "tench", "Its top-1": "14.0",
    }  # fmt: skip
    assert rows[1][2:] == ["8.0", *["–"] * 9]


def test_results_without_calibration_have_their_worst_classes(made_up: list[dict]) -> None:
    assert "ECE" not in measure_rows(made_up)[0] and "Worst class" in measure_rows(made_up)[0]
    assert measure_rows([{**made_up[0], "variants": {"imagenet": {"top1": 1.0}}}]) == []


def test_factors_are_told_by_model(made_up: list[dict]) -> None:
    for result in made_up:
        calibrate(result)
    del made_up[1]["variants"]["imagenet"]["imagenet_x"]
    expected = [["ImageNet-X", "Images", "vitb_ce"], ["pose", "16,000", "0.81"], ["partial view", "678", "–"]]
    assert factor_rows(made_up) == expected and factor_rows(made_up[1:]) == []
    assert "| partial view" in format_measures(made_up) and "1.23" in format_measures(made_up)


def test_the_card_has_them_folded_away(made_up: list[dict], text_of: Callable[[str], str]) -> None:
    calibrate(made_up[0])
    made_up[0]["class_names"]["n01440764"] = "<i>tench"
    page = measures_details(made_up[0])
    assert page.startswith("<details><summary>") and "<i>" not in page
    assert "ImageNet 12.3 0.612 1.900 1.23 2.1 0.590 1.750 14.0 <i>tench 14.0" in text_of(page)
    assert measures_details({**made_up[0], "variants": {}}) == ""
