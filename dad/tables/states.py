"""How far the parts of a table are, from what they have left on the disk."""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dad.checkpoints import file_digest
from dad.errors import DataError, SettingsError
from dad.files import read_json, read_text
from dad.locks import is_held
from dad.report.columns import columns_of
from dad.report.results import Result, attacked_set, load_results
from dad.report.table import ATTACKS
from dad.shards.manifest import MANIFEST, read_manifest
from dad.soft_targets.manifest import read_soft_manifest
from dad.training.checkpoint_saver import LAST
from dad.training.run_folder import LOCK, NOT_THE_RUN
from dad.training.status import NAME as STATUS

_MACHINE = {  # flags that say where, on what and by whom a run is made, not what is trained
    "data_dir", "dad_dir", "teacher_cache", "soft_targets", "vqgan_checkpoint", "style_weights", "batch_size",
    "grad_accum_steps", "validation_batch_size", "workers", "pin_mem", "no_prefetcher", "device", "device_modules",
    "amp", "amp_dtype", "channels_last", "torchcompile", "torchcompile_mode", "no_ddp_bb", "synchronize_step",
    "grad_checkpointing", "model_ema_force_cpu", "val_interval", "save_images", "max_failed", "attack_precision",
    "stats_before",
}  # fmt: skip


@dataclass(frozen=True)
class State:
    """How far something is, in a few words; whether it is there; and whether the same command would bring it on."""

    text: str
    is_done: bool = False
    can_start: bool = True


def state_of_run(folder: Path, asked: argparse.Namespace) -> State:
    """Return how far a training is that writes to `folder`, if it is the one that is asked for."""
    if not (folder / STATUS).is_file():
        return State("not begun")
    if differing := _other_settings(folder / "args.yaml", asked):
        return State(f"other settings in {folder} ({differing})", can_start=False)
    status = read_json(folder / STATUS)
    state, there = status.get("state"), (folder / LAST).is_file()
    how_far = f"{status.get('epoch', 0)} of {status.get('epochs') or '?'} epochs"
    if state == "done":
        return State("trained", is_done=True) if there else State(f"trained, but {folder / LAST} is gone")
    if state == "running" and (held := is_held(folder / LOCK)) is not False:
        return State(f"training{'' if held else ', or killed'}, {how_far}", can_start=False)
    if state == "failed":
        why = f"failed with exit code {status.get('exit_code')}, {how_far}"
        return State(why, can_start=bool(status.get("resumable")) or not there)
    return State(f"interrupted, {how_far}")


def state_of_dad_set(root: Path) -> State:
    """Return how far a DAD set is."""
    return _state_of_manifest(root, read_manifest, "dad.shards")


def state_of_soft_targets(root: Path) -> State:
    """Return how far soft targets are."""
    return _state_of_manifest(root, read_soft_manifest, "dad.soft_targets")


def state_of_scores(
    checkpoint: Path, files: Iterable[Path], variants: Sequence[str], attacks: Sequence[str], weights: str
) -> State:
    """Return which scores a student has in results files: by its file's bytes, so that those of an earlier training do
    not count. `weights` are `ema` or `state_dict`."""
    found = [result for path in files if path.is_file() for result in load_results([str(path)])]
    key, value = "checkpoint_hash", ""
    if found and checkpoint.is_file():
        value = file_digest(str(checkpoint))
    elif found:  # somebody made room
        key, value = "checkpoint", str(checkpoint)
    own = [result for result in found if (result.get(key), result.get("weights")) == (value, weights)]
    lacking = [column.title for column in columns_of([]) if column.name in variants and not _has(own, column.name)]
    rows = [attack for result in own for attack in result.get("attacks", ())]
    done = {attack.get("attack") for attack in rows if attacked_set(attack) == "imagenet"}
    lacking += [ATTACKS[name] for name in attacks if name not in done]
    if not own:
        return State("not scored")
    return State(f"scored but for {', '.join(lacking)}") if lacking else State("scored", is_done=True)


def _has(results: Iterable[Result], variant: str) -> bool:
    known: list[Any] = [result["variants"].get(variant) for result in results]
    return any(scores is not None and scores.get("complete", True) for scores in known)


def _state_of_manifest(root: Path, read: Callable[[Path], Mapping[str, Any]], module: str) -> State:
    if not root.exists():
        return State("not begun")
    if not (root / MANIFEST).exists():
        return State("not finished")
    try:
        read(root)
    except (DataError, SettingsError):
        return State(f"damaged (python -m {module} verify {root})", can_start=False)
    return State("made", is_done=True)


def _other_settings(file: Path, asked: argparse.Namespace) -> str:
    """Return in what a run's flags differ from those asked for; flags of one version alone are not compared."""
    try:
        there = yaml.safe_load(read_text(file, "settings"))
    except (DataError, yaml.YAMLError):
        return f"{file} cannot be read"
    here = vars(asked)
    names = sorted((set(here) & set(there if isinstance(there, dict) else {})) - NOT_THE_RUN - _MACHINE)
    pairs = [(name, _settled(name, there[name]), _settled(name, here[name])) for name in names]
    return ", ".join(f"{name}: {then}, asked {now}" for name, then, now in pairs if then != now)


def _settled(name: str, value: Any) -> Any:
    """Return what of a flag's value counts: of a teacher not where its file is."""
    return str(value).partition("@")[0] if name == "teacher" else value
