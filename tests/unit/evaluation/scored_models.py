"""Checkpoints as train.py writes them, and what validate.py makes of its flags."""

from argparse import Namespace
from pathlib import Path
from typing import Any

import timm
import torch
from known_answers import SIX

from dad.args import create_train_parser, create_validate_parser
from dad.args.hparams import parse_args
from dad.evaluation.candidates import Candidate, create_candidates
from dad.images.classes import ClassList
from dad.runtime import Runtime


def resolve(*words: object) -> Namespace:
    """Flags of validate.py."""
    return parse_args(create_validate_parser(), [str(word) for word in words])[0]


def create(*words: object, classes: ClassList = SIX, **runtime: Any) -> list[Candidate]:
    return create_candidates(resolve(*words), classes, Runtime(torch.device("cpu"), **runtime))


def save(path: Path, model: str = "test_resnet", *trained: str, num_classes: int = 6) -> Path:
    """Write a checkpoint as train.py does; without the flags `trained`, weights alone."""
    weights = timm.create_model(model, num_classes=num_classes).state_dict()
    averaged = {key: value * 2 for key, value in weights.items()}
    args = parse_args(create_train_parser(), ["--model", model, *trained])[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {"arch": model, "state_dict": weights, "state_dict_ema": averaged, "args": args}
    torch.save(whole if trained else weights, path)
    return path
