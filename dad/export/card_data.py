"""The front matter of a model card: what the hub reads of it, and `model-index`, every score in its form."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import timm

from dad.export.scores import TEACHER, TORCH
from dad.export.trained import Trained
from dad.images.classes import is_imagenet
from dad.report.columns import Column, columns_of
from dad.report.results import Result, has_imagenets_classes
from dad.report.table import ATTACKS, format_radius
from dad.variants.table import VARIANTS

_KNOWN = {variant.name for variant in VARIANTS}
UNSTATED = "not-stated"  # of a licence
_TASK: dict[str, Any] = {"task_type": "image-classification", "task_name": "Image classification"}
_METRICS = {"top1": ("accuracy", "top-1"), "mean_top1": ("accuracy", "mean top-1"), "mce": ("mce", "mCE")}


def front_matter(name: str, licence: str, trained: Trained, formats: Sequence[str], results: Sequence[Result]) -> str:
    """Return YAML, without the lines around it.

    Args:
        name: of the model.
        licence: as the hub spells it; empty: none is stated.
        formats: of the files in the folder, for tags.
        results: what it scores, see `dad.export.scores`.
    """
    from huggingface_hub import ModelCardData  # slow to import

    stated: dict[str, Any] = {"license": licence} if licence else {"license": "other", "license_name": UNSTATED}
    scores = list(_evaluations(results))
    data = ModelCardData(
        **stated,
        library_name="timm",
        pipeline_tag="image-classification",
        tags=[*_tags(trained), *formats],
        datasets=["imagenet-1k"] if is_imagenet(trained.classes.folders) else None,
        base_model=_base_model(trained),
        model_name=name if scores else None,
        eval_results=scores or None,
    )
    return str(data.to_yaml())


def dataset_of(column: Column, result: Result) -> tuple[str, str]:
    """Return a test set's name on the hub and its title: a set in ImageNet's layout that holds other classes must not
    pass for ImageNet."""
    if column.name not in _KNOWN or has_imagenets_classes(result):
        return ("imagenet-1k" if column.name == "imagenet" else column.name), column.title
    if column.name == "imagenet":
        return "own-validation", "Validation (own classes)"
    return f"own-{column.name}", f"{column.title} (own classes)"


def scored_columns(results: Sequence[Result]) -> list[Column]:
    """Return the sets that any of the results has a number of."""
    return [column for column in columns_of(results) if any(column.value(result) is not None for result in results)]


def _evaluations(results: Sequence[Result]) -> Iterator[Any]:
    from huggingface_hub import EvalResult

    for result in results:
        title = str(result["name"])
        if title.startswith(TEACHER):
            continue
        of = "" if title == TORCH else f" ({title})"
        for column in scored_columns([result]):
            dataset, set_title = dataset_of(column, result)
            there = {**_TASK, "dataset_type": dataset, "dataset_name": set_title}
            kind, metric = _METRICS.get(column.metric, (column.metric, column.metric))
            yield EvalResult(
                **there, metric_type=kind, metric_name=metric + of, metric_value=_rounded(column.value(result))
            )
            top5 = (column.scores(result) or {}).get("top5")
            if column.metric == "top1" and top5 is not None:
                yield EvalResult(**there, metric_type="accuracy", metric_name=f"top-5{of}", metric_value=_rounded(top5))
        yield from (_attack(attack, result, of) for attack in result.get("attacks", ()))


def _attack(attack: Mapping[str, Any], result: Result, of: str) -> Any:
    from huggingface_hub import EvalResult

    column = next(column for column in columns_of([result]) if column.name == attack.get("variant", "imagenet"))
    dataset, title = dataset_of(column, result)
    budget = f"{ATTACKS.get(attack['attack'], attack['attack'])}, {attack['norm']} {format_radius(attack['epsilon'])}"
    return EvalResult(
        **_TASK,
        dataset_type=dataset,
        dataset_name=f"{title} under {budget}",
        dataset_config=budget,
        metric_type="accuracy",
        metric_name=f"top-1 under attack{of}",
        metric_value=_rounded(attack["top1"]),
    )


def _rounded(value: Any) -> float:
    return round(float(value), 4)


def _tags(trained: Trained) -> list[str]:
    tags = ["image-classification", "timm", "robustness", "discrete-adversarial-distillation"]
    for origin in trained.origins[-1:]:
        tags.append(f"objective-{origin['objective']}")
        tags += ["knowledge-distillation"] * ("teacher" in origin)
    return tags


def _base_model(trained: Trained) -> str | None:
    """Return the repository of the published weights that training began with, if it did and they have one."""
    flags = trained.flags
    name = str(flags.get("model", ""))
    others = flags.get("pretrained_path") or flags.get("initial_checkpoint")
    if not flags.get("pretrained") or others or not timm.is_model(name):
        return None
    place = str(getattr(timm.get_pretrained_cfg(name), "hf_hub_id", None) or "")
    return place.partition("@")[0] or None
