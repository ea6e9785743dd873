"""The tables of what is not in a set: one row an image, whatever its name holds."""

import pytest

from dad.shards.rejects import rejected_table, unreadable_table, without_names

SEEN = {"probability_before": 0.75, "probability_after": 0.125, "predicted": 1}


def test_a_rejected_image_has_what_the_teacher_saw_in_words_where_they_are_known() -> None:
    rows = [("b/2", SEEN), ("a/1", {"reason": "logits are no numbers"})]
    named = rejected_table(rows, ["ant", "bee"]).decode().splitlines()
    assert named[0] == "key\tteacher_saw\tprobability_before\tprobability_after"
    assert named[1:] == ["a/1\tlogits are no numbers\tnan\tnan", "b/2\tbee\t0.7500\t0.1250"]
    assert rejected_table(rows).decode().splitlines()[2].split("\t")[1] == "1"
    assert rejected_table(rows, ["ant"]).decode().splitlines()[2].split("\t")[1] == "1"  # no such class: its number


def test_tables_are_compared_without_the_words_of_a_class_list() -> None:
    rows = [("b/2", SEEN)]
    assert without_names(rejected_table(rows, ["ant", "bee"])) == without_names(rejected_table(rows))
    assert without_names(rejected_table(rows)) != without_names(rejected_table([("b/3", SEEN)]))


@pytest.mark.parametrize(
    ("name", "cell"), [("a\tb", r"a\tb"), ("new\nline", r"new\nline"), ("byte\udcff", r"byte\udcff"), ("ü", "ü")]
)
def test_odd_names_stay_in_their_cells(name: str, cell: str) -> None:
    rejected, unreadable = rejected_table([(name, SEEN)]), unreadable_table([(name, "cannot\nread")])
    assert rejected.decode().split("\n")[1:] == [f"{cell}\t1\t0.7500\t0.1250", ""]
    assert unreadable.decode().split("\n") == ["key\treason", f"{cell}\tcannot\\nread", ""]
