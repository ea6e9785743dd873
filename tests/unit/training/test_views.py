"""Which views an objective may ask for, and what each of them shows."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dad.errors import DataError, UsageError
from dad.images.sources import SourceImage
from dad.shards import DadSet
from dad.training.batches import ImageLabel
from dad.training.views import CLEAN, DAD, VIEWS, DadImages, ViewDataset, resolve_views, view


@pytest.fixture
def sources(tmp_path: Path) -> list[SourceImage]:
    """Five pictures; that of source i is of the colour i."""
    for index in range(5):
        Image.new("RGB", (8, 8), (index,) * 3).save(tmp_path / f"{index}.png")
    return [SourceImage(f"a/{index}", tmp_path / f"{index}.png", index) for index in range(5)]


def dataset_of(
    sources: list[SourceImage],
    dad_set: DadSet | None,
    substitute: bool = False,
    views: tuple[str, ...] = (CLEAN, DAD),
    max_failed: int | None = 0,
) -> ViewDataset:
    """A dataset that shows an image as the value of its first pixel."""
    if dad_set is None:
        dataset = ViewDataset(sources, max_failed=max_failed)
    else:
        dataset = ViewDataset(sources, resolve_views("x", views), DadImages(dad_set, sources, substitute))
    dataset.transform = lambda image: image.getpixel((0, 0))[0]
    return dataset


def test_one_view_is_an_image_with_its_label_and_key(sources: list[SourceImage]) -> None:
    dataset = dataset_of(sources, None)
    assert [dataset[index] for index in range(5)] == [
        (index, ImageLabel(index, (True,), f"a/{index}")) for index in range(5)
    ]


def test_the_partner_is_the_dad_image_of_the_same_source(
    sources: list[SourceImage], make_dad_set: Callable[..., DadSet]
) -> None:
    dad_set = make_dad_set(sources, {0: 100, 2: 102, 4: 104})
    dataset = dataset_of(sources[::-1], dad_set)  # in another order than in the set
    for index, source in ((0, 4), (2, 2), (4, 0)):
        assert dataset[index] == ((source, 100 + source), ImageLabel(source, (True, True), f"a/{source}"))


def test_a_missing_partner_is_skipped_or_substituted(
    sources: list[SourceImage], make_dad_set: Callable[..., DadSet]
) -> None:
    dad_set = make_dad_set(sources, {0: 100, 4: 104})
    assert dataset_of(sources, dad_set)[1] == ((1, 1), ImageLabel(1, (True, False), "a/1"))
    drawn = [dataset_of(sources, dad_set, substitute=True)[1] for _ in range(40)]
    assert {images[0] for images, _ in drawn} == {1} and {images[1] for images, _ in drawn} == {100, 104}
    assert all(label == ImageLabel(1, (True, True), "a/1") for _, label in drawn)


@pytest.mark.parametrize("own, level", [(5, "INFO"), (3, "INFO"), (2, "WARNING"), (0, None)])
def test_how_many_images_have_a_partner_is_told_and_none_is_refused(
    own: int, level: str | None, sources: list[SourceImage], make_dad_set: Callable[..., DadSet],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level("INFO", "dad.training.views")
    others = [replace(source, key=f"b/{source.label}") for source in sources[own:]]
    dad_set = make_dad_set([*sources[:own], *others], dict.fromkeys(range(5), 100))
    if level is None:
        with pytest.raises(DataError, match=r"^0 of 5 training images have .*e\.g\. 'b/0': was it made of other files"):
            DadImages(dad_set, sources, substitute=False)
        return
    DadImages(dad_set, sources, substitute=False)
    [record] = caplog.records
    assert record.levelname == level and record.message.startswith(f"{own} of 5 training images have a DAD image")


def test_an_image_that_cannot_be_read_is_named_once_and_another_stands_in(
    sources: list[SourceImage], caplog: pytest.LogCaptureFixture
) -> None:
    sources[3].path.write_bytes(b"no image")
    dataset = dataset_of(sources, None, max_failed=1)
    assert {dataset[3][0] for _ in range(60)} == {0, 1, 2, 4}
    assert all(image == label.label and label.key == f"a/{image}" for image, label in (dataset[3] for _ in range(9)))
    assert caplog.text.count("3.png: cannot be read as an image") == 1


def test_a_strip_that_no_memory_would_hold_once_it_is_resized_counts_as_unreadable(
    sources: list[SourceImage],
) -> None:
    Image.new("RGB", (1, 3000)).save(sources[3].path)
    dataset = ViewDataset(sources, longest=100)
    dataset.transform = lambda image: image.size
    assert [dataset[index][1].label for index in range(5)] == [0, 1, 2, -1, 4]


def test_an_image_of_the_set_in_another_format_than_may_be_read_is_as_good_as_not_there(
    sources: list[SourceImage], make_dad_set: Callable[..., DadSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = dataset_of(sources, make_dad_set(sources, {0: 100, 1: 101}))
    monkeypatch.setattr(DadSet, "read", lambda *_: b"%!PS-Adobe-3.0 EPSF-3.0")
    assert dataset[0] == ((0, 0), ImageLabel(0, (True, False), "a/0"))


def test_too_many_that_cannot_be_read_stop_training(
    sources: list[SourceImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.randrange", lambda count: count - 1)
    for source in sources[:2]:
        source.path.write_bytes(b"no image")
    dataset = dataset_of(sources, None, max_failed=1)
    dataset[0]
    with pytest.raises(DataError, match=r"2 images cannot be read, e\.g\. .*1\.png .*--max-failed \(now 1\)"):
        dataset[1]


def test_in_evaluation_it_has_no_label_and_not_even_one_may_be_left(sources: list[SourceImage]) -> None:
    for source in sources[:4]:
        source.path.write_bytes(b"no image")
    dataset = dataset_of(sources, None, max_failed=None)
    assert [dataset[index][1].label for index in range(5)] == [-1, -1, -1, -1, 4]
    sources[4].path.write_bytes(b"no image")
    with pytest.raises(DataError, match="5 images cannot be read"):
        dataset[4]


@pytest.mark.parametrize(
    "names, message",
    [
        (
            (CLEAN, "blurred"),
            "--objective mine asks for the view 'blurred', which nothing serves; known are clean, dad",
        ),
        ((CLEAN, DAD, DAD), "--objective mine asks for the view 'dad' twice"),
        ((DAD, CLEAN), r"--objective mine has the views \('dad', 'clean'\); the first has to be 'clean'"),
        ((), "the first has to be 'clean'"),
    ],
)
def test_views_that_cannot_be_served_are_refused_by_name(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve_views("mine", names)


@pytest.fixture
def inverted(monkeypatch: pytest.MonkeyPatch) -> str:
    """A third view, added as CONTRIBUTING says: by one function."""
    monkeypatch.setattr("dad.training.views.VIEWS", registry := dict(VIEWS))

    @view("inverted")
    def serve_inverted(dataset: ViewDataset, index: int, clean: Image.Image) -> Image.Image | None:
        return clean.point(lambda value: 255 - value) if index != 4 else None

    assert set(registry) == {CLEAN, DAD, "inverted"}
    return "inverted"


def test_a_view_is_one_function(inverted: str, sources: list[SourceImage], make_dad_set: Callable[..., DadSet]) -> None:
    views: Any = (CLEAN, DAD, inverted)
    dataset = dataset_of(sources, make_dad_set(sources, {4: 104}), views=views)
    assert dataset[0] == ((0, 0, 255), ImageLabel(0, (True, False, True), "a/0"))
    assert dataset[4] == ((4, 104, 4), ImageLabel(4, (True, True, False), "a/4"))
