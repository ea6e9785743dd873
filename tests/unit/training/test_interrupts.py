"""A signal is a request, granted when it is asked for; what a process starts meanwhile never hears of it."""

import os
import signal
import subprocess
import sys

import pytest

from dad.runtime import Runtime
from dad.training.interrupts import STOP_SIGNALS, Interrupts, held_back


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_becomes_a_request_until_the_signals_are_given_back(number: int, cpu: Runtime) -> None:
    before = signal.getsignal(number)
    interrupts = Interrupts(cpu)
    try:
        assert not interrupts.requested()
        os.kill(os.getpid(), number)
        assert interrupts.requested()
    finally:
        interrupts.close()
    assert signal.getsignal(number) is before


_TWICE = """
import os, signal, torch
from dad.runtime import Runtime
from dad.training.interrupts import Interrupts
interrupts = Interrupts(Runtime(torch.device("cpu")))
for _ in range(2):
    os.kill(os.getpid(), signal.SIGTERM)
print("still here")
"""


def test_a_second_signal_ends_the_process_at_once() -> None:
    done = subprocess.run([sys.executable, "-c", _TWICE], capture_output=True, text=True, check=False)
    assert done.returncode == 128 + signal.SIGTERM and "still here" not in done.stdout


def test_losing_the_launcher_is_a_request_where_there_are_other_processes(
    cpu: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupts = Interrupts(cpu)
    try:
        monkeypatch.setattr("os.getppid", lambda: 1)
        assert not interrupts.requested()  # alone: nohup and daemons outlive their shell
        interrupts._group = object()
        monkeypatch.setattr("torch.distributed.all_reduce", lambda *args, **settings: None)
        assert interrupts.requested()
    finally:
        interrupts.close()


def test_what_is_started_meanwhile_has_the_signals_blocked() -> None:
    with held_back():
        own = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        show = "import signal; print(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])))"
        child = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True)
    assert set(STOP_SIGNALS) <= own and "SIGTERM" in child.stdout
    assert not set(STOP_SIGNALS) & signal.pthread_sigmask(signal.SIG_BLOCK, [])
