"""The study's own test sets: what they show, and that a folder holds what is listed."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dad.errors import DataError
from emojinet.concepts import class_concepts
from emojinet.drawings import SIDE
from emojinet.render import render_class
from studies.emojinet import sets
from studies.emojinet.sets import MISTAKES, OUTLINE, digests, edges, inked, outline_scene, web_scene

CONCEPT = class_concepts()[2]
CHOSEN = {CONCEPT.folder: [3, 5]}


def square(colour: tuple[int, int, int]) -> Image.Image:
    """A square of one colour in the middle of nothing."""
    drawing = Image.new("RGBA", (SIDE, SIDE))
    drawing.paste((*colour, 255), (20, 20, 52, 52))
    return drawing


def test_edges_lie_where_the_drawing_ends_and_nowhere_else() -> None:
    found = edges(square((255, 255, 255)))
    assert found[20:52, 20].min() > 0.5 and found[36, 36] == 0 and found[5, 5] == 0


def test_an_inked_drawing_keeps_its_colours_within_black_lines() -> None:
    pixels = np.asarray(inked(square((200, 30, 60))))
    assert pixels[36, 36].tolist() == [200, 30, 60, 255] and pixels[5, 5, 3] == 0
    assert pixels[36, 20, :3].max() < 100


def test_an_outline_has_the_pose_of_its_validation_image() -> None:
    outline, photo = outline_scene(CONCEPT, 4), render_class("val", CONCEPT, 0)[4]
    dark = outline.min(axis=2) < 60
    there = np.abs(np.diff(photo.astype(int), axis=0)).max(axis=2) > 30  # strong edges of the validation image
    assert there[dark[1:]].mean() > 2 * there.mean()


def test_a_scene_is_the_same_every_time_and_no_other() -> None:
    assert np.array_equal(web_scene(CONCEPT, 3), web_scene(CONCEPT, 3))
    assert not np.array_equal(web_scene(CONCEPT, 3), web_scene(CONCEPT, 5))


def test_a_folder_has_to_hold_what_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets, "class_concepts", lambda: [CONCEPT])
    sets.render_sets(tmp_path, CHOSEN)
    wanted = {name: digests(CHOSEN)[name] for name in (OUTLINE, MISTAKES)}
    sets.require_listings(tmp_path, tmp_path, wanted)
    assert len(list((tmp_path / MISTAKES).rglob("*.jpg"))) == 2
    shutil.move(tmp_path / MISTAKES / CONCEPT.folder, tmp_path / MISTAKES / "other")
    with pytest.raises(DataError, match="mistakes: holds other images"):
        sets.require_listings(tmp_path, tmp_path, wanted)
