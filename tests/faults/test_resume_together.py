"""Faults 15, 16 and 32 on two processes: they stop and go on together, and share what there is."""

import itertools
import os
from functools import partial
from pathlib import Path

from run_tools import HARD, codes, require_equal, signal_at, status, together

import generate
from dad.training.interrupts import Interrupts


def test_a_signal_to_one_process_stops_all_at_the_same_update(train_flags: list[str], tmp_path: Path) -> None:
    flags = [*train_flags, *HARD]
    assert codes(together([*flags, "--experiment", "whole"])) == [0, 0]
    done = together(flags, partial(signal_at, 9))
    assert codes(done) == [75, 75], done
    assert status(tmp_path / "run")["checkpoint"] == str(tmp_path / "run" / "recovery-1-4.pth.tar")
    assert codes(together(flags)) == [0, 0]
    require_equal(tmp_path / "run", tmp_path / "whole")


def die_at(update: int) -> None:
    """Die just before this process asks for the `update`-th time whether it has to stop."""
    count, requested = itertools.count(1), Interrupts.requested

    def ask(self: Interrupts) -> bool:
        if next(count) == update:
            os._exit(9)
        return requested(self)

    Interrupts.requested = ask  # type: ignore[method-assign]


def test_a_dead_process_ends_the_other_and_the_run_goes_on(train_flags: list[str], tmp_path: Path) -> None:
    flags = [*train_flags, "--recovery-interval", "1"]
    assert codes(together([*flags, "--experiment", "whole"])) == [0, 0]
    alive, dead = together(flags, partial(die_at, 3))
    assert alive.code == 1 and dead.code == 9
    assert status(tmp_path / "run")["state"] == "failed" and status(tmp_path / "run")["resumable"]
    assert codes(together(flags)) == [0, 0]
    require_equal(tmp_path / "run", tmp_path / "whole")


def test_one_shard_is_enough_for_two_processes_of_four_workers(
    train_flags: list[str], generate_flags: list[str], tmp_path: Path
) -> None:
    assert generate.main([*generate_flags, "--shard-size", "100"]) == 0
    assert len(list((tmp_path / "dad" / "shards").glob("*.tar"))) == 1
    words = ["--objective", "dad", "--dad-dir", str(tmp_path / "dad"), "--workers", "4", "--epochs", "1"]
    done = together([*train_flags, *words])
    assert codes(done) == [0, 0] and "epochs of 4 updates" in done[0].out, done
