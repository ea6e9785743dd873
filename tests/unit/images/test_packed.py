"""Texts in arrays: the same texts, found as fast."""

import pickle
import random

import pytest

from dad.images import packed
from dad.images.packed import PackedStrings

TEXTS = sorted(["", "a", "a/b", "b", "ü", "byte\udcff", "\U0001f600", "z" * 300, "n01/1", "n01/10", "n01/9"])


@pytest.fixture(autouse=True, params=[3, 1 << 14])
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "_CHUNK", request.param)


def test_texts_come_back() -> None:
    texts = PackedStrings.pack(TEXTS)
    assert texts == TEXTS and list(texts) == TEXTS and texts[-1] == TEXTS[-1] and texts[2:5] == TEXTS[2:5]
    assert pickle.loads(pickle.dumps(texts)) == TEXTS
    assert texts != TEXTS[1:] and PackedStrings.pack([]) == []


def test_a_text_is_found_in_its_place_and_others_are_not() -> None:
    texts = PackedStrings.pack(TEXTS)
    assert [texts.find(text) for text in TEXTS] == list(range(len(TEXTS)))
    assert [texts.find(text) for text in ("A", "a/", "zz", "n01/100")] == [None] * 4
    assert PackedStrings.pack([]).find("a") is None


@pytest.mark.parametrize("seed", range(5))
def test_many_are_found_at_once(seed: int) -> None:
    draw = random.Random(seed)
    names = [f"{draw.randrange(50)}/{draw.randrange(50)}" for _ in range(200)]
    here, wanted = sorted(set(names[:120])), sorted(set(names[80:]))
    expected = [here.index(name) if name in here else -1 for name in wanted]
    assert PackedStrings.pack(here).find_all(PackedStrings.pack(wanted)).tolist() == expected
    assert PackedStrings.pack([]).find_all(PackedStrings.pack(wanted)).tolist() == [-1] * len(wanted)
    assert not len(PackedStrings.pack(here).find_all(PackedStrings.pack([])))


@pytest.mark.parametrize(
    ("texts", "ascending"), [([], True), (["a"], True), (TEXTS, True), (["b", "a"], False), (["a", "a"], False)]
)
def test_order_is_known(texts: list[str], ascending: bool) -> None:
    assert PackedStrings.pack(texts).is_ascending() is ascending
