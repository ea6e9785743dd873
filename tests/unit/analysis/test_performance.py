"""Which number of a results file belongs to which distribution."""

from typing import Any

import pytest

from dad.analysis.performance import find_scoreboard
from dad.errors import UsageError


def row(name: str, top1: float, top1_r: float, mce: float, **more: Any) -> dict[str, Any]:
    variants = {"imagenet": {"top1": top1}, "imagenet-r": {"top1": top1_r}, "imagenet-c": {"mce": mce, "top1": 1.0}}
    return {"name": name, "model": "resnet50", "variants": {**variants, **more}}


PLAIN, DAD = row("plain", 80, 40, 70), row("dad", 82, 60, 60)


def test_a_folder_named_like_a_set_has_every_models_headline_number() -> None:
    performance = find_scoreboard([PLAIN, DAD], ["imagenet-r"]).performance(["imagenet-r", "imagenet-c", "other"])
    assert performance == {"plain": {"imagenet-r": 40, "imagenet-c": 30}, "dad": {"imagenet-r": 60, "imagenet-c": 40}}


def test_a_folder_named_like_a_model_has_that_models_mean_over_common_sets() -> None:
    wider = row("dad", 82, 60, 60, **{"imagenet-a": {"top1": 0.0}})
    scoreboard = find_scoreboard([PLAIN, wider], ["dad"])
    assert scoreboard.performance(["dad"]) == {"plain": {}, "dad": {"dad": pytest.approx((82 + 60 + 40) / 3)}}


def test_gains_are_against_the_baseline_on_the_same_sets() -> None:
    folders = ["imagenet-r", "dad"]
    gains = find_scoreboard([PLAIN, DAD], folders).relative_to("plain", folders)
    assert gains == {"plain": {"imagenet-r": 0}, "dad": {"imagenet-r": 20, "dad": pytest.approx(32 / 3)}}


def test_a_set_that_is_incomplete_or_has_no_number_is_left_out() -> None:
    partly = row("plain", 80, 40, 70, **{"imagenet-c": {"mce": None, "complete": False}})
    assert find_scoreboard([partly], ["imagenet"]).performance(["imagenet", "imagenet-c"]) == {
        "plain": {"imagenet": 80}
    }


def test_names_that_cannot_be_told_apart_or_found_are_refused() -> None:
    with pytest.raises(UsageError, match="two models are called plain"):
        find_scoreboard([PLAIN, PLAIN], ["imagenet"])
    with pytest.raises(UsageError, match=r"none is named like a test set or a model .*imagenet-c"):
        find_scoreboard([PLAIN], ["r"])
    with pytest.raises(UsageError, match="--baseline base: no such model; --scores has plain, dad"):
        find_scoreboard([PLAIN, DAD], ["imagenet"]).relative_to("base", ["imagenet"])


def test_a_shape_bias_is_no_performance() -> None:
    biased = row("plain", 80, 40, 70, **{"shape-bias": {"shape_bias": 99.0, "top1": 3.0}})
    scoreboard = find_scoreboard([biased], ["imagenet"])
    assert (
        scoreboard.means["plain"] == pytest.approx((80 + 40 + 30) / 3)
        and "shape-bias" not in scoreboard.scores["plain"]
    )
