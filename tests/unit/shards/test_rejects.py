"""The tables of what is not in a set: one row an image, whatever its name holds."""

import os

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


def test_a_name_of_any_bytes_stays_in_its_cell() -> None:
    odd = os.fsdecode(b"a/tab\tline\nbyte\xe9")
    rows = unreadable_table([(odd, "truncated"), ("a/1", "empty")]).decode().splitlines()
    assert rows == ["key\treason", "a/1\tempty", "a/tab\\tline\\nbyte\\udce9\ttruncated"]
