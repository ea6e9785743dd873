"""Which leads are more than chance."""

import math
import random

import pytest

from dad.report.columns import SEVEN, Column
from dad.report.differences import Estimate, average_of, clear_bests, estimate_of, leader

TOP1 = Column("imagenet", "ImageNet", "top1")


def test_a_lead_inside_its_interval_is_none() -> None:
    one, other = Estimate(80.0, 0.3, 0.3), Estimate(79.5, 0.4, 0.4)
    assert one.margin(other) == pytest.approx(0.5)
    assert Estimate(80.01, 0.3, 0.3).leads(other) and not one.leads(other) and not other.leads(one)


def test_without_an_interval_nothing_leads() -> None:
    assert not Estimate(90.0).leads(Estimate(10.0, 0.1, 0.1)) and not Estimate(90.0, 0.1, 0.1).leads(Estimate(10.0))


def test_the_leader_leads_all_others() -> None:
    sure, near, far = Estimate(50.0, 1.0, 1.0), Estimate(49.5, 1.0, 1.0), Estimate(20.0, 1.0, 1.0)
    assert leader([far, None, sure]) == 2
    assert leader([far, near, sure]) is None and leader([sure, None]) is None and leader([]) is None


def test_chance_alone_makes_a_clear_lead_in_few_of_many_draws() -> None:
    """Two models that are right on 60 % of other images each: the lead of one is called clear in 5 % of the draws."""
    draw = random.Random(0)
    clear = 0
    for _ in range(400):
        shares = [sum(draw.random() < 0.6 for _ in range(500)) / 5 for _ in range(2)]
        half = 1.96 * math.sqrt(60 * 40 / 500)
        one, other = sorted((Estimate(share, half, half) for share in shares), key=lambda estimate: -estimate.value)
        clear += one.leads(other)
    assert 0.02 < clear / 400 < 0.09


def test_an_average_is_surer_than_its_sets(made_up: list[dict]) -> None:
    average = average_of(SEVEN, made_up[1])
    assert average is not None and average.value == pytest.approx(51.7, abs=0.05)
    one = estimate_of(TOP1, made_up[1])
    assert one is not None and 0 < average.below < 0.36 and one.below == pytest.approx(79.62 - 79.2646)


def test_the_versions_of_an_image_count_once(made_up: list[dict]) -> None:
    one = estimate_of(Column("imagenet-c", "C", "mce"), made_up[1])
    assert one is not None and one.value == pytest.approx(100 - 53.24)
    of_all = (60.3165 - 60.2175) / 2
    assert one.below == pytest.approx(of_all * math.sqrt(75) * 53.24 / (100 - 60.267))


def test_students_alone_are_compared(made_up: list[dict]) -> None:
    best = clear_bests(made_up)
    assert (best["imagenet-c"], best["imagenet-r"]) == (53.24, 65.12)
    assert "imagenet" not in best and "imagenet-3dcc" not in best  # 79.9 to 79.6; only one model has all of it
    made_up[0]["weights"] = "teacher"
    assert clear_bests(made_up) == {}


def test_a_set_may_be_called_like_an_average(made_up: list[dict]) -> None:
    before = clear_bests(made_up)["average natural"]
    for number, result in enumerate(made_up):
        result["variants"]["Natural"] = {"top1": 97.0 + number, "top1_interval": [96.9 + number, 97.1 + number]}
    best = clear_bests(made_up)
    assert (best["average natural"], best["Natural"]) == (before, 98.0)
