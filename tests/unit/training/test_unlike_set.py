"""What a DAD set says of itself that does not go with a training is told."""

from typing import Any

import pytest

from dad.training.loaders import warn_of_unlike_set


@pytest.mark.parametrize("weights, warns", [("abc", False), ("other", True)])
def test_another_teacher_than_the_set_s_is_told_by_both_names(
    weights: str, warns: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_with = {"teacher": "clip/ViT-L-14/openai", "teacher_weights": "abc"}
    monkeypatch.setattr("dad.training.loaders.read_manifest", lambda root: {"settings": made_with})
    warn_of_unlike_set("dad", {"teacher": "resnet50.a1_in1k", "teacher_weights": weights}, 224)
    said = caplog.text
    assert ("clip/ViT-L-14/openai" in said and "resnet50.a1_in1k" in said) == warns == bool(said)


@pytest.mark.parametrize(
    ("made_with", "labels", "said"),
    [
        ({"img_size": 32}, False, "--dad-dir dad has images of 32 px, which are scaled to 64"),
        ({"img_size": 64, "keep": "all"}, True, "also holds images on which its teacher is wrong (keep: all)"),
        ({"keep": "unchanged", "labels": "own"}, True, "(keep: unchanged)"),
        ({"img_size": 64, "keep": "all"}, False, ""),
        ({"img_size": 64, "keep": "teacher-correct"}, True, ""),
        ({}, True, ""),  # the first format kept what the teacher was right on, and did not say so
    ],
)
def test_a_set_that_is_unlike_the_training_is_told(
    made_with: dict[str, Any],
    labels: bool,
    said: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dad.training.loaders.read_manifest", lambda root: {"settings": made_with})
    warn_of_unlike_set("dad", None, 64, labels)
    assert said in caplog.text and bool(said) == bool(caplog.text)
