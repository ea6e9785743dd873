"""What `--size-to-data` would take for a run, so that everything else can be looked at."""

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dad.args.scripts import Call
from dad.args.sizing import describe, line, open_names, sizes_for_generation, sizes_for_training
from dad.doctor.findings import Finding, attempt, ok
from dad.generation.sizing import resolve_sizes as resolve_for_generation
from dad.images.classes import resolve_class_list
from dad.images.sources import class_folders, find_split, list_sources
from dad.training.sizing import resolve_sizes

_UNKNOWN = 1_000  # images, where they cannot be counted: what is wrong with them is told elsewhere


def fill_in(call: Call) -> tuple[Call, list[Finding]]:
    """Return the call with nothing left open, and what was taken."""
    names = open_names(call.args)
    if not names:
        return call, []
    args = attempt("data", lambda: _resolve(call), [])
    sizes: Mapping[str, Any] = sizes_for_training(_UNKNOWN) | sizes_for_generation(_UNKNOWN)
    if args is None:
        return replace(call, args=Namespace(**{**vars(call.args), **{name: sizes[name] for name in names}})), []
    taken = {name: vars(args)[name] for name in names}
    return replace(call, args=args), [ok("data", f"--size-to-data takes {describe(taken)}")]


def _resolve(call: Call) -> Namespace:
    flags = vars(call.args)
    text = "".join(f"{line(name, flags[name])}\n" for name in sorted(flags))
    if call.script != "generate":
        return resolve_sizes(call.args, text)[0]
    split = find_split(call.args.data_dir, call.args.train_split)
    classes = resolve_class_list(call.args.class_map, call.args.class_names, class_folders(split))
    return resolve_for_generation(call.args, text, len(list_sources(split, classes)))[0]
