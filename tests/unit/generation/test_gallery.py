"""The page that shows a few images before generation starts, with made-up verdicts."""

import base64
import io
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import torch
from inspections import NAMES, guess, make_inspection
from PIL import Image
from torch import Tensor

from dad.files import Settings
from dad.generation.gallery import write_gallery
from dad.generation.preview import Inspection
from dad.pixels import to_uint8


class Page(HTMLParser):
    """A parsed page: its elements, its words and whatever is not closed or not opened."""

    def __init__(self, path: Path):
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open and data.strip():
            self.words.append(" ".join(data.split()))

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def pictures(self) -> list[np.ndarray]:
        encoded = [str(image["src"]).removeprefix("data:image/png;base64,") for image in self.attributes("img")]
        return [np.asarray(Image.open(io.BytesIO(base64.b64decode(image)))) for image in encoded]


def pick(inspection: Inspection, rows: list[int]) -> Inspection:
    """The images of these rows, each as often as it is named."""
    tensors = {name: value[rows] for name, value in vars(inspection).items() if isinstance(value, Tensor)}
    return replace(inspection, **tensors, keys=[inspection.keys[row] for row in rows])


def show(
    folder: Path,
    inspection: Inspection,
    names: Sequence[str] = NAMES,
    settings: Settings = MappingProxyType({}),
) -> Page:
    write_gallery(folder / "gallery.html", inspection, names, settings)
    return Page(folder / "gallery.html")


def test_the_summary_counts_what_the_inspection_holds(tmp_path: Path) -> None:
    words = show(tmp_path, make_inspection()).words
    summary = words[words.index("kept") : words.index("kept") + 10]
    assert dict(zip(summary[::2], summary[1::2], strict=True)) == {
        "kept": "2 of 4",
        "teacher on source x": "4 of 4 right",
        "teacher on Q(x)": "3 of 4 right",
        "teacher on Q(x')": "2 of 4 right",
        "codes changed, on average": "25.0%",
    }


def test_the_summary_judges_the_attack_against_a_second_pass_of_q_alone(tmp_path: Path) -> None:
    shown = make_inspection(logits_again=guess([0, 1, 2, 4]), codes_again=torch.full((4,), 0.2))
    words = show(tmp_path, shown).words
    assert words[words.index("probability of the label on Q(Q(x)), without attack") + 1] == "0.458"
    assert words[words.index("codes changed without attack") + 1] == "20.0%"
    assert words[words.index("Attack:") + 1].startswith("Q loses too much: ")
    assert "codes changed without attack" not in show(tmp_path, make_inspection()).words


def test_a_card_tells_label_fate_and_the_teachers_top_three(tmp_path: Path) -> None:
    words = show(tmp_path, make_inspection()).words
    card = words[words.index("pets/2") : words.index("pets/3")]
    assert card[:5] == ["pets/2", "label:", "cat", "✗ rejected", "codes changed: 30.0%"]
    right = ["teacher:", "✓ right", "✓ cat", "60.0%", "dog", "20.0%", "eel", "10.0%"]
    wrong = ["teacher:", "✗ wrong", "✗ bee", "60.0%", "✓ cat", "20.0%", "dog", "10.0%"]
    assert card[5:] == [
        "source x", *right, "Q(x)", *right, "Q(x')", *wrong,
        "difference × 8", "|Q(x') − Q(x)|: mean 5.1, largest 5.1 of 255 levels",
    ]  # fmt: skip


def test_bars_and_colours_follow_the_verdict(tmp_path: Path) -> None:
    page = show(tmp_path, make_inspection())
    bars = [bar["style"] for bar in page.attributes("span") if bar.get("class") == "bar"]
    assert bars == ["--share:60.0%", "--share:20.0%", "--share:10.0%"] * 12
    kinds = [row["class"] for row in page.attributes("tr")]
    assert kinds[2 * 9 :][:9] == ["good", "", "", "good", "", "", "bad", "good", ""]


def test_images_hold_the_pixels_of_each_stage_and_the_amplified_difference(tmp_path: Path) -> None:
    shown = make_inspection()
    page = show(tmp_path, shown)
    stages = torch.stack([*(images for _, images, _ in shown.stages), (shown.adversarial - shown.discretized) * 8])
    wanted = to_uint8(stages.transpose(0, 1).flatten(0, 1)).permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(np.stack(page.pictures()), wanted)
    titles = ("source x", "Q(x)", "Q(x')", "difference × 8")
    assert [image["alt"] for image in page.attributes("img")] == [f"{t}: {key}" for key in shown.keys for t in titles]


def test_a_difference_is_a_distance_and_is_cut_off_at_white(tmp_path: Path) -> None:
    darker = make_inspection(discretized=torch.full((4, 3, 8, 8), 0.5), adversarial=torch.full((4, 3, 8, 8), 0.3))
    assert (show(tmp_path, darker).pictures()[3] == 255).all()


@pytest.mark.parametrize(("side", "width", "kind"), [(8, "256", "small"), (96, "192", "small"), (224, "224", None)])
def test_only_small_images_are_enlarged_and_by_a_whole_number(
    tmp_path: Path, side: int, width: str, kind: str | None
) -> None:
    image = show(tmp_path, make_inspection(side)).attributes("img")[0]
    assert (image["width"], image["height"], image.get("class")) == (width, width, kind)


@pytest.mark.parametrize(("right", "count", "warned"), [(0, 4, True), (1, 6, True), (7, 35, False), (4, 4, False)])
def test_a_teacher_that_is_wrong_on_the_sources_is_warned_of(
    tmp_path: Path, right: int, count: int, warned: bool
) -> None:
    shown = pick(make_inspection(), [0] * count)
    page = show(tmp_path, replace(shown, logits_source=guess([0] * right + [1] * (count - right))))
    assert [paragraph["role"] for paragraph in page.attributes("p") if "role" in paragraph] == ["alert"] * warned
    assert (f"⚠ The teacher is right on only {right} of {count} sources." in page.words) == warned


def test_names_keys_and_settings_are_shown_as_they_are(tmp_path: Path) -> None:
    odd = "<b>&amp;\"'</b>"
    shown = make_inspection(keys=[odd] * 4)
    page = show(tmp_path, shown, [odd] * 5, {odd: odd, "seed": 3, "amp": None, "keep": False})
    assert page.words.count(odd) >= 4 + 4 + 2 and page.attributes("img")[0]["alt"] == f"source x: {odd}"
    assert not page.attributes("b") and page.words[-8:] == [odd, odd, "seed", "3", "amp", "None", "keep", "False"]


def test_the_page_is_whole_and_asks_for_nothing_outside_itself(tmp_path: Path) -> None:
    page = show(tmp_path, make_inspection(), settings={"seed": 3})
    assert page.open == [] and page.source.startswith("<!DOCTYPE html>")
    linked = [attributes for _, attributes in page.elements if {"href", "srcset", "data", "action"} & set(attributes)]
    assert not linked and not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.elements}
    sources = [str(attributes["src"]) for _, attributes in page.elements if "src" in attributes]
    assert len(sources) == 16 and all(source.startswith("data:image/png;base64,") for source in sources)
    assert not [word for word in ("http", "url(", "@import") if word in page.source]


def test_q_without_codes_has_no_share_of_them(tmp_path: Path) -> None:
    words = show(tmp_path, make_inspection(codes_changed=torch.full((4,), float("nan")))).words
    assert "n/a (no codes)" in words and words.count("codes changed: n/a (no codes)") == 4
    assert not [word for word in words if "nan" in word]


def test_two_classes_have_a_top_two(tmp_path: Path) -> None:
    logits = guess([0, 1, 0, 1], classes=2)
    changes = {f"logits_{stage}": logits for stage in ("source", "discretized", "adversarial")}
    page = show(tmp_path, make_inspection(**changes, labels=torch.tensor([0, 1, 0, 1])), NAMES[:2])
    assert page.words.count("75.0%") == 12 and page.words.count("dog") == 0
    assert len(page.attributes("tr")) == 4 * 3 * 2
