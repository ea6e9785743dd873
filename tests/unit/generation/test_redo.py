"""Which committed shards are made again."""

from argparse import Namespace
from pathlib import Path

import pytest

from dad.errors import UsageError
from dad.generation.redo import resolve_redo
from dad.images.sources import SourceImage
from dad.shards import DadWriter


@pytest.fixture
def writer(tmp_path: Path) -> DadWriter:
    """Four shards of a source each, of which number 1 and 3 could not be read and number 0 is not made yet."""
    writer = DadWriter(tmp_path, {"class_list": "abc"}, [SourceImage(f"a/{n}", Path("x"), 0) for n in range(4)], 1)
    for index in (1, 2, 3):
        key = writer.sources_of(index)[0].key
        writer.commit(index, [], {key: {}} if index == 2 else {}, {key: "cut"} if index != 2 else {})
    return writer


@pytest.mark.parametrize(
    ("text", "retry", "expected"),
    [("", False, []), ("", True, [1, 3]), ("2", False, [2]), ("0,2", True, [0, 1, 2, 3]), ("3,", False, [3])],
)
def test_those_that_are_named_and_those_with_unreadable_images(
    writer: DadWriter, text: str, retry: bool, expected: list[int]
) -> None:
    args = Namespace(redo_shards=text, retry_unreadable=retry)
    assert resolve_redo(args, writer, range(4)) == expected
    assert resolve_redo(args, writer, range(1, 2)) == [index for index in expected if index == 1]


@pytest.mark.parametrize(("text", "message"), [("a", "expected numbers"), ("4", "the shards 0 to 3, and no 4")])
def test_others_are_refused(writer: DadWriter, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"--redo-shards {text}: .*{message}"):
        resolve_redo(Namespace(redo_shards=text, retry_unreadable=False), writer, range(4))
