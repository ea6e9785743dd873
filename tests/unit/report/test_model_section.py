"""The card's section on one model: its worst classes and its mistakes."""

import re
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from dad.report.model_section import model_section


def test_worst_classes_are_named_and_counted(made_up: list[dict], text_of: Callable[[str], str]) -> None:
    made_up[0]["variants"]["imagenet"]["per_class"] = {"n01440764": [7, 50], "n01443537": [0, 0], "n9": [3, 50]}
    assert "Worst classes, images right n9 3 of 50 tench 7 of 50" in text_of(model_section(made_up[0], {}))


def test_mistakes_show_the_picture_or_its_name(
    made_up: list[dict], tmp_path: Path, text_of: Callable[[str], str]
) -> None:
    Image.new("RGB", (300, 200)).save(tmp_path / "there.png")
    mistakes = [{"file": str(tmp_path / name), "label": "n01440764", "prediction": "n01443537", "probability": 0.93}
                for name in ("there.png", "gone.png")]  # fmt: skip
    made_up[0]["variants"] = {"imagenet": {"top1": 50.0, "mistakes": mistakes}}
    page = model_section(made_up[0], {})
    assert page.count("data:image/jpeg") == 1 and 'alt="tench, taken for goldfish"' in page
    assert "gone.png tench goldfish 93%" in text_of(page) and "there.png tench" not in text_of(page)


def test_only_the_papers_sets_are_unfolded_and_others_are_named_by_their_titles(made_up: list[dict]) -> None:
    scores = {"top1": 50.0, "title": "Mine", "per_class": {"a": [1, 2]}}
    made_up[0]["variants"] = {"imagenet": scores, "mine": scores}
    first, second, _ = re.findall(r"<details.*?</details>", model_section(made_up[0], {}))
    assert "<b>ImageNet</b>" in first and 'open="open"' in first
    assert "<b>Mine</b>" in second and 'open="open"' not in second


def test_a_set_without_classes_and_mistakes_has_no_details(made_up: list[dict]) -> None:
    made_up[0]["variants"] = {"imagenet": {"top1": 50.0}}
    assert "<details" not in model_section(made_up[0], {})


def test_weights_and_the_checkpoint_are_told(made_up: list[dict], text_of: Callable[[str], str]) -> None:
    made_up[0].update(weights="ema", variants={})
    page = text_of(model_section(made_up[0], {}))
    assert page.startswith("vitb_ce vit_base_patch16_224 · 86.6 M parameters · averaged weights (EMA) · output/vitb_ce")


def test_charts_of_parts_speak_in_their_sets_words(made_up: list[dict], text_of: Callable[[str], str]) -> None:
    known = {"l1": {"top1": 2.0, "severities": [2.0] * 27}}
    made_up[0]["variants"] = {"imagenet-es": {"mean_top1": 2.0, "corruptions": known, "complete": False}}
    page = text_of(model_section(made_up[0], {}))
    assert "ES by light Top-1 accuracy by setting." in page and "corruption" not in page
