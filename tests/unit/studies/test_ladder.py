"""The ladder of epsilon: what stands on it, what each rung adds, what is said of its DAD set."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from dad.errors import DataError
from studies.emojinet.ladder import NO_DAD_SETS, NO_LADDER, format_ladder, gain, rungs_of
from studies.emojinet.records import Record, Records
from studies.emojinet.study import DadSetFacts, Study

MakeRecord = Callable[..., Record]
LEVELS = {
    "ce": [1.0, 2.0, 3.0], "dad_steps5": [14.0, 16.0, 18.0], "dad_eps3": [9.0, 9.0, 9.0], "dad": [12.0, 13.0, 14.5],
    "dad_eps0.1": [11.0, 12.0, 13.0], "dad_plain": [5.0, 5.0, 5.0], "dad_second_pass": [10.0, 11.0, 12.0],
    "dad_samples": [10.0, 10.0, 10.0],
}  # fmt: skip
SETS = {
    "of dad": DadSetFacts(0.3, 1, 0.72, 0.583), "of dad_steps5": DadSetFacts(0.3, 5, 0.5, 0.6),
    "of dad_second_pass": DadSetFacts(0.0, 1, 0.86, 0.57), "of dad_samples": DadSetFacts(None, None, 0.9, None),
}  # fmt: skip


@pytest.fixture
def records(make_record: MakeRecord) -> Records:
    return Records(
        replace(make_record(method, seed, level), dad_set=f"of {method}")
        for method, levels in LEVELS.items()
        for seed, level in enumerate(levels)
    )


def test_rungs_go_from_q_alone_by_epsilon_to_several_steps(records: Records) -> None:
    names = [rung.name for rung in rungs_of(Study(records))]
    assert names == ["Q(x)", "0", "0.1", "0.3", "3", "5 steps"]


def test_a_rung_adds_its_paired_difference_to_the_second_pass(records: Records) -> None:
    rungs = {rung.method: rung for rung in rungs_of(Study(records))}
    more = gain(records, "vit", rungs["dad_steps5"], "imagenet-r")
    assert more is not None and (more.mean, more.count) == (5.0, 3)
    less_error = gain(records, "vit", rungs["dad_steps5"], "imagenet-c")
    assert less_error is not None and less_error.mean == 5.0  # better on every set is above 0 on every set
    assert gain(records, "vit", rungs["dad_second_pass"], "imagenet-r") is None


def rows(text: str) -> dict[str, list[str]]:
    """The cells of a table by their first."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return {first: rest for first, *rest in lines}


def test_the_table_shows_sets_levels_and_gains(records: Records) -> None:
    table = rows(format_ladder(Study(records, dad_sets=SETS)))
    assert table["dad"][:6] == ["0.3", "1", "72.0", "58.3", "13.2 ± 3.1", "+2.2 ± 0.7*"]
    assert table["dad_samples"][:4] == ["–", "0", "90.0", "–"]
    assert table["dad_eps3"][2:4] == ["–", "–"]  # a set of which nothing is known
    assert "dad_plain" not in table and "ce" not in table


def test_without_measurements_of_the_sets_one_line_says_so(records: Records) -> None:
    text = format_ladder(Study(records))
    assert text.count(NO_DAD_SETS) == 1 and rows(text)["dad"][2:4] == ["–", "–"]


def test_without_a_second_pass_there_is_no_ladder(make_record: MakeRecord) -> None:
    assert format_ladder(Study(Records([make_record("dad", 0, 10.0)]))) == NO_LADDER


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (DadSetFacts(0.1, 1, 0.7, 0.6), "of dad was made with epsilon 0.1, but dad stands for 0.3"),
        (DadSetFacts(0.3, 5, 0.7, 0.6), "of dad was made with steps 5, but dad stands for 1"),
    ],
)
def test_a_set_that_is_not_what_its_method_is_named_for_is_refused(
    records: Records, facts: DadSetFacts, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        rungs_of(Study(records, dad_sets={"of dad": facts}))
