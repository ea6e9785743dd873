"""The world on disk: ImageNet's layout, made once, never mixed."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dad.errors import DataError, SettingsError
from emojinet import render
from emojinet.concepts import ALL_FILE, class_concepts
from emojinet.worlds import LARGE, SMALL, World


def test_rendering_again_changes_nothing_and_another_seed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, "class_concepts", lambda file=None: class_concepts()[:2])
    monkeypatch.setattr(render, "render_hard", lambda seed: [[], []])
    monkeypatch.setattr(render, "CORRUPTIONS", ("fog",))
    count = render.render(tmp_path / "world", seed=0)
    assert count == len(list((tmp_path / "world").rglob("*.jpg"))) == render.render(tmp_path / "world", seed=0)
    with pytest.raises(SettingsError, match="seed"):
        render.render(tmp_path / "world", seed=1)
    with pytest.raises(SettingsError, match=r"asked for .*'world': 'large'"):
        render.render(tmp_path / "world", seed=0, world=LARGE)


@pytest.fixture
def broken_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what a rendering that was broken off has left."""

    def stop(root: Path, seed: int, world: World) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(render, "_render_all", stop)
        render.render(tmp_path / "world", seed=0)
    monkeypatch.setattr(render, "_render_all", lambda root, seed, world: 7)
    return tmp_path / "world"


def test_what_was_broken_off_is_made_anew_as_it_was_meant_alone(broken_off: Path) -> None:
    for other in ({"seed": 1}, {"seed": 0, "world": LARGE}):
        with pytest.raises(SettingsError, match="asked for"):
            render.render(broken_off, **other)
    assert render.render(broken_off, seed=0) == 7
    assert {path.name for path in broken_off.iterdir()} == {render.MARKER, ".render.lock"}


def test_a_kill_before_anything_is_written_leaves_no_other_files(tmp_path: Path, broken_off: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / ".render.lock").touch()
    assert render.render(tmp_path / "new", seed=0) == 7


def test_two_never_render_into_one_folder(broken_off: Path) -> None:
    command = "import sys; from pathlib import Path; from dad.locks import hold; held = hold(Path(sys.argv[1]), '')"
    words = [sys.executable, "-c", f"{command}; print(flush=True); sys.stdin.read()", str(broken_off / ".render.lock")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline()
        with pytest.raises(DataError, match=r"another process is rendering into .*world now; wait for it"):
            render.render(broken_off, seed=0)
        process.communicate(b"")
    assert render.render(broken_off, seed=0) == 7


def test_a_folder_of_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(DataError, match="has other files in it; choose an empty folder"):
        render.render(tmp_path, seed=0)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_v2_folders_are_numbers_and_others_names(tmp_path: Path) -> None:
    render._write_class(tmp_path, 5, seed=0)
    name = class_concepts()[5].folder
    assert [path.name for path in (tmp_path / "imagenetv2-matched-frequency-format-val").iterdir()] == ["5"]
    assert len(list((tmp_path / "imagenet-c").glob(f"*/*/{name}"))) == 75
    with Image.open(tmp_path / "train" / name / f"{name}_000.jpg") as image:
        assert image.size == (64, 64) and image.mode == "RGB"


def test_the_large_world_has_larger_pictures_of_more_classes_and_neither_a_nor_c(tmp_path: Path) -> None:
    count = render._write_class(tmp_path, 700, seed=0, world=LARGE)
    name = class_concepts(ALL_FILE)[700].folder
    assert count == len(list(tmp_path.rglob("*.jpg"))) == 20 + 5 * 5
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(one.folder for one in LARGE.sets.values())
    assert [path.name for path in (tmp_path / "imagenetv2-matched-frequency-format-val").iterdir()] == ["700"]
    with Image.open(tmp_path / "imagenet-r" / name / f"{name}_000.jpg") as image:
        assert image.size == (128, 128)


def test_a_larger_scene_is_the_same_scene() -> None:
    concept = class_concepts()[0]
    small, large = (render.render_class("val", concept, 0, world)[0].astype(float) for world in (SMALL, LARGE))
    halved = large.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    assert np.abs(halved - small).mean() < 4


@pytest.mark.parametrize("name", ["train", "v2"])
def test_a_part_of_a_set_is_its_first_images(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "class_concepts", lambda file=None: class_concepts()[:2])
    for label in range(2):
        render._write_class(tmp_path / "whole", label, seed=0)
    render.render_part(tmp_path / "part", name, 3, seed=0)
    written = {path.relative_to(tmp_path / "part"): path.read_bytes() for path in (tmp_path / "part").rglob("*.jpg")}
    assert len(written) == 6
    assert all((tmp_path / "whole" / path).read_bytes() == content for path, content in written.items())


def test_a_set_has_images_of_its_own() -> None:
    concept = class_concepts()[0]
    rendered = {name: render.render_class(name, concept, seed=0) for name in render.SETS}
    assert [len(images) for images in rendered.values()] == [50, 10, 10, 10, 10, 10]
    firsts = [images[0].tobytes() for images in rendered.values()]
    assert len(set(firsts)) == len(firsts)


def test_hard_images_are_those_that_the_reference_gets_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "class_concepts", lambda file=None: class_concepts()[:2])
    monkeypatch.setattr("emojinet.reference.predict", lambda model, images: np.zeros(len(images), dtype=np.int64))
    right, wrong = render.render_hard(seed=0)
    assert right == [] and len(wrong) == 8
