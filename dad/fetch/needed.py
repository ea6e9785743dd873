"""Which weights a script with its flags needs, and where each is: in a file of the user's, or published."""

from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import timm

from dad.args.scripts import ASK
from dad.fetch.sources import Address, HubCache, HubFiles, Source
from dad.models.names import HUB, require_timm_model
from dad.objectives import load_objective
from dad.objectives.dat import SelfAttacked
from dad.objectives.debiased import Objective as Debiased
from dad.plugins import load_plugin
from dad.teachers import _clip_source as clip

_TIMM_FILES = ("model.safetensors", "pytorch_model.bin", "pytorch_model.pth", "model.pth")  # as timm looks for them
_CLIP_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin")
_TOKENIZER = ("*.json", "*.txt", "*.model", "*.tiktoken")
_ZOO = "https://ommer-lab.com/files/latent-diffusion/"  # of latent-diffusion's README; each zip holds model.ckpt
_VQGANS = {
    "vq-f8-16384": "vq-f8", "vq-f8-256": "vq-f8-n256", "vq-f4": "vq-f4", "vq-f4-noattn": "vq-f4-noattn",
    "vq-f16": "vq-f16",
}  # fmt: skip
_BY_HAND = {  # shared folders, which a browser opens
    "imagenet-f16-1024": "https://heibox.uni-heidelberg.de/d/8088892a516d4e3baf92",
    "imagenet-f16-16384": "https://heibox.uni-heidelberg.de/d/a7530b09fed84f80a887",
    "gumbel-f8-8192": "https://heibox.uni-heidelberg.de/d/2e5662443a6b4307b470",
}
_FILES = {  # flags that name a student's weights
    "validate": ("checkpoint", "onnx"),
    "train": ("pretrained_path", "initial_checkpoint", "resume"),
}
_STYLES = "https://github.com/naoto0804/pytorch-AdaIN"


@dataclass(frozen=True)
class Weights:
    """Weights that a script needs.

    Attributes:
        role: what they are for: teacher, student, VQGAN, ...
        flag: how they are named now.
        file: the file or folder that the flag names; None where they are published.
        source: where they are published.
        offline: the flag that names the file or folder of them, with {} for it; empty where HF_HOME finds them.
        licence: as far as a library tells it.
        by_hand: a page to fetch them from, where no program can.
    """

    role: str
    flag: str
    file: Path | None = None
    source: Source | None = None
    offline: str = ""
    licence: str = ""
    by_hand: str = ""

    def find(self) -> Path | None:
        """Return the file or folder on this machine that will be loaded, if it is there."""
        if self.file is not None:
            return self.file if self.file.exists() else None
        return self.source.find() if self.source is not None else None


def find_needed(script: str, args: Namespace) -> list[Weights]:
    """Return all weights that a script of `dad.args.scripts.SCRIPTS` needs with these flags.

    Raises:
        UsageError: no such model, tag or objective. DataError: the folder of a CLIP has no configuration.
    """
    found = [*_of_teacher(args)] if resolve_asks_teacher(script, args) else []
    found += _of_student(script, args)
    if script == "generate":
        found += _of_discretizer(args)
    elif script == "train":
        found += _of_objective(args)
    return found


def resolve_asks_teacher(script: str, args: Namespace) -> bool:
    """Whether a script loads the teacher that its flags name."""
    if script in ("train", ASK):
        live = script == ASK or not args.soft_targets
        return bool(args.teacher) and load_objective(args.objective).needs_teacher and live
    return bool(args.teacher)


def _of_teacher(args: Namespace) -> Iterator[Weights]:
    spec, flag = args.teacher, f"--teacher {args.teacher}"
    if not spec.startswith("clip/"):
        name, _, file = spec.partition("@")
        if file:
            yield Weights("teacher", flag, Path(file))
        else:
            yield _of_timm("teacher", flag, name, f"--teacher {name}@{{}}")
        return
    name = spec.removeprefix("clip/")
    if name.startswith(clip.HUB):
        patterns = (clip.CONFIG_FILE, *_CLIP_FILES[:1], *_TOKENIZER)
        source = HubFiles(name.removeprefix(clip.HUB), patterns, whole=True, needed=_CLIP_FILES)
        yield Weights("teacher", flag, source=source, offline="--teacher clip/local-dir:{}")
        return
    found = clip.find_source(spec)
    if name.startswith(clip.LOCAL):
        yield Weights("teacher", flag, Path(name.removeprefix(clip.LOCAL)))
    elif found.file:
        yield Weights("teacher", flag, Path(found.file))
    else:
        yield _of_tag(flag, found)
    tokenizer = clip.tokenizer_repository(found)
    if tokenizer:
        source_of_tokens = HubCache(tokenizer, _TOKENIZER, ("tokenizer.json", "tokenizer_config.json", "vocab.txt"))
        yield Weights("tokenizer", flag, source=source_of_tokens)


def _of_tag(flag: str, found: clip.ClipSource) -> Weights:
    """Return the published weights of open_clip's model and tag."""
    known = clip.published(found)
    offline = f"--teacher clip/{found.name}/{found.tag}@{{}}"
    if not known.get("hf_hub"):
        address = str(known["url"])
        found_there = Address(address, "~/.cache/clip", sha256=_sha256_in(address))
        return Weights("teacher", flag, source=found_there, offline=offline)
    repository, _, file = str(known["hf_hub"]).rpartition("/")
    files: tuple[str, ...] = _CLIP_FILES
    if file:  # open_clip takes the safetensors beside a named file, too
        files = (f"{file.rpartition('.')[0]}.safetensors", file) if file.endswith((".bin", ".pth")) else (file,)
    return Weights("teacher", flag, source=HubFiles(repository, files), offline=offline)


def _of_student(script: str, args: Namespace) -> Iterator[Weights]:
    if script == "generate":
        return
    for dest in _FILES.get(script, ()):
        value = getattr(args, dest)
        for file in value if isinstance(value, list) else [value]:
            if file and file != "auto":
                flag = f"--{dest.replace('_', '-')} {file}"
                yield Weights("student", flag, Path(file))
    if inside := args.model_kwargs.get("vqgan"):  # a Discrete ViT's own
        yield Weights("student", f"--model-kwargs vqgan={inside}", Path(str(inside)))
    if script == "validate" and (args.checkpoint or not args.pretrained):
        return
    by_file = "--checkpoint {}" if script == "validate" else "--pretrained-path {}"
    if args.model.startswith(HUB):  # its configuration is there too, so it is needed without --pretrained as well
        yield _of_timm("student", f"--model {args.model}", args.model, "--model local-dir:{}")
    elif script != ASK and args.pretrained and not getattr(args, "pretrained_path", None):
        yield _of_timm("student", f"--pretrained --model {args.model}", args.model, f"--model {args.model} {by_file}")


def _of_timm(role: str, flag: str, name: str, offline: str) -> Weights:
    """Return the published weights of a model of timm's, or of a hub's repository that timm reads."""
    if name.startswith(HUB):
        repository, _, revision = name.partition(":")[2].partition("@")
        patterns = ("config.json", _TIMM_FILES[0])
        source = HubFiles(repository, patterns, revision, whole=True, needed=_TIMM_FILES)
        return Weights(role, flag, source=source, offline=offline.replace(f"{name}@", "local-dir:"))
    if name.startswith("local-dir:"):
        return Weights(role, flag, Path(name.partition(":")[2]))
    require_timm_model(name, flag.partition(" ")[0])
    config: Any = timm.get_pretrained_cfg(name)
    licence = str(getattr(config, "license", None) or "")
    if config is not None and config.hf_hub_id:
        repository, _, revision = str(config.hf_hub_id).partition("@")
        files = (str(config.hf_hub_filename),) if config.hf_hub_filename else _TIMM_FILES
        return Weights(role, flag, source=HubFiles(repository, files, revision), offline=offline, licence=licence)
    if config is not None and config.url:
        from torch.hub import get_dir

        address = Address(str(config.url), f"{get_dir()}/checkpoints", sha256=_sha256_in(str(config.url)))
        return Weights(role, flag, source=address, offline=offline, licence=licence)
    return Weights(role, flag)


def _of_objective(args: Namespace) -> Iterator[Weights]:
    """Yield what an objective loads beside the teacher."""
    objective = load_objective(args.objective)
    if issubclass(objective, SelfAttacked):
        yield from _of_discretizer(args)
    elif issubclass(objective, Debiased) and args.style_weights:
        for file in args.style_weights:
            yield Weights("style transfer", f"--style-weights {file}", Path(file))
    elif issubclass(objective, Debiased) and (args.vqgan_checkpoint or args.discretizer != "vqgan"):
        yield from _of_discretizer(args)
    elif issubclass(objective, Debiased):
        flags = "--style-weights vgg_normalised.pth decoder.pth"
        yield Weights("style transfer", f"--objective {args.objective}", offline=flags, by_hand=_STYLES)


def _of_discretizer(args: Namespace) -> Iterator[Weights]:
    plugin = load_plugin("discretizers", args.discretizer)
    if args.discretizer == "vqgan" and args.vqgan_checkpoint:
        yield Weights("VQGAN", f"--vqgan-checkpoint {args.vqgan_checkpoint}", Path(args.vqgan_checkpoint))
    elif args.discretizer == "vqgan":
        name, flag = args.vqgan_config, f"--vqgan-config {args.vqgan_config}"
        plugin.resolve_config(name)
        source = None
        if name in _VQGANS:
            source = Address(f"{_ZOO}{_VQGANS[name]}.zip", name=f"{name}.ckpt", member="model.ckpt")
        yield Weights("VQGAN", flag, source=source, offline="--vqgan-checkpoint {}", by_hand=_BY_HAND.get(name, ""))
    elif args.discretizer == "stable_diffusion" and args.diffusion_model:
        flag = f"--diffusion-model {args.diffusion_model}"
        if Path(args.diffusion_model).is_dir():
            yield Weights("Stable Diffusion", flag, Path(args.diffusion_model))
            return
        files = [f"{part}/*{suffix}" for part in plugin.PARTS for suffix in (".json", ".txt", ".safetensors")]
        source_of_parts = HubFiles(
            args.diffusion_model, ("model_index.json", *files), whole=True, needed=("model_index.json",)
        )
        yield Weights("Stable Diffusion", flag, source=source_of_parts, offline="--diffusion-model {}")


def _sha256_in(address: str) -> str:
    """Return the hash in an address: OpenAI's have it as a folder, torch's and LAION's files end in its beginning."""
    parts = Path(urlsplit(address).path).parts
    folder = parts[-2] if len(parts) > 1 else ""
    if len(folder) == 64 and _is_hex(folder):
        return folder
    digits = Path(parts[-1]).stem.rpartition("-")[2]
    return digits if len(digits) >= 8 and _is_hex(digits) and not digits.isdecimal() else ""  # that may be a date


def _is_hex(text: str) -> bool:
    return all(letter in "0123456789abcdef" for letter in text)
