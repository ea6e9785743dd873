"""Measure what the paper says of its own method: `python -m dad.analysis wasserstein` is appendix D and Fig. 2."""

from dad.ahead import refuse_ahead

if __name__ == "__main__":  # before what takes seconds to import
    refuse_ahead(__file__, "resolve_args")

import sys
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from timm.data import resolve_data_config
from torch import nn

from dad.analysis.folders import Transform, is_dad_set, open_folder, sample_batches
from dad.analysis.moments import BatchNorms, Moments, collect_moments, find_batch_norms
from dad.analysis.performance import Performance, Scoreboard, find_scoreboard
from dad.analysis.wasserstein import LAYERS, NORMALISATIONS, REDUCTIONS, Distance, measure_distance
from dad.args.checks import require_numbers
from dad.args.tools import ToolParser
from dad.charts.scatter import scatter_plot
from dad.charts.svg import to_file
from dad.errors import UsageError, run_script
from dad.files import temporary_beside, to_json, write_atomically, writing
from dad.markdown import format_rows
from dad.models import load_student
from dad.report import load_results
from dad.runtime import find_device
from dad.variants.pipeline import create_pipeline, find_rule

_SETTINGS = ("checkpoint", "use_ema", "layers", "reduce", "normalise", "mode", "num_batches", "batch_size", "seed")


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    args = resolve_args(argv)
    args.device = find_device(args.device)
    code: int = args.run(args) or 0
    return code


def resolve_args(argv: list[str] | None) -> Namespace:
    """Return the flags; refuse a command line that is wrong, whatever the files hold."""
    args = create_parser().parse_args(argv)
    _check(args)
    return args


def create_parser() -> ToolParser:
    """Return the parser of the command."""
    program = "python -m dad.analysis"
    parser = ToolParser(prog=program, description=__doc__.split(":")[0] + ".", words="COMMAND")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", prog=program)
    text = "compare folders of images by the batch-norm statistics of a network (appendix D)"
    command = commands.add_parser("wasserstein", help=text, description=text)
    command.set_defaults(run=_wasserstein)
    add = command.add_argument
    add("--reference", type=Path, required=True, metavar="DIR", help="clean images, from which distances are measured")
    add("--folders", nargs="+", required=True, metavar="NAME=DIR", help="images in class folders or not, or a DAD set")
    add("--model", default="resnet50", metavar="NAME", help="a timm model with batch norm; default: resnet50")
    add("--pretrained", action="store_true", help="with timm's published weights")
    add("--checkpoint", default="", metavar="FILE", help="or with those of a checkpoint of train.py")
    add("--use-ema", action="store_true", help="the checkpoint's averaged weights")
    add("--num-classes", type=int, default=1000, metavar="N", help="of the model; default: 1000")
    add("--layers", default="all", choices=LAYERS, help="default: all")
    add("--reduce", default="sum", choices=REDUCTIONS, help="over the channels of a layer; default: sum")
    add("--normalise", default="none", choices=NORMALISATIONS, help="each channel; default: none")
    add("--mode", default="eval", choices=["eval", "train"], help="train normalises by each batch; default: eval")
    add("--num-batches", type=int, default=1000, metavar="N", help="of each folder; default: 1000, as in the paper")
    add("-b", "--batch-size", type=int, default=32, metavar="N", help="default: 32")
    add("--seed", type=int, default=42, metavar="N", help="of the sample of images; default: 42")
    add("-j", "--workers", type=int, default=4, metavar="N", help="processes that load images; default: 4")
    add("--device", default="", metavar="NAME", help="default: cuda where there is one")
    add("--scores", nargs="+", default=[], metavar="FILE", help="results.json of validate.py, for the plots of Fig. 2")
    add("--baseline", default="", metavar="NAME", help="model of Fig. 2b's zero line; default: the first of --scores")
    add("--output", type=Path, default=Path("output/wasserstein"), metavar="DIR", help="default: output/wasserstein")
    return parser


def _wasserstein(args: Namespace) -> None:
    folders = _find_folders(args.folders)
    scoreboard = Scoreboard({}, {})
    if args.scores:
        scoreboard = find_scoreboard(load_results(args.scores), list(folders))
    baseline = args.baseline or next(iter(scoreboard.scores), "")
    scores = scoreboard.performance(list(folders))
    gains = {}
    if len(scoreboard.scores) > 1:
        gains = scoreboard.relative_to(baseline, list(folders))

    _require_place(args.output / "wasserstein.json")
    model, name, layers = _load_model(args)
    config = resolve_data_config({}, model=model)
    reference = _Images(args.reference, _transform("", args.reference, config))
    images = {title: _Images(folder, _transform(title, folder, config)) for title, folder in folders.items()}
    for found in (reference, *images.values()):
        open_folder(found.folder, found.transform)  # a missing one is found before the first is measured
    _, source = _measure(args, reference, model, layers)
    measured: dict[str, tuple[int, Distance]] = {}
    for title, found in images.items():
        count, target = _measure(args, found, model, layers)
        measured[title] = count, measure_distance(source, target, args.layers, args.reduce, args.normalise)

    distances = {title: distance.value for title, (_, distance) in measured.items()}
    print(_format(measured, scores))
    settings = {setting: getattr(args, setting) for setting in _SETTINGS}
    content = {
        "settings": {"model": name, "reference": str(args.reference), "input": config, **settings},
        "distances": {title: _as_row(folders[title], *row) for title, row in measured.items()},
        "performance": scores,
        "relative": {"baseline": baseline, "performance": gains},
    }
    write_atomically(args.output / "wasserstein.json", to_json(content, indent=1))
    axis = f"Wasserstein distance from {args.reference.name} ({name}, {args.layers} batch norms)"
    _draw(args.output / "distance.svg", "Distance and performance", axis, "top-1, or 100 − mCE (%)", distances, scores)
    gain = f"difference to {baseline} (points)"
    _draw(args.output / "relative.svg", "Distance and gain over the baseline", axis, gain, distances, gains)
    print(f"written to {args.output}")


def _check(args: Namespace) -> None:
    if not (args.pretrained or args.checkpoint):
        raise UsageError("a network without training tells nothing: give --pretrained, or --checkpoint FILE")
    if args.baseline and not args.scores:
        raise UsageError(f"--baseline {args.baseline}: it is a model of --scores, which is not given")
    require_numbers(args)
    _find_folders(args.folders)


def _require_place(file: Path) -> None:
    """Raise a DataError if a file could not be written that takes hours to come by."""
    with writing(file.parent, "choose another --output"):
        file.parent.mkdir(parents=True, exist_ok=True)
        trial = temporary_beside(file)
        trial.touch()
        trial.unlink()


def _find_folders(words: list[str]) -> dict[str, Path]:
    folders: dict[str, Path] = {}
    for word in words:
        name, separator, folder = word.partition("=")
        if not (name and separator and folder):
            raise UsageError(f"--folders {word}: expected NAME=DIR, e.g. imagenet-r=/data/imagenet-r")
        if name in folders:
            raise UsageError(f"--folders: {name} is there twice; a name is a point in the plots")
        folders[name] = Path(folder)
    return folders


def _load_model(args: Namespace) -> tuple[nn.Module, str, BatchNorms]:
    """Return the network in the mode that it is measured in, its architecture's name, and its batch norms."""
    model: Any = load_student(args.model, args.num_classes, args.checkpoint, args.use_ema, args.pretrained, {})
    name = model.pretrained_cfg["architecture"] if args.checkpoint else args.model
    layers = find_batch_norms(model, name)
    for layer in layers.values():
        layer.train(args.mode == "train")
    return model.to(args.device), name, layers


@dataclass(frozen=True)
class _Images:
    """A folder, and how its images become what the network sees."""

    folder: Path
    transform: Transform


def _transform(name: str, folder: Path, config: Mapping[str, Any]) -> Transform:
    """Return the network's own transform, with the rules of the test set that a folder holds; DAD images were cropped
    when they were made."""
    return create_pipeline(config, find_rule(name, folder), is_cropped=is_dad_set(folder))


def _measure(args: Namespace, images: _Images, model: nn.Module, layers: BatchNorms) -> tuple[int, dict[str, Moments]]:
    dataset = open_folder(images.folder, images.transform)
    count, batches = sample_batches(dataset, args.num_batches, args.batch_size, args.seed, args.workers)
    print(f"{images.folder}: {count} images", flush=True)
    return count, collect_moments(model, layers, batches, torch.device(args.device))


def _as_row(folder: Path, count: int, distance: Distance) -> dict[str, Any]:
    return {
        "folder": str(folder),
        "images": count,
        "distance": distance.value,
        "squared_distance": distance.squared,
        "layers": dict(distance.layers),
    }


def _format(measured: Mapping[str, tuple[int, Distance]], scores: Performance) -> str:
    rows = [["Images", "count", "W2", "W2²", *scores]]
    for name, (count, distance) in sorted(measured.items(), key=lambda item: item[1][1].value):
        numbers = [f"{numbers[name]:.1f}" if name in numbers else "–" for numbers in scores.values()]
        rows.append([name, str(count), f"{distance.value:.4g}", f"{distance.squared:.4g}", *numbers])
    return format_rows(rows)


def _draw(
    path: Path, title: str, x_title: str, y_title: str, distances: Mapping[str, float], series: Performance
) -> None:
    """Write a plot of the folders that have a number; none, if no folder has."""
    shown = {name: x for name, x in distances.items() if any(name in numbers for numbers in series.values())}
    if shown:
        write_atomically(path, to_file(scatter_plot(title, x_title, y_title, shown, series)))


if __name__ == "__main__":
    sys.exit(run_script(main))
