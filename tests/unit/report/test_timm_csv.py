"""CSV as timm's results files have it."""

import csv
import io
import json

import pytest

from dad.report import format_csv, in_short

TIMM = "model,img_size,top1,top1_err,top5,top5_err,param_count,crop_pct,interpolation"


def lines(results: list[dict]) -> dict[tuple[str, str], dict[str, str]]:
    return {(line["name"], line["variant"]): line for line in csv.DictReader(io.StringIO(format_csv(results)))}


def test_timms_columns_come_first(made_up: list[dict]) -> None:
    assert format_csv(made_up).startswith(f"{TIMM},name,checkpoint,variant,count,metric,value,ece,")


def test_a_line_for_each_model_and_set(made_up: list[dict]) -> None:
    table = lines(made_up)
    assert len(table) == 19 + 20
    assert list(table["vitb_dad", "imagenet-r"].values())[:15] == [
        *("vit_base_patch16_224", "224", "65.12", "34.88", "79.12", "20.88", "86.57", "0.9", "bicubic"),
        *("vitb_dad", "output/vitb_dad/model_best.pth.tar", "imagenet-r", "30000", "top1", "65.12"),
    ]


@pytest.mark.parametrize(
    ("name", "metric", "value"),
    [("imagenet-c", "mce", "54.54"), ("imagenet-o", "aupr", "23.12"), ("imagenet-3dcc", "mean_top1", "")],
)
def test_the_value_is_the_headline_number(made_up: list[dict], name: str, metric: str, value: str) -> None:
    line = lines(made_up)["vitb_ce", name]
    assert (line["metric"], line["value"]) == (metric, value)


def test_calibration_and_worst_classes_are_told_where_they_are_known(made_up: list[dict]) -> None:
    scores = made_up[0]["variants"]["imagenet"]
    scores["per_class"] = {"n01440764": [7, 50], "n01443537": [3, 4]}
    scores["calibration"] = {"ece": 3.21987, "brier": 0.5, "nll": 1, "scaled": {"temperature": 1.5, "ece": 2.0}}
    line, other = (lines(made_up)["vitb_ce", name] for name in ("imagenet", "imagenet-c"))
    assert (line["ece"], line["brier"], line["temperature"], line["scaled_ece"], line["scaled_nll"]) == (
        "3.2199", "0.5", "1.5", "2.0", "",
    )  # fmt: skip
    assert (line["worst_class"], line["worst_class_top1"], line["worst_tenth_top1"]) == ("n01440764", "14.0", "14.0")
    assert {other[name] for name in ("ece", "temperature", "worst_class")} == {""}


def test_cells_of_the_first_format_are_empty_where_it_says_nothing(first_format: dict) -> None:
    line = lines([first_format])["emojinet_ce", "imagenet"]
    assert (line["model"], line["top1"], line["img_size"], line["param_count"]) == ("resnet18", "97.6562", "", "")


def test_the_result_line_is_short_and_has_timms_keys(made_up: list[dict], first_format: dict) -> None:
    short = in_short(made_up[1], ["imagenet", "imagenet-r"])
    assert ",".join(short).startswith(TIMM) and (short["name"], short["top1_err"]) == ("vitb_dad", 20.38)
    assert short["variants"]["imagenet-r"] == 65.12 and len(json.dumps(short)) < 1000
    assert in_short({**first_format, "variants": {}}, ["imagenet"])["top1"] is None


def test_the_result_line_is_of_the_sets_of_this_run(made_up: list[dict]) -> None:
    assert in_short(made_up[1], ["imagenet-r"])["top1"] == 65.12
    assert in_short(made_up[1], ["wds/other"])["top1"] is None
