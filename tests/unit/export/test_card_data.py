"""The hub reads licence, tags and every score from the front matter, and no other set passes for ImageNet."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from huggingface_hub import metadata_load
from huggingface_hub.repocard_data import model_index_to_eval_results
from scored import of_imagenet, result_of

from dad.export.card_data import front_matter
from dad.export.trained import Trained

Load = Callable[..., Trained]
ATTACK = {"attack": "pgd", "norm": "linf", "epsilon": 1 / 255, "variant": "imagenet", "top1": 1.25}


def matter(trained: Trained, path: Path, results: Sequence[Any] = (), licence: str = "") -> dict[str, Any]:
    """The front matter as huggingface_hub reads it from a file."""
    text = front_matter("mine", licence, trained, ["onnx"], results)
    path.write_text(f"---\n{text}\n---\n\n# mine\n", encoding="utf-8")
    content: dict[str, Any] = metadata_load(path)
    return content


def test_every_number_is_in_the_index(load: Load, tmp_path: Path) -> None:
    trained = load()
    first, second = ({**result_of(trained), "name": name} for name in ("PyTorch", "model_int8.onnx"))
    teacher = {**result_of(trained), "name": "teacher"}
    index = matter(trained, tmp_path / "a.md", [of_imagenet(one) for one in (first, second, teacher)])["model-index"]
    name, scores = model_index_to_eval_results(index)
    found = [(one.dataset_type, one.metric_name, one.metric_value) for one in scores]
    assert name == "mine" and len(found) == 8
    assert found[:2] == [("imagenet-1k", "top-1", 76.5432), ("imagenet-1k", "top-5", 93.0)]
    assert ("imagenet-c", "mCE", 40.0) in found and ("mine", "top-1 (model_int8.onnx)", 50.0) in found


def test_sets_of_other_classes_do_not_pass_for_imagenet(load: Load, tmp_path: Path) -> None:
    trained = load()
    results = [{**result_of(trained), "name": "PyTorch", "attacks": [ATTACK]}]
    content = matter(trained, tmp_path / "a.md", results)
    assert "datasets" not in content and "imagenet-1k" not in str(content)
    sets = {(one["dataset"]["type"], one["dataset"]["name"]) for one in content["model-index"][0]["results"]}
    assert sets == {
        ("own-validation", "Validation (own classes)"),
        ("own-validation", "Validation (own classes) under PGD, linf 1/255"),
        ("own-imagenet-c", "C (own classes)"),
        ("mine", "mine"),
    }


def test_a_set_without_a_number_is_left_out(load: Load, tmp_path: Path) -> None:
    trained = load()
    results = [{**result_of(trained), "name": "PyTorch", "variants": {"imagenet-c": {"mce": None, "complete": False}}}]
    assert "model-index" not in matter(trained, tmp_path / "a.md", results)


def test_tags_licence_and_origin_are_told(load: Load, tmp_path: Path) -> None:
    trained = load()
    content = matter(trained, tmp_path / "a.md", licence="apache-2.0")
    assert content["license"] == "apache-2.0" and content["library_name"] == "timm"
    assert {"objective-dad", "knowledge-distillation", "onnx"} <= set(content["tags"])
    assert matter(trained, tmp_path / "a.md")["license_name"] == "not-stated"
    named = replace(trained, flags={"model": "vit_base_patch16_224.augreg_in21k_ft_in1k", "pretrained": True})
    assert matter(named, tmp_path / "a.md")["base_model"] == "timm/vit_base_patch16_224.augreg_in21k_ft_in1k"
    assert "base_model" not in content
