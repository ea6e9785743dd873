"""Other package versions go on with a set only if they make the same images."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from batches import SOURCES, make_generated

from dad.errors import SettingsError
from dad.generation.generator import Generated
from dad.generation.recheck import require_same_images
from dad.generation.recorder import ShardRecorder
from dad.shards import DadWriter


class Reader:
    """Serves the sources without reading them."""

    def batches(self, lists: Any) -> Any:
        return (SimpleNamespace(sources=[SOURCES[index] for index in indices]) for indices in lists)


@pytest.fixture
def reopen(tmp_path: Path) -> Callable[..., DadWriter]:
    """Begin a set with one version, commit its first shard, and open it again with another version."""

    def begin(version: str = "2.0", committed: bool = True) -> DadWriter:
        place = tmp_path / "dad", {"class_list": "abc"}, SOURCES, 4
        writer = DadWriter(*place, {"torch": "1.0"})
        if committed:
            with ShardRecorder(writer, True, "png", 95) as recorder:
                recorder.add(SOURCES[:4], make_generated())
                recorder.commit(0)
        return DadWriter(*place, {"torch": version})

    return begin


def check(writer: DadWriter, generated: Generated, is_primary: bool = True) -> int:
    """Check against `generated`; return how often images were made."""
    calls: list[Any] = []

    def generate(batch: Any) -> Generated:
        calls.append(batch)
        return generated

    require_same_images(writer, Reader(), generate, is_primary)  # type: ignore[arg-type]
    return len(calls)


def test_the_same_images_are_gone_on_with_and_the_versions_told(
    reopen: Callable[..., DadWriter], caplog: pytest.LogCaptureFixture
) -> None:
    assert check(reopen(), make_generated()) == 1
    assert "torch 1.0 -> 2.0" in caplog.text and "made 4 images again, 0 of 4 verdicts and 0.00% of" in caplog.text


@pytest.mark.parametrize(
    ("version", "committed", "is_primary"), [("1.0", False, True), ("2.0", False, True), ("2.0", True, False)]
)
def test_nothing_is_made_again_without_need(
    reopen: Callable[..., DadWriter], version: str, committed: bool, is_primary: bool
) -> None:
    assert check(reopen(version, committed), make_generated(), is_primary) == 0


def of_the_kept_one(**changes: Any) -> Generated:
    """What is generated of the one image that the set has kept."""
    parts = {name: value[2:3] for name, value in vars(make_generated()).items() if isinstance(value, torch.Tensor)}
    return replace(make_generated(), **{**parts, **changes})


@pytest.mark.parametrize("changes", [{"codes": torch.zeros(1, 2, 2)}, {"adversarial": torch.full((1, 3, 4, 4), 0.9)}])
def test_sources_that_have_changed_under_their_names_are_refused(
    reopen: Callable[..., DadWriter], changes: dict[str, Any]
) -> None:
    with pytest.raises(SettingsError, match="was made of other images than these: 1 of 1 that were made again"):
        check(reopen("1.0"), of_the_kept_one(**changes))


def test_a_damaged_picture_and_a_shard_that_is_made_again_are_not_compared(
    reopen: Callable[..., DadWriter], tmp_path: Path
) -> None:
    writer = reopen("1.0")
    (tar,) = (tmp_path / "dad" / "shards").glob("*.tar")
    tar.write_bytes(bytes(tar.stat().st_size))
    assert check(writer, of_the_kept_one()) == 1
    writer.make_again([0])
    assert check(writer, of_the_kept_one()) == 0


def test_what_a_card_adds_up_in_another_order_refuses_no_rerun(reopen: Callable[..., DadWriter]) -> None:
    assert check(reopen("1.0"), of_the_kept_one(adversarial=brighter(9)[2:3])) == 1
    assert check(reopen("1.0"), of_the_kept_one(keep=torch.tensor([False]))) == 1  # a verdict on the edge


def brighter(levels: int) -> torch.Tensor:
    return make_generated().adversarial + levels / 255


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"keep": torch.tensor([False, False, False, False])}, "1 of 4 verdicts"),
        ({"keep": torch.tensor([True, False, True, True])}, "2 of 4 verdicts"),
        ({"codes": torch.zeros(4, 2, 2)}, "100.00% of the codes"),
        ({"adversarial": brighter(5)}, "by up to 5.00 of 255"),
    ],
)
def test_other_images_are_refused(reopen: Callable[..., DadWriter], changes: dict[str, Any], found: str) -> None:
    with pytest.raises(SettingsError, match=rf"other versions \(torch 1.0 -> 2.0\) that make other images .*{found}"):
        check(reopen(), make_generated(**changes))


def test_what_jpeg_loses_is_no_other_image(reopen: Callable[..., DadWriter]) -> None:
    assert check(reopen(), make_generated(adversarial=brighter(3))) == 1
