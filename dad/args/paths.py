"""Paths in YAML files. They start at the current folder, as on the command line: a recipe is run from where its data
are. Only `base:` follows the file.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dad.args.config import Setting
from dad.errors import UsageError

# What is read; a folder that is written to need not be there. The DAD set is read by what has an objective.
_READ = (
    "data_dir", "class_map", "class_names", "templates", "teacher", "vqgan_config", "vqgan_checkpoint",
    "diffusion_model", "style_weights", "pretrained_path", "initial_checkpoint", "resume", "checkpoint",
    "attack_images", "valid_labels", "folder_map",
)  # fmt: skip


def require_paths(settings: Mapping[str, Setting]) -> None:
    """Refuse a path of a YAML file that leads nowhere from the current folder, but somewhere from the file's own.

    Raises:
        UsageError: with the path that would work.
    """
    for dest in (*_READ, *(["dad_dir"] if "objective" in settings else [])):
        setting = settings.get(dest, Setting(None, "default"))
        if setting.origin in ("default", "command line"):
            continue
        for place in _places(dest, setting.value):
            beside = Path(setting.origin).parent / place
            if not _exists(Path(place)) and _exists(beside):
                raise UsageError(
                    f"{setting.origin}: key '{dest}' names {place}, which is beside this file, but paths in it start "
                    f"at the current folder, {Path.cwd()}; write {beside}"
                )


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that no file can have, since it is none: a hub id, say
        return False


def _places(dest: str, value: Any) -> Iterator[str]:
    """Yield the paths in a value; a teacher's follows `@`, `local-dir:` or `clip/<model>/`, a list's `SET=`."""
    for text in value if isinstance(value, list) else [value]:
        if not text:
            continue
        if dest == "attack_images":
            yield from (word.rpartition("=")[2].strip() for word in str(text).split(","))
        elif dest != "teacher":
            yield str(text)
        elif "@" in text:
            yield text.partition("@")[2]
        elif "local-dir:" in text:
            yield text.partition("local-dir:")[2]
        elif text.startswith("clip/") and text.count("/") > 1:
            yield text.split("/", 2)[2]
