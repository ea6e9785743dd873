"""The pictures that training steps are measured on, and batches of any size."""

import logging
from pathlib import Path

import pytest

from benchmarks import training_world
from benchmarks.generation_world import PRESETS
from dad.shards import DadSet


def test_two_batches_of_pictures_each_have_a_dad_image(tmp_path: Path) -> None:
    training_world.make_pictures(tmp_path, PRESETS["tiny"])
    pictures = list((tmp_path / "train").glob("*/*.jpg"))
    assert len(pictures) == 2 * training_world.LOOP_IMAGES  # of the tiny preset, whose batch is smaller
    assert DadSet.open(tmp_path / "dad").ledger.kept == len(pictures)


def test_our_log_is_silent_while_it_is_measured() -> None:
    logger = logging.getLogger("dad")
    before = logger.level
    with pytest.raises(KeyError), training_world.only_warnings():
        assert logger.level == logging.WARNING
        raise KeyError
    assert logger.level == before
