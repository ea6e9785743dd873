"""What a row says by default: nothing that a user's own set would not have."""

from dad.variants.variant import Variant


def test_a_set_of_which_nothing_is_told_is_a_users_own_photographs_scored_by_top1() -> None:
    own = Variant("mine", "Mine", (), "me", 0)
    assert (own.kind, own.layout, own.metric) == ("own", "folders", "top1")
    assert not (own.cropped or own.border or own.watermark or own.filtered or own.subset or own.corruptions)
