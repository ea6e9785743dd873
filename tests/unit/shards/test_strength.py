"""Is the attack too weak? One line of advice, by what the attack adds to a second pass of Q."""

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_set import make_set

from dad.files import to_json
from dad.shards.stats import collect_stats, format_stats
from dad.shards.strength import FIRST_LOOK, Strength, judge, of_set, read_first_look

GOOD = Strength(
    images=16, kept=0.8, before=0.8, after=0.6, alone=0.75, codes=0.6, codes_alone=0.5, right=0.95, right_before=0.9,
    sure=0.4,
)  # fmt: skip

CASES = {
    "strong enough: the attack takes 0.150": {},
    "too weak: the attack takes 0.020 of the label's probability beyond a second pass of Q; raise": {"after": 0.73},
    "too weak: the attack takes 0.000": {"after": 0.9},  # it helped the teacher
    "too strong: only 20% are kept": {"kept": 0.2, "after": 0.3},
    "Q loses too much: the teacher is right on 95% of the sources and on 60% of Q(x)": {"right_before": 0.6},
    "the teacher is right on 40% of the sources alone": {"right": 0.4},
    "the teacher is too sure at T = 4: 97%": {"sure": 0.97},
    "no attack: these are samples of Q": {"attacked": False},
}


@pytest.mark.parametrize(("said", "changes"), CASES.items())
def test_advice_names_what_to_change_first(said: str, changes: dict[str, float]) -> None:
    assert judge(replace(GOOD, **changes)).startswith(said)  # type: ignore[arg-type]


def test_q_s_own_loss_is_not_taken_for_the_attack_s() -> None:
    lossy = replace(GOOD, after=0.6, alone=0.62)
    assert judge(lossy).startswith("too weak: the attack takes 0.020")
    assert judge(replace(lossy, alone=None)).startswith("strong enough: the attack takes 0.200")


def test_a_set_is_judged_by_all_its_images_and_by_what_was_looked_at_first() -> None:
    totals = {"keep_rate": 0.7, "kept": 70, "rejected": 30, "probability_before": 0.9, "probability_after": 0.7}
    strength = of_set({**totals, "codes_changed": 0.7}, True, GOOD)
    assert strength is not None and strength.images == 100 and strength.tried == 16
    assert strength.own == pytest.approx(GOOD.own)  # on the same images, however easy the others are
    assert (strength.before, strength.after, strength.codes_alone) == (0.9, 0.7, pytest.approx(0.6))
    assert any("(by 16 images)" in line for line in strength.lines())
    none_made = {**dict.fromkeys(totals), "codes_changed": None}
    assert of_set(none_made, True, GOOD) is None


def test_stats_say_what_was_measured_and_that_q_alone_was_not(tmp_path: Path) -> None:
    make_set(tmp_path)
    text = format_stats(collect_stats(tmp_path))
    assert "after a second pass of Q alone not measured" in text and "\nattack: " in text
    (tmp_path / FIRST_LOOK).write_bytes(to_json(GOOD.to_plain()))
    assert "after a second pass of Q alone 15.0%" in format_stats(collect_stats(tmp_path))


def test_what_was_looked_at_first_is_read_back_or_left_out(tmp_path: Path) -> None:
    assert read_first_look(tmp_path) is None
    (tmp_path / FIRST_LOOK).write_bytes(to_json(GOOD.to_plain()))
    assert read_first_look(tmp_path) == GOOD
    (tmp_path / FIRST_LOOK).write_text('{"images": 3, "of_another_version": 1}')
    assert read_first_look(tmp_path) is None


def test_of_sources_without_labels_it_is_not_said_that_the_teacher_is_right() -> None:
    said = judge(Strength(8, 0.5, 0.5, 0.4, right=1.0, right_before=0.25, own_labels=True))
    assert said.startswith("Q loses too much: the teacher says the same of 25% of Q(x) as of the source; take another")


def test_a_verdict_on_a_sample_is_compared_on_that_sample_and_says_how_large_it_is() -> None:
    totals = {"keep_rate": 0.7, "kept": 70, "rejected": 30, "codes_changed": 0.7, "probability_after": 0.7}
    seen = {"probability_before": 0.5, "seen_before": 21, "after_there": 0.3}  # harder images than the others
    strength = of_set({**totals, **seen}, True, None)
    assert strength is not None and strength.own == pytest.approx(0.2)
    assert "0.500 on Q(x) (by 21 images)" in strength.lines()[0] and judge(strength).startswith("strong enough")
    assert of_set({**totals, **seen}, True, GOOD).own == pytest.approx(GOOD.own)  # type: ignore[union-attr]


def test_without_any_verdict_on_q_of_x_the_first_look_tells_or_nobody_knows() -> None:
    totals = {"keep_rate": 0.7, "kept": 70, "rejected": 30, "codes_changed": 0.7, "probability_after": 0.7}
    none = {"probability_before": None, "seen_before": 0, "after_there": None}
    known, unknown = (of_set({**totals, **none}, True, first) for first in (GOOD, None))
    assert known is not None and judge(known).startswith("strong enough: the attack takes 0.150")
    assert unknown is not None and judge(unknown).startswith("nobody knows what the attack takes")
    assert "not asked for on Q(x)" in unknown.lines()[0]
