"""A teacher that was asked beforehand: where its head comes from, which other teacher is refused, and that it is not
here."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dad.errors import DataError, UsageError
from dad.files import to_json
from dad.images.classes import NO_CLASSES, ClassList
from dad.soft_targets.payload import EMBEDDING, LOGITS
from dad.teachers import Teacher, _recorded, create_teacher
from dad.teachers._recorded import create_recorded_teacher, load_recorded_teacher
from dad.teachers.clip import resolve_head_path

CLASSES = ClassList(tuple("abc"), ("ant", "red fox", "eel"))
CPU = torch.device("cpu")


@pytest.fixture
def args(world: Path, tmp_path: Path, flags: Callable[..., Namespace]) -> Namespace:
    words = ("--teacher", f"clip/local-dir:{world / 'clip'}", "--templates", world / "templates.txt")
    return flags(*words, "--teacher-cache", tmp_path / "heads", "--soft-targets", tmp_path / "soft", "--device", "cpu")


@pytest.fixture
def live(args: Namespace) -> Teacher:
    return create_teacher(args, CLASSES, CPU)


@pytest.fixture
def targets(live: Teacher, tmp_path: Path) -> Any:
    """What a build leaves of the teacher, but for the head."""
    about = {"answers": EMBEDDING, "width": 16, "scale": live.model.learned_scale, "bias": live.model.logit_bias}
    root = tmp_path / "soft"
    (root / "heads").mkdir(parents=True)
    (root / "classes.json").write_bytes(to_json({"folders": list(CLASSES.folders), "names": list(CLASSES.names)}))
    return SimpleNamespace(root=root, heads=root / "heads", settings=dict(live.settings), teacher=about)


def embeddings() -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(5, 16, generator=torch.Generator().manual_seed(0)), dim=1)


def refuse(*args: object, **options: object) -> Teacher:
    raise AssertionError("the network is built")


def keep_beside(args: Namespace, targets: Any) -> Path:
    """Move the head from the cache to where answers are."""
    cached = resolve_head_path(args, CLASSES, targets.settings)
    return cached.replace(targets.heads / cached.name)


@pytest.mark.parametrize("place", ["beside the answers", "cache"])
@pytest.mark.parametrize("named", [True, False])
def test_a_head_that_is_there_is_taken(
    args: Namespace, targets: Any, live: Teacher, place: str, named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place != "cache":
        keep_beside(args, targets)

    def create_for_no_classes(args: Namespace, classes: ClassList, device: torch.device) -> Teacher:
        assert named and classes == NO_CLASSES  # to compare its weights; no head is made
        return create_teacher(args, classes, device)

    monkeypatch.setattr(_recorded, "create_teacher", create_for_no_classes)
    args.teacher = args.teacher if named else None
    recorded = create_recorded_teacher(args, CLASSES, targets, CPU)
    assert torch.equal(recorded.logits_of(embeddings()), live.logits_of(embeddings()))
    assert (recorded.answers, recorded.answer_width) == (EMBEDDING, 16)


def test_where_no_words_are_given_those_of_the_answers_count_whatever_the_cache_has(
    args: Namespace, targets: Any, live: Teacher
) -> None:
    keep_beside(args, targets)
    args.templates = ""
    other = create_teacher(args, CLASSES, CPU)  # leaves a head of the usual templates in the cache
    assert resolve_head_path(args, CLASSES, targets.settings).is_file()
    assert not torch.equal(other.logits_of(embeddings()), live.logits_of(embeddings()))
    recorded = create_recorded_teacher(args, CLASSES, targets, CPU)
    assert torch.equal(recorded.logits_of(embeddings()), live.logits_of(embeddings()))


def test_a_head_that_is_nowhere_is_made_by_the_teacher(args: Namespace, targets: Any, live: Teacher) -> None:
    resolve_head_path(args, CLASSES, targets.settings).unlink()
    recorded = create_recorded_teacher(args, CLASSES, targets, CPU)
    assert torch.equal(recorded.logits_of(embeddings()), live.logits_of(embeddings()))


def test_a_damaged_head_is_not_taken(args: Namespace, targets: Any, live: Teacher) -> None:
    head = keep_beside(args, targets)
    content = bytearray(head.read_bytes())
    content[-3] ^= 16
    head.write_bytes(content)
    recorded = create_recorded_teacher(args, CLASSES, targets, CPU)
    assert torch.equal(recorded.logits_of(embeddings()), live.logits_of(embeddings()))


def test_without_a_head_and_a_teacher_the_way_out_is_told(args: Namespace, targets: Any) -> None:
    resolve_head_path(args, CLASSES, targets.settings).unlink()
    args.teacher = None
    with pytest.raises(DataError, match=r"no zero-shot head of these class names and templates.*give --teacher clip"):
        create_recorded_teacher(args, CLASSES, targets, CPU)


def test_other_names_and_templates_have_heads_of_their_own(args: Namespace, targets: Any, tmp_path: Path) -> None:
    other = ClassList(tuple("abcd"), ("car", "dog", "eel", "owl"))
    recorded = create_recorded_teacher(args, other, targets, CPU)
    live = create_teacher(args, other, CPU)
    assert torch.equal(recorded.logits_of(embeddings()), live.logits_of(embeddings()))
    assert recorded.logits_of(embeddings()).shape == (5, 4)


def test_a_scale_of_this_run_replaces_the_teachers(args: Namespace, targets: Any, live: Teacher) -> None:
    usual = create_recorded_teacher(args, CLASSES, targets, CPU).logits_of(embeddings())
    args.logit_scale = 2 * live.model.learned_scale
    doubled = create_recorded_teacher(args, CLASSES, targets, CPU).logits_of(embeddings())
    torch.testing.assert_close(doubled, 2 * usual)
    assert torch.equal(doubled, create_teacher(args, CLASSES, CPU).logits_of(embeddings()))


def test_another_teacher_is_refused(args: Namespace, targets: Any) -> None:
    args.teacher = "resnet18"
    with pytest.raises(UsageError, match=r"--teacher resnet18, but --soft-targets .* hold the answers of clip; leave"):
        create_recorded_teacher(args, CLASSES, targets, CPU)


def test_answers_to_images_of_another_size_are_refused(args: Namespace, targets: Any) -> None:
    args.teacher_img_size = 32  # those that it was asked with
    create_recorded_teacher(args, CLASSES, targets, CPU)
    args.teacher_img_size = 64
    with pytest.raises(
        UsageError, match=r"--teacher-img-size 64, but --soft-targets .* to images of 32 px; leave it out"
    ):
        create_recorded_teacher(args, CLASSES, targets, CPU)


def test_a_teacher_of_the_same_name_with_other_weights_is_refused(args: Namespace, targets: Any) -> None:
    keep_beside(args, targets)
    targets.settings["teacher_weights"] = "0" * 16
    with pytest.raises(UsageError, match="has other weights than the one that --soft-targets"):
        create_recorded_teacher(args, CLASSES, targets, CPU)


def test_one_process_compares_the_teacher_for_all(
    args: Namespace, targets: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_recorded, "create_teacher", refuse)
    monkeypatch.setenv("RANK", "1")
    create_recorded_teacher(args, CLASSES, targets, CPU)


def test_a_teacher_that_is_not_here_is_not_compared_and_that_is_told(
    args: Namespace, targets: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def gone(*_: object) -> Teacher:
        raise DataError("no such file")

    monkeypatch.setattr(_recorded, "create_teacher", gone)
    create_recorded_teacher(args, CLASSES, targets, CPU)
    assert "--teacher is not compared with the one that" in caplog.text and "no such file" in caplog.text


def test_it_tells_of_itself_as_the_teacher_does(args: Namespace, targets: Any, live: Teacher) -> None:
    recorded = create_recorded_teacher(args, CLASSES, targets, CPU)
    assert recorded.settings == live.settings
    assert all(recorded.data_config[name] == live.data_config[name] for name in ("input_size", "mean", "std"))
    assert not any(parameter.requires_grad for parameter in recorded.parameters()) and not recorded.training


def test_asking_it_live_is_refused_in_one_line(args: Namespace, targets: Any) -> None:
    as_logits(targets)
    teacher = create_recorded_teacher(args, CLASSES, targets, CPU)
    for ask in (teacher, teacher.answer, teacher.on_pixels()):
        with pytest.raises(DataError, match=r"^the teacher was asked beforehand and is not here; .*$") as raised:
            ask(torch.zeros(1, 3, 32, 32))
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("way", ["forward", "answer"])
def test_asking_a_head_live_is_refused_in_one_line(args: Namespace, targets: Any, way: str) -> None:
    teacher = create_recorded_teacher(args, CLASSES, targets, CPU)
    with pytest.raises(DataError, match=r"^the teacher was asked beforehand and is not here"):
        getattr(teacher, way)(torch.zeros(1, 3, 32, 32))


def as_logits(targets: Any) -> None:
    targets.teacher = {"answers": LOGITS, "width": 3}
    targets.settings["class_list"] = CLASSES.digest


def test_logits_are_handed_on_as_they_are(args: Namespace, targets: Any) -> None:
    as_logits(targets)
    for teacher in (create_recorded_teacher(args, CLASSES, targets, CPU), load_recorded_teacher(targets)[0]):
        assert (teacher.answers, teacher.answer_width) == (LOGITS, 3)
        assert torch.equal(teacher.logits_of(embeddings()[:, :3]), embeddings()[:, :3])


@pytest.mark.parametrize("other", [
    ClassList(tuple("abc"), ("ant", "fox", "eel")), ClassList(tuple("bac"), ("red fox", "ant", "eel"))
], ids=["names", "order"])  # fmt: skip
def test_logits_of_another_class_list_are_refused(args: Namespace, targets: Any, other: ClassList) -> None:
    as_logits(targets)
    with pytest.raises(UsageError, match=rf"hold logits of another class list \({CLASSES.digest}, here {other.digest}"):
        create_recorded_teacher(args, other, targets, CPU)


def test_it_is_loaded_with_the_classes_of_its_answers(args: Namespace, targets: Any, live: Teacher) -> None:
    with pytest.raises(DataError, match="no zero-shot head is there; rerun the build command"):
        load_recorded_teacher(targets)
    keep_beside(args, targets)
    teacher, classes = load_recorded_teacher(targets)
    assert classes == CLASSES and torch.equal(teacher.logits_of(embeddings()), live.logits_of(embeddings()))


def test_it_is_loaded_with_the_head_of_its_classes_where_there_are_others(
    args: Namespace, targets: Any, live: Teacher
) -> None:
    head = keep_beside(args, targets).name
    about = {"folders": list(CLASSES.folders), "names": list(CLASSES.names), "head": head}
    (targets.root / "classes.json").write_bytes(to_json(about))
    for names in (("car", "dog", "owl"), ("cat", "pig", "cow"), ("hen", "yak", "bee")):  # of later builds
        other = ClassList(CLASSES.folders, names)
        create_teacher(args, other, CPU)
        kept = resolve_head_path(args, other, targets.settings)
        kept.replace(targets.heads / kept.name)
    assert torch.equal(load_recorded_teacher(targets)[0].logits_of(embeddings()), live.logits_of(embeddings()))


def test_for_no_classes_embeddings_need_no_head(args: Namespace, targets: Any) -> None:
    resolve_head_path(args, CLASSES, targets.settings).unlink()
    args.teacher = None
    recorded = create_recorded_teacher(args, NO_CLASSES, targets, CPU)
    assert (recorded.answers, recorded.embedding_width) == (EMBEDDING, 16)


def test_answers_of_the_other_kind_are_refused(args: Namespace, targets: Any) -> None:
    del targets.teacher["scale"]
    with pytest.raises(UsageError, match=r"hold embeddings of clip.* they are for --objective feature; build others"):
        create_recorded_teacher(args, CLASSES, targets, CPU)
    targets.teacher["answers"] = LOGITS
    with pytest.raises(UsageError, match="hold logits, and an objective without classes asks for embeddings"):
        create_recorded_teacher(args, NO_CLASSES, targets, CPU)
