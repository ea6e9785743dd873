"""Device, rank, precision and seed of a process, and what is refused before anything is loaded."""

import logging
import os
import random
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from dad import runtime as runtime_module
from dad.errors import UsageError
from dad.runtime import Runtime, load_device_modules, setup_runtime

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def undisturbed() -> Iterator[None]:
    """Levels of loggers, threads and torch's generator are left as they were."""
    loggers = {name: logging.getLogger(name).level for name in runtime_module._OUR_LOGGERS}
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    yield
    for name, level in loggers.items():
        logging.getLogger(name).setLevel(level)
    torch.set_num_threads(threads)
    torch.set_rng_state(state)


def setup(**changes: object) -> Runtime:
    flags = {"device": "cpu", "amp": False, "amp_dtype": "float16", "seed": 42}
    return setup_runtime(Namespace(**{**flags, **changes}), communicate=False)


def as_rank(monkeypatch: pytest.MonkeyPatch, rank: int, world_size: int) -> None:
    for name, value in (("RANK", rank), ("LOCAL_RANK", rank), ("WORLD_SIZE", world_size)):
        monkeypatch.setenv(name, str(value))


def test_alone_it_is_the_primary_process() -> None:
    runtime = setup()
    assert (runtime.device, runtime.rank, runtime.world_size) == (CPU, 0, 1)
    assert runtime.is_primary and not runtime.distributed and runtime.dtype == torch.float32


def test_a_launchers_place_is_taken_without_joining_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    as_rank(monkeypatch, 2, 4)
    runtime = setup()
    assert (runtime.rank, runtime.local_rank, runtime.world_size) == (2, 2, 4)
    assert runtime.distributed and not runtime.is_primary and not torch.distributed.is_initialized()


def test_the_card_of_a_process_is_the_current_one(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[torch.device] = []
    cards = {"is_available": lambda: True, "device_count": lambda: 4, "set_device": chosen.append}
    for name, stub in {**cards, "get_device_capability": lambda _: (8, 0)}.items():
        monkeypatch.setattr(torch.cuda, name, stub)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    assert setup(device="cuda:1").device == chosen.pop() == torch.device("cuda:1")
    as_rank(monkeypatch, 2, 4)
    assert setup(device="cuda").device == chosen.pop() == torch.device("cuda:2")


def test_processes_of_one_machine_share_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(8)
    as_rank(monkeypatch, 0, 4)
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    setup()
    assert torch.get_num_threads() == 8  # the user has decided
    monkeypatch.delenv("OMP_NUM_THREADS")
    setup()
    assert torch.get_num_threads() == 2


def test_every_rank_has_a_seed_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = []
    for rank in (0, 1):
        as_rank(monkeypatch, rank, 2)
        setup(seed=7)
        seeds.append((torch.initial_seed(), random.random()))
    assert seeds[0][0] == 7 and seeds[1][0] == 8 and seeds[0][1] != seeds[1][1]


def test_only_the_primary_process_tells_its_progress(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    levels = []
    for rank in (0, 1):
        as_rank(monkeypatch, rank, 2)
        setup().say(f"from {rank}")
        levels.append(logging.getLogger("dad.anything").getEffectiveLevel())
    assert levels == [logging.INFO, logging.WARNING] and capsys.readouterr().out == "from 0\n"


@pytest.mark.parametrize(
    ("changes", "dtype"),
    [({}, torch.float32), ({"amp": True}, torch.float16), ({"amp": True, "amp_dtype": "bfloat16"}, torch.bfloat16)],
)
def test_networks_run_in_reduced_precision_with_amp_alone(changes: dict[str, object], dtype: torch.dtype) -> None:
    weights = torch.ones(2, 2)
    with setup(**changes).autocast():
        assert (weights @ weights).dtype == dtype
    assert (weights @ weights).dtype == torch.float32


def test_a_students_weights_may_be_of_another_type() -> None:
    assert setup(model_dtype="bfloat16").dtype == torch.bfloat16 and setup(model_dtype=None).dtype == torch.float32


def test_one_process_gathers_its_own_value_and_waits_for_nobody() -> None:
    runtime = Runtime(CPU)
    runtime.barrier()
    runtime.close()
    assert runtime.gather({"a": 1}) == [{"a": 1}]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"device": "tpu"}, "--device tpu: not available on this machine; what works here: cpu"),
        ({"device": "cpu:first"}, "--device cpu:first: not available on this machine; what works here: cpu"),
        ({"torchcompile_mode": "default"}, "--torchcompile-mode default: it needs --torchcompile"),
        ({"torchcompile": "eager", "torchcompile_mode": "fast"}, "--torchcompile-mode fast: known are default, "),
        ({"torchcompile": "inducto"}, "--torchcompile inducto: no such backend here; known are .*inductor"),
        ({"model_dtype": "float8"}, "--model-dtype float8: known are float32, bfloat16, float16"),
        ({"model_dtype": "bfloat16", "amp": True}, "--model-dtype bfloat16: --amp needs float32 weights"),
    ],
)
def test_what_is_not_there_or_excludes_each_other_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        setup(**changes)


def test_float16_weights_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    setup(model_dtype="float16")
    assert "--model-dtype float16: its gradients vanish without a scale" in caplog.text


@pytest.mark.parametrize(
    ("capability", "dtype", "warned"),
    [((7, 0), torch.bfloat16, True), ((8, 0), torch.bfloat16, False), ((7, 0), torch.float16, False)],
)
def test_an_old_card_is_told_that_it_emulates_bfloat16(
    capability: tuple[int, int], dtype: torch.dtype, warned: bool,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    runtime_module._warn_of_emulated_bfloat16(Runtime(torch.device("cuda"), autocast_dtype=dtype))
    assert ("use --amp-dtype float16" in caplog.text) is warned


def test_modules_of_further_devices_are_imported_or_named() -> None:
    load_device_modules(["json"])
    with pytest.raises(UsageError, match="--device-modules no_such_module: cannot be imported"):
        load_device_modules(["no_such_module"])


_FAULTS = """
import resource
from argparse import Namespace
import torch
from dad.runtime import setup_runtime

setup_runtime(Namespace(device="cpu", amp=False, amp_dtype="float16", seed=42), communicate=False)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    torch.empty(64 << 20, dtype=torch.uint8).fill_(1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_large_blocks_come_in_large_pages_unless_the_user_decides() -> None:
    choice = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not choice.exists() or "[madvise]" not in choice.read_text():
        pytest.skip("this system has no large pages for those that ask, or gives them to all")

    def count(**variables: str) -> int:
        environment = {name: value for name, value in os.environ.items() if name != "THP_MEM_ALLOC_ENABLE"}
        command = [sys.executable, "-c", _FAULTS]
        done = subprocess.run(command, env={**environment, **variables}, capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert count() * 10 < count(THP_MEM_ALLOC_ENABLE="0")
