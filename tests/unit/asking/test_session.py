"""Whom to ask about what: which settings answers depend on, what is refused, and that batches do not matter."""

from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dad.asking.session import Session, check_args_recordable, resolve_epochs, resolve_head, views_read
from dad.environment import pixel_versions
from dad.errors import UsageError
from dad.virtual_epochs import View

Create = Callable[..., Session]
Flags = Callable[..., Namespace]
MIXED = ("--mixup", 0.8, "--mixup-mode", "pair")


@pytest.mark.parametrize("words, message", [
    (("--objective", "ce"), "^--objective ce asks no teacher"),
    (("--objective", "kdiga"), "^--objective kdiga takes gradients through the teacher.* with --teacher alone$"),
    (("--aug-seeding", "worker"), "^--aug-seeding worker: no draw can be repeated then.*need --aug-seeding sample$"),
])  # fmt: skip
def test_a_run_whose_teacher_cannot_be_asked_beforehand_is_refused(
    ask_flags: Flags, words: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        check_args_recordable(ask_flags(*words))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("objective", ["dad", "kd", "ard", "rslad", "dist"])
def test_objectives_that_read_logits_may_have_them_from_the_disk(ask_flags: Flags, objective: str) -> None:
    check_args_recordable(ask_flags("--objective", objective))


@pytest.mark.parametrize("words, epochs", [((), 2), (("--epochs", 7), 7), (("--cooldown-epochs", 3), 5)])
def test_as_many_epochs_are_asked_about_as_training_lasts(
    ask_flags: Flags, words: tuple[object, ...], epochs: int
) -> None:
    assert resolve_epochs(ask_flags(*words)) == epochs


@pytest.mark.parametrize("words, views", [
    ((), [(0, False), (1, False)]),
    (("--teacher-views", 1), [(0, False)]),
    ((*MIXED, "--epochs", 4, "--teacher-views", 2, "--mixup-off-epoch", 3), [(0, True), (1, True), (1, False)]),
])  # fmt: skip
def test_the_virtual_epochs_are_those_that_training_reads(
    create: Create, words: tuple[object, ...], views: list[tuple[int, bool]]
) -> None:
    assert [(view.number, view.mixed) for view in create(*words).views] == views


@pytest.mark.parametrize("words", [
    ("--kd-temperature", 2), ("--distill-loss-weight", 2), ("--logit-scale", 50),
    ("--batch-size", 4), ("--smoothing", 0.3), ("--epochs", 5), ("--teacher-views", 1), ("--shard-size", 4),
    ("--model", "test_vit"), ("--workers", 2),
], ids=str)  # fmt: skip
def test_what_changes_no_answer_is_in_no_setting(create: Create, words: tuple[object, ...]) -> None:
    assert create(*words).settings == create().settings


def test_neither_names_nor_templates_of_classes_change_an_embedding(create: Create, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("".join(f"a red {number}\n" for number in range(6)))
    (tmp_path / "templates.txt").write_text("one {}.\n")
    other = create("--class-names", tmp_path / "names.txt", "--templates", tmp_path / "templates.txt")
    assert other.settings == create().settings and other.classes.names[0] == "a red 0"
    assert not {"teacher_templates", "teacher_logit_scale", "class_list", "objective"} & other.settings.keys()


@pytest.mark.parametrize("words, name, value", [
    (("--payload", "int8"), "payload", "int8"), (("--amp", "--amp-dtype", "bfloat16"), "amp", "bfloat16"),
    (("--seed", 9), "seed", 9), (("--hflip", 0), "hflip", 0.0),
])  # fmt: skip
def test_what_changes_an_answer_is_a_setting(
    create: Create, words: tuple[object, ...], name: str, value: object
) -> None:
    before, after = create().settings, create(*words).settings
    assert {key for key in before if before[key] != after[key]} == {name} and after[name] == value


def test_teacher_views_and_versions_are_settings(create: Create) -> None:
    settings = create().settings
    assert settings["views"] == "clean" and settings["made_with"] == pixel_versions()
    assert len(settings["teacher_weights"]) == 16 and settings["teacher"] == "clip"


@pytest.mark.parametrize("count", [1, 2, 5])
def test_answers_of_a_batch_that_is_not_full_are_those_of_a_full_one(create: Create, count: int) -> None:
    session = create(*MIXED)
    (batch, *_) = list(session.images.train_loader(session.runtime))
    full = session.ask(batch, 6)
    seen: list[int] = []
    session.teacher.model.visual.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    cut = session.ask(replace(batch, input=batch.input[:count]), 6)
    assert torch.equal(cut, full[:, :count]) and cut.shape == (1, count, 16) and seen == [6]


def test_answers_are_what_the_teacher_says_of_these_pixels(create: Create) -> None:
    session = create()
    (batch, *_) = list(session.images.train_loader(session.runtime))
    seen = session.teacher.normalize_input(batch.input, session.mean, session.std)
    expected = session.teacher(seen)
    torch.testing.assert_close(session.teacher.logits_of(session.ask(batch, 6)[0]), expected, rtol=0, atol=1e-5)
    assert not session.ask(batch, 6).requires_grad


def test_the_way_to_logits_is_the_weights_own_whatever_scale_this_run_has(create: Create) -> None:
    about, other = create().about_teacher, create("--logit-scale", 50).about_teacher
    assert about == other and about["answers"] == "embedding" and about["width"] == 16
    assert about["scale"] == pytest.approx(1 / 0.07, rel=1e-4) and about["bias"] == 0


def test_the_head_is_the_file_that_the_teacher_has_written(create: Create, ask_flags: Flags, tmp_path: Path) -> None:
    head = resolve_head(ask_flags(), create())
    assert head is not None and [head] == list((tmp_path / "heads").glob("*.safetensors"))


def test_a_teacher_of_another_size_is_refused(create: Create) -> None:
    with pytest.raises(UsageError, match="the teacher was made for 32 px"):
        create("--img-size", 16, "--model-kwargs", "img_size=16")


@pytest.mark.parametrize("mixed, plain, words", [
    (2, 0, "2 virtual epochs"), (0, 3, "3 virtual epochs"), (2, 1, "3 virtual epochs (2 blended, 1 not)")
])  # fmt: skip
def test_virtual_epochs_are_told(mixed: int, plain: int, words: str) -> None:
    views = [View(0, number, True) for number in range(mixed)] + [View(0, number, False) for number in range(plain)]
    assert views_read(views) == words
