"""A card says what was shipped, what it scores, and what it learned from; and no place on this machine."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from huggingface_hub import ModelCard
from scored import of_imagenet, result_of

from dad.export.card import Card
from dad.export.record import Record
from dad.export.trained import Trained, create_trained

Load = Callable[..., Trained]


def text_of(trained: Trained, results: Any = ()) -> str:
    files = {"model.safetensors": "a" * 64, "config.json": "b" * 64, "model.onnx": "c" * 64}
    checks = {"model.onnx": {"sentence": "logits are near"}}
    record = Record("mine", "mit", trained.description.to_strings(), files, checks, "on 256 images")
    card = Card("local-dir:out", trained, record, results)
    return str(ModelCard(card.to_bytes().decode()).text)


def test_it_says_how_to_use_it_and_what_was_compared(load: Load) -> None:
    text = text_of(load())
    assert 'timm.create_model("local-dir:out", pretrained=True)' in text and 'InferenceSession("model.onnx")' in text
    assert "input_size 3 32 32, mean 0.1 0.2 0.3, std 0.4 0.5 0.6, interpolation bilinear, crop_pct 0.8" in text
    assert "logits are near" in text and "cccccccccccccccc" in text and "on 256 images" in text
    assert "The weights: mit." in text and "None are stated." in text


def test_it_names_objective_teacher_and_dad_set(load: Load) -> None:
    text = text_of(load())
    assert "Objective: `dad`" in text and "the moving average" in text
    assert "Teacher: clip/ViT-L-14/openai, weights 00ff00ff00ff00ff" in text
    assert "DAD set: fingerprint 0123456789abcdef, digest dddddddddddddddd, 1,234 images (discretizer vqgan" in text


def test_a_substitute_in_its_training_is_told(save_checkpoint: Any, resolve: Any) -> None:
    path = save_checkpoint()
    content = torch.load(path, weights_only=False)
    content["args"].trained_with = {"style_transfer": "colours, a substitute"}
    torch.save(content, path)
    assert "- With style_transfer: colours, a substitute" in text_of(create_trained(resolve(path)))


def test_each_part_of_a_run_that_went_on_with_another_set_is_told(load: Load) -> None:
    trained = load()
    text = text_of(replace(trained, origins=[{"objective": "ce"}, *trained.origins]))
    assert "Objective: `ce` (part 1 of 2)" in text and "Objective: `dad` (part 2 of 2)" in text


def test_what_is_not_known_is_said_to_be_unknown(load: Load) -> None:
    trained = load()
    assert "not recorded in the checkpoint" in text_of(replace(trained, origins=[]))
    old = {"objective": "ce", "flags": {"teacher": "/secret/clip"}}
    text = text_of(replace(trained, origins=[old]))
    assert "Teacher and DAD set: not recorded" in text and "secret" not in text


def test_every_score_is_in_the_table(load: Load) -> None:
    trained = load()
    attack = {"attack": "pgd", "norm": "linf", "epsilon": 1 / 255, "variant": "imagenet", "top1": 1.25}
    results = [{**result_of(trained), "name": name} for name in ("PyTorch", "model_int8.onnx")]
    results[1]["variants"]["imagenet-c"] = {"mce": None, "complete": False}
    results[0]["attacks"] = [attack]
    text = text_of(trained, results)
    assert "| Validation (own classes) |     50 |    76.5 |            76.5 |" in text
    assert "| C (own classes) (mCE ↓)  |        |    40.0 |      incomplete |" in text
    assert "| mine                     |      8 |    50.0 |            50.0 |" in text
    assert "PGD" in text and "1.2" in text and "Avg" not in text and "secret" not in text
    assert "| ImageNet  " in text_of(trained, [of_imagenet(one) for one in results])


def test_an_architecture_that_is_not_timm_s_own_says_what_to_import(load: Load, monkeypatch: Any) -> None:
    from timm.models import model_entrypoint

    trained = load()
    monkeypatch.setattr(model_entrypoint("test_resnet"), "__module__", "dad.models.odd")
    assert "import timm\nimport dad.models.odd  # tells timm of test_resnet\n" in text_of(trained)
