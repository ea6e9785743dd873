"""Which sources a shard holds, for sets of one segment and of several."""

import pytest

from dad.files import settings_fingerprint
from dad.shards.layout import EXTENDED, FORMAT, Layout, is_extension, settings_of, states

BASE = {"epsilon": 0.1, "class_list": "abc"}
ONE, TWO, THREE = ([(10, "aa"), (5, "bb"), (4, "cc")][:count] for count in (1, 2, 3))


def test_a_set_of_one_segment_has_the_settings_of_sets_that_could_not_be_extended() -> None:
    settings = settings_of(BASE, 4, ONE)
    assert settings == {**BASE, "shard_size": 4, "sources": 10, "listing": "aa", "format_version": FORMAT}
    layout = Layout.of(settings)
    assert layout.fingerprints == [settings_fingerprint(settings)] * 3 and layout.sources == 10
    assert [layout.indices_of(shard) for shard in range(3)] == [range(4), range(4, 8), range(8, 10)]


def test_every_segment_begins_a_shard_of_its_own() -> None:
    layout = Layout.of(settings_of(BASE, 4, THREE))
    assert [len(layout.indices_of(shard)) for shard in range(layout.shard_count)] == [4, 4, 2, 4, 1, 4]
    assert [place for shard in range(layout.shard_count) for place in layout.indices_of(shard)] == list(range(19))
    with pytest.raises(IndexError):
        layout.indices_of(layout.shard_count)


def test_what_is_added_later_changes_nothing_of_earlier_shards() -> None:
    before, after = (Layout.of(settings_of(BASE, 4, pairs)) for pairs in (TWO, THREE))
    for shard in range(before.shard_count):
        assert before.indices_of(shard) == after.indices_of(shard)
        assert before.fingerprint_of(shard) == after.fingerprint_of(shard) == after.fingerprints[shard]
    assert len({segment.fingerprint for segment in after.segments}) == 3


def test_the_settings_of_today_tell_those_of_before() -> None:
    one, two, three = (settings_of(BASE, 4, pairs) for pairs in (ONE, TWO, THREE))
    assert list(states(three)) == [one, two, three] and three["format_version"] == EXTENDED
    assert is_extension(three, one) and is_extension(three, two) and is_extension(two, one)
    assert not is_extension(three, three) and not is_extension(one, two)


@pytest.mark.parametrize("change", [{"epsilon": 0.2}, {"shard_size": 5}, {"listing": "zz"}, {"sources": 9}])
def test_a_set_of_other_settings_is_not_extended(change: dict[str, object]) -> None:
    assert not is_extension(settings_of(BASE, 4, TWO), {**settings_of(BASE, 4, ONE), **change})


@pytest.mark.parametrize("segments", ["", "10", "10:aa 5", "ten:aa", "10:aa -5:bb"])
def test_segments_that_are_none_are_an_error(segments: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Layout.of({**settings_of(BASE, 4, TWO), "segments": segments})
