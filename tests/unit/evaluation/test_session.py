"""One model after another on the same images, into one file, and nothing twice."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from known_answers import CONFIG, CPU, SIX, GreyLevel, make_set
from torch import Tensor

from dad.decisions import DecisionsFile
from dad.evaluation.candidates import Candidate
from dad.evaluation.loop import Forward
from dad.evaluation.pool import ImageBatch, ImagePool, LoaderSettings
from dad.evaluation.results import ResultsFile
from dad.evaluation.session import Session, Task
from dad.evaluation.threats import Threat
from dad.variants import ImageSet
from dad.variants.contents import Contents

THREATS = (Threat("fgsm", "linf", 0.01, 0.01, 1), Threat("pgd", "linf", 0.01, 0.005, 2))
IDENTITY = {"name": "grey", "model": "grey", "checkpoint": "", "checkpoint_hash": "", "weights": "", "settings": {}}


class Counting(GreyLevel):
    """Counts the images that it sees."""

    seen = 0

    def forward(self, images: Tensor) -> Tensor:
        self.seen += len(images)
        return super().forward(images)


def candidate(name: str = "grey", **config: Any) -> Candidate:
    return Candidate(Counting().eval(), {**CONFIG, **config}, {**IDENTITY, "name": name})


def run(session: Session, one: Candidate) -> int:
    """Score a model; return how many images it saw."""
    session.score(one, Forward(one.model, CPU), session.results.entry(one.identity, {}))
    return one.model.seen


@pytest.fixture
def start(three_sets: list[ImageSet], tmp_path: Path) -> Callable[..., Session]:
    """Begin a session, as a run of the script does."""

    def begin(sets: list[ImageSet] = three_sets, threats: tuple[Threat, ...] = (), **changes: Any) -> Session:
        task = Task(sets, sets[:1] if threats else [], threats, SIX.folders, seed=0)
        task = replace(task, **changes)
        return Session(task, LoaderSettings(4, 0), ResultsFile(tmp_path / "results.json", CPU), CPU)

    return begin


def written(tmp_path: Path) -> Any:
    return json.loads((tmp_path / "results.json").read_bytes())


def test_every_set_and_attack_is_in_the_file(start: Callable[..., Session], tmp_path: Path) -> None:
    run(start(threats=THREATS), candidate())
    entry = written(tmp_path)
    counts = {name: (scores["correct"], scores["count"]) for name, scores in entry["variants"].items()}
    assert counts == {"imagenet": (9, 13), "imagenet-sketch": (4, 6), "imagenet-r": (2, 3)}
    assert [(row["attack"], row["count"]) for row in entry["attacks"]] == [("fgsm", 13), ("pgd", 13)]


def test_a_budget_is_told_in_its_norms_own_unit(
    start: Callable[..., Session], capsys: pytest.CaptureFixture[str]
) -> None:
    budgets = {"linf": 4 / 255, "l2": 0.5, "l1": 12.0}
    threats = tuple(Threat("fgsm", norm, epsilon, epsilon, 1) for norm, epsilon in budgets.items())
    run(start(threats=threats), candidate())
    told = [line.split("; ")[1].split(",")[0] for line in capsys.readouterr().out.splitlines() if "clean" in line]
    assert told == ["linf 4/255", "l2 0.5", "l1 12"]


def test_a_second_run_scores_nothing_again(
    start: Callable[..., Session], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(start(threats=THREATS), candidate()) > 22
    before = written(tmp_path)
    capsys.readouterr()
    assert run(start(threats=THREATS), candidate()) == 0
    assert written(tmp_path) == before
    assert capsys.readouterr().out.count(f"is in {tmp_path / 'results.json'} already") == 5


def test_what_is_right_is_kept_for_each_set(
    start: Callable[..., Session], three_sets: list[ImageSet], tmp_path: Path
) -> None:
    run(start(), candidate())
    entry, file = written(tmp_path), DecisionsFile(tmp_path / "results.json")
    for image_set in three_sets:
        scores, found = entry["variants"][image_set.variant.name], file.read(entry, image_set.variant.name)
        assert (found.right.sum(), found.counted.sum(), len(found.right)) == (
            scores["correct"], scores["count"], len(image_set),
        )  # fmt: skip
        assert found.sources.tolist() == image_set.sources.tolist()
    assert file.read(entry, "imagenet").right.tolist() == [*map(bool, [1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 1, 0])]


def test_an_image_that_cannot_be_read_does_not_count(start: Callable[..., Session], mixed, tmp_path: Path) -> None:
    (tmp_path / "val" / "a" / "1.png").write_bytes(b"<html>")
    run(start([mixed]), candidate())
    counted = DecisionsFile(tmp_path / "results.json").read(written(tmp_path), "imagenet").counted
    assert counted.tolist() == [True, False, *[True] * 11]


def test_sets_are_scored_again_on_demand(start: Callable[..., Session], tmp_path: Path) -> None:
    assert [run(start(rescore=again), candidate()) for again in (False, False, True)] == [22, 0, 22]


def test_sets_are_attacked_again_on_demand(start: Callable[..., Session], tmp_path: Path) -> None:
    first, second, third = (
        run(start(threats=THREATS[:1], rescore=again), candidate()) for again in (False, False, True)
    )
    assert first == third > 22 and second == 0 and len(written(tmp_path)["attacks"]) == 1


def test_a_run_that_was_stopped_goes_on_after_its_last_set(start: Callable[..., Session], tmp_path: Path) -> None:
    class Stops(Counting):
        def forward(self, images: Tensor) -> Tensor:
            if self.seen >= 16:
                raise KeyboardInterrupt
            return super().forward(images)

    with pytest.raises(KeyboardInterrupt):
        run(start(), Candidate(Stops(), CONFIG, IDENTITY))
    assert set(written(tmp_path)["variants"]) == {"imagenet"}
    assert run(start(), candidate()) == 9 and set(written(tmp_path)["variants"]) > {"imagenet-r"}


def test_only_a_set_whose_images_changed_is_scored_again(
    start: Callable[..., Session], three_sets: list[ImageSet], tmp_path: Path
) -> None:
    run(start(), candidate())
    changed = replace(
        three_sets[1], paths=three_sets[1].paths[:4], labels=three_sets[1].labels[:4], contents=Contents(lambda: "new")
    )
    assert run(start([three_sets[0], changed, three_sets[2]]), candidate()) == 4
    assert written(tmp_path)["variants"]["imagenet-sketch"]["count"] == 4


def test_a_set_is_hashed_before_its_scores_and_if_it_is_known(
    start: Callable[..., Session], three_sets: list[ImageSet]
) -> None:
    def find() -> str:
        asked.append(seen)
        return "images"

    asked, seen = list[str](), "first"
    noted = [replace(three_sets[0], contents=Contents(find))]
    session = start(noted)
    batches = ImagePool.batches

    def batches_of(pool: ImagePool, wanted: Sequence[int]) -> Iterator[ImageBatch]:
        nonlocal seen
        for batch in batches(pool, wanted):
            seen = "after an image"
            yield batch

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImagePool, "batches", batches_of)
        assert run(session, candidate()) > 0 and asked == ["first"]
    assert run(start([replace(three_sets[0], contents=Contents(find))]), candidate()) == 0
    assert asked == ["first", "after an image"]


def test_images_that_can_be_read_again_are_scored_again(start: Callable[..., Session], tmp_path: Path) -> None:
    seen = {"a": "aa", "b": "b", "c": "c", "d": "d", "e": "e", "f": "f"}
    image_set = make_set(tmp_path / "mine" / "val", seen)
    broken = tmp_path / "mine" / "val" / "a" / "1.png"
    content = broken.read_bytes()
    broken.write_bytes(b"<html>")
    same = replace(image_set, contents=Contents(lambda: "same"))  # as of a read that failed for a moment
    assert run(start([same]), candidate()) == 7 and run(start([same]), candidate()) == 0
    assert written(tmp_path)["variants"]["imagenet"]["count"] == 6
    broken.write_bytes(content)
    assert run(start([same]), candidate()) == 7 and run(start([same]), candidate()) == 0
    assert written(tmp_path)["variants"]["imagenet"]["count"] == 7


def test_other_pixels_under_the_same_names_are_scored_anew(start: Callable[..., Session], tmp_path: Path) -> None:
    seen = dict.fromkeys("abcdef", "a")
    one, other = (make_set(tmp_path / place / "val", seen | more) for place, more in (("x", {}), ("y", {"b": "b"})))
    assert run(start([one]), candidate()) == 6 and run(start([other]), candidate()) == 6
    assert written(tmp_path)["variants"]["imagenet"]["correct"] == 2


def test_an_attack_on_images_that_have_changed_is_replaced(
    start: Callable[..., Session], three_sets: list[ImageSet], tmp_path: Path
) -> None:
    changed = replace(three_sets[0], contents=Contents(lambda: "new"))
    for attacked in (three_sets[0], changed):
        run(start(threats=THREATS, attacked=[attacked]), candidate())
    rows = written(tmp_path)["attacks"]
    assert [(row["attack"], row["images"]) for row in rows] == [("fgsm", "new"), ("pgd", "new")]


def test_another_average_over_classes_is_scored_anew(start: Callable[..., Session], tmp_path: Path) -> None:
    assert [run(start(average=kind), candidate()) for kind in (None, "micro", "macro", "macro", None)] == [22] * 3 + [
        0
    ] * 2
    scores = written(tmp_path)["variants"]["imagenet"]
    assert scores["average"] == "macro" and scores["recall"] != pytest.approx(scores["top1"])


def test_a_further_attack_is_added_to_the_others(start: Callable[..., Session], tmp_path: Path) -> None:
    run(start(threats=THREATS[:1]), candidate())
    run(start(threats=THREATS), candidate())
    run(start(threats=THREATS, seed=1), candidate())
    assert [(row["attack"], row["seed"]) for row in written(tmp_path)["attacks"]] == [
        ("fgsm", 0), ("pgd", 0), ("fgsm", 1), ("pgd", 1)
    ]  # fmt: skip


def test_other_images_may_be_attacked_than_are_scored(
    start: Callable[..., Session], three_sets, tmp_path: Path
) -> None:
    few = replace(
        three_sets[0], paths=three_sets[0].paths[:5], labels=three_sets[0].labels[:5], contents=Contents(lambda: "few")
    )
    run(start(threats=THREATS[:1], attacked=[few]), candidate())
    assert written(tmp_path)["attacks"][0]["count"] == 5 and written(tmp_path)["variants"]["imagenet"]["count"] == 13


def test_each_set_is_attacked_and_taken_up_by_itself(
    start: Callable[..., Session], three_sets, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(start(threats=THREATS[:1], attacked=three_sets[1:2]), candidate())
    capsys.readouterr()
    run(start(threats=THREATS, attacked=three_sets), candidate())
    rows = written(tmp_path)["attacks"]
    assert [(row["variant"], row["attack"], row["count"]) for row in rows] == [
        ("imagenet-sketch", "fgsm", 6), ("imagenet", "fgsm", 13), ("imagenet", "pgd", 13),
        ("imagenet-sketch", "pgd", 6), ("imagenet-r", "fgsm", 3), ("imagenet-r", "pgd", 3),
    ]  # fmt: skip
    printed = capsys.readouterr().out
    assert printed.count("fgsm imagenet-sketch  is in") == 1 and "pgd imagenet-r        Acc@1" in printed
    assert run(start(threats=THREATS, attacked=three_sets), candidate()) == 0


def test_models_that_want_the_same_images_share_their_workers(start: Callable[..., Session], tmp_path: Path) -> None:
    session, pools = start(), []
    for name, crop_pct in (("one", 1.0), ("two", 1.0), ("three", 0.5)):
        run(session, candidate(name, crop_pct=crop_pct))
        pools.append(session._pool[1])
    assert pools[0] is pools[1] and pools[2] is not pools[1]
    entries = written(tmp_path)
    assert [entry["variants"]["imagenet"]["transform"][:9] for entry in entries] == [
        "Resize 8,",
        "Resize 8,",
        "Resize 16",
    ]


def test_models_are_scored_by_their_own_weights(start: Callable[..., Session], tmp_path: Path) -> None:
    session, wrong = start(), candidate("wrong")
    torch.nn.Module.register_forward_hook(wrong.model, lambda _module, _input, logits: -logits)
    for one in (candidate("right"), wrong):
        run(session, one)
    tops = {entry["name"]: entry["variants"]["imagenet"]["correct"] for entry in written(tmp_path)}
    assert tops["right"] == 9 and tops["wrong"] < 3


def test_a_later_run_knows_the_temperature(start: Callable[..., Session], three_sets, tmp_path: Path) -> None:
    run(start(), candidate())
    together = written(tmp_path)["variants"]
    (tmp_path / "results.json").unlink()
    run(start(three_sets[:1]), candidate())
    run(start(three_sets[1:]), candidate())  # without the validation images
    apart = written(tmp_path)["variants"]
    assert {name: scores["calibration"] for name, scores in apart.items()} == {
        name: scores["calibration"] for name, scores in together.items()
    }
    assert all("temperature" in scores["calibration"]["scaled"] for scores in apart.values())
    run(start(three_sets[1:]), candidate("another"))  # of which no temperature is known
    assert "scaled" not in written(tmp_path)[1]["variants"]["imagenet-r"]["calibration"]
