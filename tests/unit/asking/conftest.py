"""What is asked about in the tests of asking: the tiny world's 36 images, and its CLIP."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from dad.args import create_ask_parser
from dad.args.hparams import parse_args
from dad.asking.session import Session, create_session
from dad.runtime import Runtime
from dad.soft_targets.shards import Division
from dad.soft_targets.writer import SoftTargetWriter


@pytest.fixture
def ask_flags(train_flags: list[str]) -> Callable[..., Namespace]:
    """Flags of a build for a run of clean images, as the script resolves them."""
    fixed = [*train_flags, "--objective", "kd", "--aug-seeding", "sample"]
    return lambda *words: parse_args(create_ask_parser(), [*fixed, *map(str, words)])[0]


@pytest.fixture
def create(ask_flags: Callable[..., Namespace]) -> Callable[..., Session]:
    return lambda *words: create_session(ask_flags(*words), Runtime(torch.device("cpu")))


@pytest.fixture
def open_writer(tmp_path: Path) -> Callable[..., SoftTargetWriter]:
    """Open a folder for a session's answers, in shards of eight rows."""

    def open_folder(session: Session, name: str = "soft") -> SoftTargetWriter:
        division = Division(len(session.images), 8)
        return SoftTargetWriter(tmp_path / name, session.settings, session.about_teacher, division, {"numpy": "1"})

    return open_folder
