"""Zero-shot teachers: the same logits as open_clip's own, the cached head, and every spec that is refused."""

import contextlib
from argparse import Namespace
from pathlib import Path

import open_clip
import pytest
import torch
from tiny_clips import IMAGES, TINY
from torch import Tensor, nn

from dad.args import create_generate_parser
from dad.args.hparams import parse_args
from dad.errors import DataError, UsageError, UserError
from dad.images.classes import NO_CLASSES, ClassList, load_class_list
from dad.teachers import Teacher, create_teacher
from dad.teachers.clip import ClipClassifier, load_clip, read_templates

NAMES, TEMPLATES = ("ant", "red fox"), ("a {}.", "the {}.")


def create(flags: list[str], *more: str) -> Teacher:
    args, _ = parse_args(create_generate_parser(), [*flags, *more])
    return create_teacher(args, load_class_list(args.class_map, args.class_names), torch.device("cpu"))


def expected_logits(world: Path, images: Tensor) -> Tensor:
    """Logits by open_clip alone, as its README makes them."""
    name = f"local-dir:{world / 'clip'}"
    model, tokenizer = open_clip.create_model(name, require_pretrained=True).eval(), open_clip.get_tokenizer(name)
    names, templates = ((world / f"{part}.txt").read_text().splitlines() for part in ("classes", "templates"))
    head = open_clip.build_zero_shot_classifier(model, tokenizer, names, templates)
    with torch.no_grad():
        features = nn.functional.normalize(model.encode_image(images), dim=-1)
        return model.logit_scale.exp() * features @ head


def refuse_to_build(*args: object) -> Tensor:
    raise AssertionError("the head should come from the cache")


def test_logits_are_open_clips_own(world: Path, teacher_flags: list[str]) -> None:
    images = torch.randn(5, 3, 32, 32)
    logits = create(teacher_flags)(images)
    assert logits.shape == (5, 6)
    torch.testing.assert_close(logits, expected_logits(world, images), rtol=0, atol=1e-4)


def test_pixels_are_normalised_as_this_clip_wants_them(world: Path, teacher_flags: list[str]) -> None:
    pixels, teacher = torch.rand(3, 3, 32, 32), create(teacher_flags)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in ((0.4, 0.5, 0.6), (0.2, 0.25, 0.3)))
    expected = expected_logits(world, (pixels - mean) / std)
    torch.testing.assert_close(teacher.on_pixels()(pixels), expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(teacher((pixels - teacher.mean_kd) / teacher.std_kd), expected, rtol=0, atol=1e-4)
    assert teacher.data_config["input_size"] == (3, 32, 32)


def test_images_of_another_size_are_scaled_to_its_own(world: Path, teacher_flags: list[str]) -> None:
    larger = create(teacher_flags, "--teacher-img-size", "64")
    images = torch.randn(2, 3, 64, 64, requires_grad=True)
    scaled = nn.functional.interpolate(images.detach(), (32, 32), mode="bilinear", antialias=True)
    own = create(teacher_flags)
    torch.testing.assert_close(larger(images), own(scaled), rtol=0, atol=1e-5)
    assert larger.data_config["input_size"] == (3, 64, 64)
    larger(images)[:, 0].sum().backward()
    assert images.grad is not None and (images.grad != 0).float().mean() > 0.9  # an attack reaches every pixel
    assert larger.settings["teacher_weights"] == own.settings["teacher_weights"]
    changed = {key for key in larger.settings if larger.settings[key] != own.settings.get(key)}
    assert changed == {"teacher_input_size", "teacher_scales_to"}


def test_its_own_size_changes_nothing_and_a_timm_model_takes_none(teacher_flags: list[str]) -> None:
    own = create(teacher_flags, "--teacher-img-size", "32")
    assert own.settings == create(teacher_flags).settings
    with pytest.raises(UsageError, match="--teacher-img-size is for CLIP teachers, --teacher resnet18 is timm's"):
        create(teacher_flags, "--teacher-img-size", "32", "--teacher", "resnet18")


def test_logit_scale_and_bias_frame_the_cosine() -> None:
    features, head = torch.randn(4, 8), nn.functional.normalize(torch.randn(8, 3), dim=0)
    cosine = nn.functional.cosine_similarity(features[:, :, None], head[None], dim=1)
    torch.testing.assert_close(ClipClassifier(nn.Identity(), head, 7.0, -2.0)(features), 7 * cosine - 2)


def test_the_flag_replaces_the_learned_scale(world: Path, teacher_flags: list[str]) -> None:
    images = torch.randn(2, 3, 32, 32)
    learned = create(teacher_flags)
    asked = create(teacher_flags, "--logit-scale", "5")
    scale = load_clip(f"clip/local-dir:{world / 'clip'}")[0].logit_scale.exp()
    torch.testing.assert_close(asked(images) / 5, learned(images) / scale, rtol=0, atol=1e-5)
    assert asked.settings != learned.settings


def test_the_head_is_made_once(teacher_flags: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    images, first = torch.randn(2, 3, 32, 32), create(teacher_flags)
    monkeypatch.setattr(open_clip, "build_zero_shot_classifier", refuse_to_build)
    again = create(teacher_flags, "--logit-scale", "5")  # the scale is not part of the head
    assert torch.equal(again.model.head, first.model.head) and torch.equal(create(teacher_flags)(images), first(images))


def test_settings_tell_teachers_apart(world: Path, teacher_flags: list[str], tmp_path: Path) -> None:
    (tmp_path / "templates.txt").write_text("one {}.\n")
    settings = create(teacher_flags).settings
    other = create(teacher_flags, "--templates", str(tmp_path / "templates.txt")).settings
    assert {key for key in settings if settings[key] != other[key]} == {"teacher_templates"}


def test_classes_of_one_name_count_for_each_other_and_that_is_told_and_fingerprinted(
    teacher_flags: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "dad.teachers.clip")
    apart = ClassList(("a", "b", "c"), ("apple", "bear", "car"))
    alike = ClassList(("a", "b", "c"), ("apple", "bear", "apple"))
    args, _ = parse_args(create_generate_parser(), teacher_flags)
    one, other = (create_teacher(args, classes, torch.device("cpu")) for classes in (apart, alike))
    assert one.twins is None and "teacher_twins" not in one.settings
    assert other.twins is not None and other.twins.tolist() == [0, 1, 0] and "teacher_twins" in other.settings
    assert "1 classes share their name with an earlier one" in caplog.text and "apple (0, 2)" in caplog.text


def test_a_teacher_is_frozen_for_good(teacher_flags: list[str]) -> None:
    teacher = create(teacher_flags).train()
    teacher.on_pixels()
    assert not any(module.training for module in teacher.modules())
    assert not any(weight.requires_grad for weight in teacher.parameters())


def test_the_text_tower_is_gone(teacher_flags: list[str]) -> None:
    names = {name.split(".")[0] for name, _ in create(teacher_flags).model.named_parameters()}
    assert names == {"visual"}


@pytest.mark.parametrize(
    ("spec", "kind", "message"),
    [
        ("clip/ViT-B-33/openai", UsageError, "open_clip has no model 'ViT-B-33'; near names: .*ViT-B-32"),
        ("clip/zzz/openai", UsageError, "no model 'zzz'; near names: none"),
        ("clip", UsageError, "--teacher clip: open_clip has no model 'clip'"),
        ("clip/ViT-B-32/opnai", UsageError, "'opnai' is neither a file nor a tag of ViT-B-32 .*openai"),
        ("clip/ViT-B-32", UsageError, "'' is neither a file nor a tag of ViT-B-32"),
        ("clip/local-dir:/nowhere", DataError, "/nowhere has no open_clip_config.json"),
    ],
)
def test_a_wrong_spec_is_answered_with_what_would_work(spec: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        create_teacher(Namespace(teacher=spec), ClassList(NAMES, NAMES), torch.device("cpu"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "--templates .*templates.txt: no such file"),
        ("", "every line needs one {}, .* found ''"),
        ("a {}.\na picture.\n", "every line needs one {}, .* found 'a picture.'"),
    ],
)
def test_templates_that_no_name_can_fill_are_refused(
    teacher_flags: list[str], tmp_path: Path, text: str | None, message: str
) -> None:
    if text is not None:
        (tmp_path / "templates.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        create(teacher_flags, "--templates", str(tmp_path / "templates.txt"))


@pytest.mark.parametrize("template", ["a {} in {place}.", "a {}, just a {}.", "a {} in {braces."])
def test_other_braces_are_filled_or_refused_but_no_traceback(
    teacher_flags: list[str], tmp_path: Path, template: str
) -> None:
    (tmp_path / "templates.txt").write_text(template)
    with contextlib.suppress(UserError):
        create(teacher_flags, "--templates", str(tmp_path / "templates.txt"))


def test_without_a_file_the_templates_are_openais_eighty() -> None:
    templates = read_templates("")
    assert len(templates) == 80 and "a bad photo of a {}." in templates


def test_a_tower_that_returns_tokens_too_is_used_as_open_clip_does(tmp_path: Path) -> None:
    config = {
        "embed_dim": 16,
        "vision_cfg": {**TINY["vision_cfg"], "attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True},
        "text_cfg": {**TINY["text_cfg"], "embed_cls": True, "output_tokens": True},
        "multimodal_cfg": {**TINY["text_cfg"], "dim_head": 8, "n_queries": 8, "attn_pooler_heads": 2},
    }
    coca = open_clip.CoCa(**config).eval()
    head = nn.functional.normalize(torch.randn(16, 3), dim=0)
    with torch.no_grad():
        expected = 5 * nn.functional.normalize(coca.encode_image(IMAGES), dim=-1) @ head
        torch.testing.assert_close(ClipClassifier(coca.visual, head, 5.0)(IMAGES), expected)


def test_for_no_classes_no_prompt_is_read_and_images_are_embedded_alike(
    teacher_flags: list[str], tmp_path: Path
) -> None:
    args, images = parse_args(create_generate_parser(), teacher_flags)[0], torch.randn(2, 3, 32, 32)
    embedder = create_teacher(args, NO_CLASSES, torch.device("cpu"))
    assert not (tmp_path / "heads").exists() and embedder.cost == ""
    usual = create(teacher_flags)
    assert torch.equal(embedder.answer(images), usual.answer(images)) and embedder.answer_width == 16
    assert embedder.settings["teacher_weights"] == usual.settings["teacher_weights"]
