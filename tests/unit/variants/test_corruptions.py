"""The constants of published corruptions."""

import numpy as np
import pytest

from dad.variants.corruptions import ALEXNET_ERRORS, C_BAR_SEVERITIES, EXTRA_CORRUPTIONS


def test_the_constants_of_mce_add_up_to_hendrycks_and_dietterichs() -> None:
    assert len(ALEXNET_ERRORS) == 15
    assert np.mean(list(ALEXNET_ERRORS.values())) == pytest.approx(0.7889931, abs=1e-7)


def test_the_corruptions_that_do_not_count_are_none_of_those_that_do() -> None:
    assert not set(EXTRA_CORRUPTIONS) & set(ALEXNET_ERRORS)


def test_folders_of_severities_are_told_from_weak_to_strong() -> None:
    for folders in C_BAR_SEVERITIES.values():
        assert sorted(folders, key=float) == list(folders) and len(folders) == 5
