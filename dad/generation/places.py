"""The files and folders that flags of generate.py name: absolute in a set's args.yaml, since whoever repairs the set
may stand in another folder, and asked for where they are gone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_INPUTS = ("data_dir", "class_map", "class_names", "templates", "vqgan_checkpoint")
_OUTPUTS = ("dad_dir", "teacher_cache")
_SPECS = ("teacher", "vqgan_config", "diffusion_model")  # a place, a name, or a name with a place at its end
_FOR_ONE_RUN = {
    "redo_shards": "", "retry_unreadable": False, "shard_range": "", "dry_run": False, "tune_attack": False,
    "extend": False,
}  # fmt: skip


def to_keep(args_text: str) -> str:
    """Return the YAML of a run's flags as a set keeps it: places absolute, and without what only this run was to do."""
    flags: dict[str, Any] = yaml.safe_load(args_text)
    flags |= {name: value for name, value in _FOR_ONE_RUN.items() if name in flags}
    for name in (*_INPUTS, *_OUTPUTS):
        if flags.get(name):
            flags[name] = str(Path(flags[name]).absolute())
    for name in _SPECS:
        if flags.get(name):
            before, place = _split(name, flags[name])
            if place and Path(place).exists():
                flags[name] = f"{before}{Path(place).absolute()}"
    return "".join(f"{_line(name, flags[name])}\n" for name in sorted(flags))


def absent(flags: Mapping[str, Any]) -> dict[str, str]:
    """Return by flag the places that are named and not there."""
    places = {name: str(flags[name]) for name in _INPUTS if flags.get(name)}
    places |= {name: _split(name, str(flags[name]))[1] for name in _SPECS if flags.get(name)}
    return {name: place for name, place in places.items() if place and not Path(place).exists()}


def _split(name: str, spec: str) -> tuple[str, str]:
    """Split a spec into what comes before its place, and the place; that is empty where the spec is a name alone."""
    if name == "diffusion_model":
        return ("", spec) if Path(spec).is_absolute() or Path(spec).exists() else (spec, "")
    if name == "vqgan_config":
        return ("", spec) if spec.endswith(".json") or Path(spec).exists() else (spec, "")
    for mark in ("local-dir:", "@"):
        before, found, place = spec.partition(mark)
        if found:
            return before + mark, place
    family, model, place = (*spec.split("/", 2), "", "")[:3]
    if family == "clip" and (place.startswith("/") or ("." in place and Path(place).is_file())):
        return f"{family}/{model}/", place
    return spec, ""


def _line(name: str, value: Any) -> str:
    return yaml.safe_dump({name: value}, default_flow_style=True, width=float("inf")).strip()[1:-1]
