"""The world is a pure function of its seed, and what is shipped is what its provenance says."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dad.checkpoints import file_digest
from dad.discretizers.vqgan import load_vqgan
from dad.errors import SettingsError
from emojinet import render
from emojinet.concepts import class_concepts, shared_concepts, templates
from emojinet.drawings import SIDE, STYLES, draw
from emojinet.measure import load_teacher
from emojinet.scenes import HARD, PHOTO, WEB, compose, scene_rng
from emojinet.train_clip import contrastive_loss
from emojinet.web import roughen

WEIGHTS = Path(__file__).parents[3] / "emojinet" / "weights"


def test_classes_are_concepts_that_all_artists_drew() -> None:
    folders = {concept.folder for concept in shared_concepts()}
    assert len(shared_concepts()) > 1000 and len(folders) == len(shared_concepts())
    assert len(class_concepts()) >= 60 and all("{}" in template for template in templates())


@pytest.mark.parametrize("style", STYLES)
def test_every_class_is_drawn_in_every_style(style: str) -> None:
    for concept in class_concepts():
        alpha = np.asarray(draw(concept, style))[..., 3]
        assert alpha.shape == (SIDE, SIDE) and 0.05 < (alpha > 127).mean() < 0.99, concept.name


@pytest.mark.parametrize("look", [PHOTO, HARD, WEB])
def test_a_scene_depends_on_its_key_alone(look: object) -> None:
    drawing = draw(class_concepts()[3], "openmoji")
    first, second, other = (compose(drawing, look, scene_rng("seed", key))[0] for key in (1, 1, 2))
    assert first.dtype == np.uint8 and (first == second).all() and (first != other).any()


def test_mask_covers_the_drawing() -> None:
    image, mask = compose(draw(class_concepts()[0], "twemoji"), PHOTO, scene_rng(0))
    assert image.shape == (64, 64, 3) and 0 <= mask.min() < 0.1 and 0.9 < mask.max() <= 1.001


def test_rendering_again_changes_nothing_and_another_seed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, "class_concepts", lambda: class_concepts()[:2])
    monkeypatch.setattr(render, "render_hard", lambda seed: [[], []])
    monkeypatch.setattr(render, "CORRUPTIONS", ("fog",))
    count = render.render(tmp_path / "world", seed=0)
    assert count == len(list((tmp_path / "world").rglob("*.jpg"))) == render.render(tmp_path / "world", seed=0)
    with pytest.raises(SettingsError, match="seed"):
        render.render(tmp_path / "world", seed=1)


def test_v2_folders_are_numbers_and_others_names(tmp_path: Path) -> None:
    render._write_class(tmp_path, 5, seed=0)
    name = class_concepts()[5].folder
    assert [path.name for path in (tmp_path / "imagenetv2-matched-frequency-format-val").iterdir()] == ["5"]
    assert len(list((tmp_path / "imagenet-c").glob(f"*/*/{name}"))) == 75
    with Image.open(tmp_path / "train" / name / f"{name}_000.jpg") as image:
        assert image.size == (64, 64) and image.mode == "RGB"


def test_rough_pictures_differ_and_stay_pictures() -> None:
    pixels = torch.rand(64, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    first, again = (roughen(pixels.clone(), torch.Generator().manual_seed(0)) for _ in range(2))
    changed = (first != pixels).flatten(1).any(1)
    assert torch.equal(first, again) and 0.3 < changed.float().mean() < 0.8  # 1 - 0.85^5 = 0.56
    assert first.min() >= 0 and first.max() <= 1 and first.isfinite().all()


def test_contrastive_loss_counts_all_pairs_of_a_concept() -> None:
    labels = torch.tensor([0, 0, 1])
    perfect = torch.tensor([[9.0, 9.0, -9.0], [9.0, 9.0, -9.0], [-9.0, -9.0, 9.0]])
    assert contrastive_loss(perfect, labels) < contrastive_loss(torch.diag(torch.full((3,), 9.0)), labels)


def test_shipped_weights_are_those_of_the_provenance() -> None:
    provenance = json.loads((WEIGHTS / "provenance.json").read_text())
    assert all(file_digest(WEIGHTS / name) == digest for name, digest in provenance["sha256"].items())
    assert sum((WEIGHTS / name).stat().st_size for name in provenance["sha256"]) < 16e6
    scores = provenance["measured"]["top1"]
    assert all(scores["teacher"][name] > scores["plain_student"][name] + 10 for name in ("r", "sketch", "style"))
    assert scores["teacher"]["c"] > scores["plain_student"]["c"] + 5


def test_shipped_teacher_and_q_recognise_a_photo() -> None:
    rendered = [render.render_class("val", concept, seed=7)[0] for concept in class_concepts()[:16]]
    pixels = torch.from_numpy(np.stack(rendered)).permute(0, 3, 1, 2).float() / 255
    teacher = load_teacher(WEIGHTS).on_pixels()
    vqgan = load_vqgan(str(WEIGHTS / "vqgan" / "config.json"), str(WEIGHTS / "vqgan" / "model.safetensors"))
    with torch.no_grad():
        assert (teacher(pixels).argmax(1) == torch.arange(16)).float().mean() > 0.6
        assert (vqgan(pixels) - pixels).abs().mean() < 0.08
