"""Ship a checkpoint: `python -m dad.export output/vitb_dad/model_best.pth.tar --to vitb_dad --format timm onnx`.

    python -m dad.export CHECKPOINT --to DIR --format onnx --int8 --calibration-images /data/imagenet/train
    python validate.py --data-dir /data/imagenet --checkpoint CHECKPOINT --onnx DIR/*.onnx --results-file results.json
    python -m dad.export CHECKPOINT --to DIR --card-only --results results.json

Every file is read back and compared with the network before the folder appears.
"""

from dad.ahead import refuse_ahead

if __name__ == "__main__":  # before what takes seconds to import
    refuse_ahead(__file__, "resolve_args")

import io
import logging
import sys
import warnings
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from dad.args.checks import require_names, require_numbers, require_preprocessing
from dad.args.data import add_channel_args, add_input_args
from dad.args.key_values import KeyValues
from dad.args.repeatable import Repeatable
from dad.args.switches import Switch
from dad.args.tools import ToolParser
from dad.errors import UsageError, run_script
from dad.export.card import Card
from dad.export.check import Check, check_answers
from dad.export.images import Samples, create_samples, sample_folder
from dad.export.int8 import quantise
from dad.export.onnx_graph import onnx_file
from dad.export.push import push, require_hub
from dad.export.record import CARD, RECORD, Record, digests, read_record
from dad.export.scores import find_scores
from dad.export.staging import require_room, staged
from dad.export.timm_folder import CONFIG, WEIGHTS, config_file, require_loads, weights_file
from dad.export.torchscript import torchscript_file
from dad.export.trained import Trained, create_trained, require_same
from dad.files import write_in_turn
from dad.models.onnx_file import OnnxNetwork, require_onnx
from dad.report.results import Result

FORMATS = ("timm", "onnx", "torchscript", "safetensors")
GRAPH, INT8, TORCHSCRIPT = "model.onnx", "model_int8.onnx", "model.torchscript"


def create_parser() -> ToolParser:
    """Return the parser of the command."""
    text = "Turn a checkpoint into a folder that ships."
    parser = ToolParser(prog="python -m dad.export", description=text, words="CHECKPOINT --to DIR")
    add = parser.add_argument
    add("checkpoint", metavar="CHECKPOINT", help="checkpoint of train.py")
    add("--to", type=Path, required=True, metavar="DIR", help="folder to make")
    add("--format", default=[], nargs="+", action=Repeatable, choices=FORMATS, help="one or more; default: timm")
    add("--use-ema", default=None, action=Switch, help="averaged weights; default: if training was scored by them")
    add("--model", default="", metavar="NAME", help="timm model, where the checkpoint does not say which")
    add("--model-kwargs", default={}, nargs="*", action=KeyValues, metavar="NAME=VALUE", help="passed to create_model")
    add("--class-map", default="", metavar="FILE", help="class list, where the checkpoint does not hold it")
    add_input_args(parser)
    add_channel_args(parser)
    add("--images", default="", metavar="DIR", help="to compare on; default: those that training was validated on")
    add("--num-images", default=16, type=int, metavar="N", help="to compare on; default: 16")
    add(
        "--tolerance", default=1e-4, type=float, metavar="X", help="largest difference of a logit; default: 1e-4 of all"
    )
    add("--int8", action="store_true", help="with --format onnx: besides, the graph in 8-bit integers")
    add("--calibration-images", default="", metavar="DIR", help="of --int8: images like those that it will see")
    add("--num-calibration-images", default=256, type=int, metavar="N", help="default: 256")
    add("--results", default=[], nargs="+", metavar="FILE", help="results.json of validate.py, for the card")
    add("--name", default="", help="of the model on its card; default: the checkpoint's folder")
    add("--license", default="", metavar="NAME", help="of the weights, for the card, e.g. apache-2.0")
    add("--card-only", action="store_true", help="write the card of an export anew, e.g. with --results")
    add("--push-to-hub", default="", metavar="USER/NAME", help="publish the folder on the Hugging Face hub")
    add("--private", action="store_true", help="for --push-to-hub: a repository that only you see")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Export a checkpoint, or write the card of an export anew."""
    args = resolve_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    formats = tuple(dict.fromkeys(args.format or ["timm"]))
    record = None
    if args.card_only:
        record = read_record(args.to)
        if args.use_ema is None:
            args.use_ema = record.description.get("weights") == "ema"
        args.license = args.license or record.licence
    else:
        require_room(args.to)
        if "onnx" in formats:
            require_onnx("--format onnx")
    _require_licence(args)
    hub = require_hub(args.push_to_hub) if args.push_to_hub else None

    trained = create_trained(args)
    print(f"{args.checkpoint}: {trained.description.architecture}, {_weights_in_words(trained)}")
    if record is not None:
        require_same(trained, record.description, args.to)
    results = find_scores(args.results, trained, record.files if record else {})
    if record is None:
        record = _export(args, trained, formats, results)
    else:
        _write_card(args, trained, record, results)
    print(f"written to {args.to}: {' '.join([*record.files, CARD] if not args.card_only else [CARD])}")
    if hub is not None:
        names = [*record.files, CARD, RECORD]
        print(f"published: {push(hub, args.to, names, args.push_to_hub, private=args.private)}")


def resolve_args(argv: list[str] | None) -> Namespace:
    """Return the flags; refuse a command line that is wrong, whatever the files hold."""
    args = create_parser().parse_args(argv)
    _require_values(args)
    return args


def _require_values(args: Namespace) -> None:
    """Refuse flags that cannot work, before anything is loaded."""
    require_numbers(args)
    require_names(args)
    require_preprocessing(args)
    formats = args.format or ["timm"]
    if args.card_only and (args.format or args.int8 or args.calibration_images or args.images):
        raise UsageError("--card-only writes the card alone: leave out --format, --int8 and images")
    if args.int8 and "onnx" not in formats:
        raise UsageError("--int8 is of an ONNX file: add onnx to --format")
    if args.int8 and not args.calibration_images:
        raise UsageError("--int8 needs --calibration-images DIR: images like those that it will see, e.g. of training")
    if args.calibration_images and not args.int8:
        raise UsageError(f"--calibration-images {args.calibration_images}: they are of --int8, which is not given")
    if args.images and not {"onnx", "torchscript"} & set(formats):
        raise UsageError(f"--images {args.images}: nothing is compared on images in --format {' '.join(formats)}")
    if args.private and not args.push_to_hub:
        raise UsageError("--private is of --push-to-hub, which is not given")


def _require_licence(args: Namespace) -> None:
    if args.push_to_hub and not args.license:
        raise UsageError(
            f"--push-to-hub {args.push_to_hub} needs --license NAME, e.g. apache-2.0, or other: what is published "
            "without one may be used by nobody"
        )


def _export(args: Namespace, trained: Trained, formats: tuple[str, ...], results: Sequence[Result]) -> Record:
    samples = create_samples(args, trained) if {"onnx", "torchscript"} & set(formats) else None
    files: dict[str, bytes] = {}
    checks: dict[str, Check] = {}
    calibration = ""
    if {"timm", "safetensors"} & set(formats):
        files[WEIGHTS] = weights_file(trained)
    if "timm" in formats:
        files[CONFIG] = config_file(trained)
    for name, content, check, said in _graphs(args, trained, formats, samples) if samples else ():
        files[name], checks[name], calibration = content, check, calibration or said
        print(f"{name}: {check.sentence}")
    told = {name: {**asdict(check), "sentence": check.sentence} for name, check in checks.items()}
    name = args.name or Path(args.checkpoint).resolve().parent.name
    record = Record(name, args.license, trained.description.to_strings(), digests(files), told, calibration)
    card = _card(args, trained, record, results).to_bytes()
    with staged(args.to, {**files, RECORD: record.to_bytes(), CARD: card}) as folder:
        if "timm" in formats:
            require_loads(folder, trained)
    return record


def _write_card(args: Namespace, trained: Trained, record: Record, results: Sequence[Result]) -> None:
    """Write the card of an export anew; name and licence stay unless others are given.

    Raises:
        UsageError: scores on the card would be lost.
    """
    from huggingface_hub import metadata_load  # slow to import

    card = args.to / CARD
    if not args.results and card.is_file() and (metadata_load(card) or {}).get("model-index"):
        raise UsageError(f"--card-only: {card} has scores, which would be lost; give their --results FILE again")
    record = replace(record, name=args.name or record.name, licence=args.license or record.licence)
    files = [(args.to / RECORD, record.to_bytes()), (card, _card(args, trained, record, results).to_bytes())]
    write_in_turn(files)


def _graphs(
    args: Namespace, trained: Trained, formats: tuple[str, ...], samples: Samples
) -> Iterator[tuple[str, bytes, Check, str]]:
    """Yield the name of each graph, its content, how it compares with the network, and how it was calibrated."""
    network, description = trained.network, trained.description
    if "onnx" in formats:
        graph = onnx_file(network, description)
        yield GRAPH, graph, check_answers(GRAPH, network, OnnxNetwork(graph), samples, args.tolerance), ""
    if args.int8:
        folder = Path(args.calibration_images)
        count, batches = sample_folder(folder, trained, args.num_calibration_images, 16)
        said = f"{INT8} was calibrated on {count:,} images of {folder.resolve().name}."
        content = quantise(graph, description, batches, said)
        yield INT8, content, check_answers(INT8, network, OnnxNetwork(content), samples, None), said
    if "torchscript" in formats:
        content = torchscript_file(network, description)
        check = check_answers(TORCHSCRIPT, network, _read_torchscript(content), samples, args.tolerance)
        yield TORCHSCRIPT, content, check, ""


def _read_torchscript(content: bytes) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch recommends torch.export, whose files less can read
        return torch.jit.load(io.BytesIO(content))  # type: ignore[no-untyped-call]


def _card(args: Namespace, trained: Trained, record: Record, results: Sequence[Result]) -> Card:
    place = f"hf_hub:{args.push_to_hub}" if args.push_to_hub else f"local-dir:{args.to.name}"
    return Card(place, trained, record, results)


def _weights_in_words(trained: Trained) -> str:
    if trained.description.weights == "ema":
        return "the moving average of its weights, as validate.py --use-ema scores it (--no-use-ema: the weights)"
    return "its weights, as validate.py scores them"


if __name__ == "__main__":
    sys.exit(run_script(main))
