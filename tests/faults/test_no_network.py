"""Fault 42: without a network nothing is asked for that lies on this machine."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fault_tools import run

import generate
import train
import validate

CALLED_OUT = 77  # the exit code of a script that tried to


def cut_the_network() -> None:
    """End the process as soon as it looks a name up or connects to anything but this machine."""

    def refuse(*words: Any, **options: Any) -> Any:
        os.write(2, f"called out: {words}".encode())
        os._exit(CALLED_OUT)

    connect = socket.socket.connect

    def connect_here(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX:
            refuse(address)
        connect(self, address)

    socket.getaddrinfo = refuse
    socket.create_connection = refuse
    socket.socket.connect = connect_here  # type: ignore[method-assign]
    socket.socket.connect_ex = refuse  # type: ignore[method-assign]


def look_up(words: list[str]) -> int:
    """A script that asks for a name."""
    socket.getaddrinfo("example.org", 80)
    return 0


def test_a_call_would_be_noticed() -> None:
    assert run([], cut_the_network, main=look_up).code == CALLED_OUT


@pytest.fixture
def checkpoint(train_flags: list[str], tmp_path: Path) -> Path:
    """A checkpoint of one epoch."""
    assert train.main([*train_flags, "--objective", "ce", "--epochs", "1"]) == 0
    return tmp_path / "run" / "last.pth.tar"


def test_no_script_leaves_the_machine_where_all_its_paths_are_local(
    generate_flags: list[str], train_flags: list[str], world: Path, checkpoint: Path, tmp_path: Path
) -> None:
    scores = ["--checkpoint", checkpoint, "--data-dir", world / "data", "--class-map", world / "classes.txt"]
    dad = ["--objective", "dad", "--dad-dir", tmp_path / "dad", "--experiment", "offline", "--epochs", "1"]
    start = ["--initial-checkpoint", checkpoint]
    scripts: list[tuple[Callable[[list[str]], int | None], list[Any]]] = [
        (generate.main, generate_flags),
        (train.main, [*train_flags, *dad, *start]),
        (validate.main, [*scores, "--device", "cpu", "--results-file", tmp_path / "results.json"]),
    ]
    for main, words in scripts:
        done = run([str(word) for word in words], cut_the_network, main=main)
        assert done.code == 0, done.err
