"""Which scores of results files are those of a network that is shipped: of its weights, its files, and its images."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dad.checkpoints import tensors_digest
from dad.errors import DataError
from dad.export.trained import Trained
from dad.models.description import PREPROCESSING, Description
from dad.report.results import Result, is_teacher, load_results
from dad.training.origin import Origin

TORCH, TEACHER = "PyTorch", "teacher"


def find_scores(paths: Sequence[str], trained: Trained, files: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return those results that are of the network, of one of its `files` (SHA-256 by name), or of its last teacher,
    each named for what it is of: `PyTorch`, a file's name, or `teacher`.

    Raises:
        DataError: a file cannot be read, or none of it belongs to the network.
    """
    if not paths:
        return []
    found: dict[str, dict[str, Any]] = {}
    others = []
    for result in load_results(paths):
        title, reason = _title(result, trained, files)
        if title:
            found.setdefault(title, {**result, "name": title})
        else:
            others.append(f"{result.get('name') or result['model']}: {reason}")
    ours = [title for title in found if not title.startswith(TEACHER)]
    if not ours:
        raise DataError(
            f"--results {' '.join(paths)}: none of these scores are of the exported weights ({'; '.join(others)}); "
            f"score them with validate.py --checkpoint FILE{' --use-ema' * (trained.description.weights == 'ema')}"
        )
    return [found[title] for title in _in_order(found, files)]


def _title(result: Result, trained: Trained, files: Mapping[str, str]) -> tuple[str, str]:
    """Return what a result is of, or "" and why it is of something else."""
    settings, description = result.get("settings", {}), trained.description
    if is_teacher(result):
        return (TEACHER, "") if _taught(settings, trained.origins) else ("", "not known to be the teacher")
    there, weights = str(result.get("checkpoint_hash") or "-"), result.get("weights")
    name = next((name for name, digest in files.items() if digest.startswith(there)), "")
    if not name and (there, weights) != (tensors_digest(trained.network.state_dict()), "pretrained"):  # timm's folder
        if there != description.checkpoint_hash:
            return "", "other weights"
        if weights != description.weights:
            return "", f"{weights}, not {description.weights}"
    if differing := _other_images(settings, description):
        return "", f"of images that were cut otherwise ({differing})"
    precision = settings.get("precision", "float32")
    return name or (TORCH if precision == "float32" else f"{TORCH} ({precision})"), ""


def _taught(settings: Mapping[str, Any], origins: Sequence[Origin]) -> bool:
    """Whether a teacher's settings are those of the last teacher."""
    weights = (origins[-1].get("teacher") or {}).get("teacher_weights") if origins else None
    return weights is not None and settings.get("teacher_weights") == weights


def _other_images(settings: Mapping[str, Any], description: Description) -> str:
    """Return in what the images of a result differ from those that the export asks for; empty if in nothing."""
    for name in PREPROCESSING:
        there, here = (_plain(values.get(name)) for values in (settings, description.data_config))
        if there != here:
            return f"{name} {there}, not {here}"
    return f"crop_border_pixels {border}" if (border := settings.get("crop_border_pixels")) else ""


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value  # as JSON has it


def _in_order(titles: Iterable[str], files: Mapping[str, str]) -> list[str]:
    """Return the network itself first, then its files, then the teacher."""
    return sorted(titles, key=lambda title: (title.startswith(TEACHER), title in files))
