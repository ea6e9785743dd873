"""How soft answers are and how often they are right, against a count by hand."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dad.asking.stats import Sample, format_stats, resolve_labels, sample_answers
from dad.images.classes import ClassList
from dad.images.source_list import SourceList
from dad.images.sources import list_sources
from dad.soft_targets.records import make_records
from dad.soft_targets.shards import Division
from dad.virtual_epochs import View

CLASSES = ("apple", "bear", "car", "dog", "eel", "fox")
LABELS = np.arange(11) % 3
OWN = np.ones(11, bool)


class Targets(SimpleNamespace):
    """Answers in two views about eleven images, in shards of four: logits of the image and the view. The DAD image of
    image 5 is not there."""

    def __init__(self, *whole: View, root: Path = Path("soft")):
        super().__init__(
            root=root, whole=set(whole), names=("clean", "dad"), division=Division(11, 4),
            settings={"teacher": "tiny", "payload": "fp32", "listing": "abc"}, teacher={"answers": "logit", "width": 3},
        )  # fmt: skip

    def records(self, number: int) -> NDArray[Any]:
        asks = self.division.view(number, 0).asks(11, np.array(self.division.rows(number, 0)))
        answers = np.array([[[view, ask.image, 5.0] for ask in asks] for view in range(2)], np.float32)
        present = np.array([[not view or ask.image != 5 for ask in asks] for view in range(2)])
        return make_records(answers, np.zeros(present.shape, np.int64), present)


def samples_of(
    targets: Any, labels: NDArray[np.int64] | None = LABELS, rows: int = 100, own: NDArray[np.bool_] | None = OWN
) -> list[Sample]:
    return list(sample_answers(targets, lambda answers: answers, labels, own, rows))


def test_each_view_has_its_answers_and_labels() -> None:
    clean, dad = samples_of(Targets(View(0, 1, False)))
    assert (clean.view, dad.view) == ("clean", "dad") and clean.labels is not None and dad.labels is not None
    assert clean.logits[:, 1].tolist() == list(range(11)) and clean.labels[:, 0].tolist() == LABELS.tolist()
    there = [image for image in range(11) if image != 5]
    assert dad.logits[:, 1].tolist() == there and dad.labels[:, 0].tolist() == LABELS[there].tolist()


def test_a_blended_image_has_both_labels() -> None:
    view = View(0, 0, True)
    (clean, _) = samples_of(Targets(view))
    asks = view.asks(11, np.arange(10))
    assert clean.mixed and clean.labels is not None and clean.labels.shape == (10, 2)
    for row, ask in enumerate(asks):
        assert clean.labels[row].tolist() == [LABELS[ask.image], LABELS[asks[row ^ 1].image]]


def test_blended_and_other_images_are_told_apart() -> None:
    blended = [View(0, 0, True), View(0, 1, True)]
    absent = sum(ask.image == 5 for view in blended for ask in view.asks(11, np.arange(10)))
    samples = samples_of(Targets(*blended, View(0, 0, False)))
    assert [(sample.view, sample.mixed, len(sample.logits)) for sample in samples] == [
        ("clean", True, 20), ("dad", True, 20 - absent), ("clean", False, 11), ("dad", False, 10)
    ]  # fmt: skip


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_so_many_answers_are_looked_at_of_all_virtual_epochs_together(rows: int) -> None:
    clean = samples_of(Targets(View(0, 0, True), View(0, 1, True)), rows=rows)[0]
    assert rows <= len(clean.logits) <= rows + 4


@pytest.mark.parametrize("mixed", [True, False])
def test_a_dad_image_that_stands_in_for_another_has_no_known_label(mixed: bool) -> None:
    own = np.arange(11) != 7
    clean, dad = samples_of(Targets(View(0, 0, mixed)), own=own)
    assert clean.labels is not None and dad.labels is not None and clean.labels.min() == 0
    known = [LABELS[image] if own[image] else -1 for image in dad.logits[:, 1].int().tolist()]
    assert dad.labels[:, 0].tolist() == known and -1 in known
    assert samples_of(Targets(View(0, 0, mixed)), own=None)[1].labels is None


def test_what_is_not_known_is_neither_right_nor_wrong(tmp_path: Path) -> None:
    for labels, right in (([[0], [-1], [2], [2]], "66.7"), ([[-1], [-1], [-1], [-1]], "-")):
        sample = Sample("dad", False, torch.eye(3)[[0, 1, 2, 1]], torch.tensor(labels))
        assert row_of(format_stats(Targets(root=tmp_path), [sample]), "dad", "4", "1")[-1] == right  # type: ignore[arg-type]


def test_without_labels_there_is_no_share_that_is_right() -> None:
    samples = samples_of(Targets(View(0, 0, False)), None)
    assert [sample.labels for sample in samples] == [None, None]


def row_of(text: str, *words: str) -> list[str]:
    """The cells of the row of a table that begins with these words."""
    (line,) = (line for line in text.splitlines() if line.replace("|", " ").split()[: len(words)] == list(words))
    return line.replace("|", " ").split()[len(words) :]


def test_the_mass_of_the_largest_is_that_of_a_count_by_hand(tmp_path: Path) -> None:
    logits = torch.randn(40, 12, generator=torch.Generator().manual_seed(0)) * 3
    text = format_stats(Targets(root=tmp_path), [Sample("clean", False, logits, None)])  # type: ignore[arg-type]
    for temperature in (1, 2, 4):
        masses = []
        for k in (1, 5, 10):
            total = 0.0
            for row in logits.double().tolist():
                weights = sorted((2.718281828459045 ** (value / temperature) for value in row), reverse=True)
                total += sum(weights[:k]) / sum(weights)
            masses.append(f"{100 * total / 40:.1f}")
        assert row_of(text, "clean", "40", str(temperature)) == [*masses, "-"]


@pytest.mark.parametrize("labels, right", [
    ([[0], [1], [2], [2]], "75.0"), ([[1], [0], [0], [2]], "0.0"), ([[1, 0], [2, 0], [2, 1], [0, 1]], "75.0"),
])  # fmt: skip
def test_a_first_choice_is_right_if_it_is_a_label(labels: list[list[int]], right: str, tmp_path: Path) -> None:
    logits = torch.eye(3)[[0, 1, 2, 1]]
    sample = Sample("dad", False, logits, torch.tensor(labels))
    assert row_of(format_stats(Targets(root=tmp_path), [sample]), "dad", "4", "1")[-1] == right  # type: ignore[arg-type]


def test_the_table_says_what_it_is_of(tmp_path: Path) -> None:
    targets: Any = Targets(View(0, 0, True), root=tmp_path)
    text = format_stats(targets, samples_of(targets))
    assert text.startswith(f"{tmp_path}: tiny, logits of 3 numbers as fp32; 1 virtual epochs of 11 images, 0.00 GB")
    assert "clean, blended" in text and "top 1 %" in text and "top 5 %" not in text


def test_labels_are_those_of_the_same_listing_alone(world: Path, flags: Callable[..., Namespace]) -> None:
    targets: Any = Targets()
    classes = ClassList(CLASSES, CLASSES)
    args = flags("--data-dir", world / "data")
    assert resolve_labels(args, targets, classes) == (None, None)
    targets.settings["listing"] = SourceList.pack(list_sources(world / "data" / "train", classes)).keys.digest()
    labels, own = resolve_labels(args, targets, classes)
    assert own is None and labels is not None and labels.tolist() == [label for label in range(6) for _ in range(6)]
    assert resolve_labels(flags("--data-dir", "/nowhere"), targets, classes) == (None, None)
    assert resolve_labels(flags(), targets, classes) == (None, None)
