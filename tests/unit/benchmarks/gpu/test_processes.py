"""Parts in processes of their own: what they print, how they fail, when they are stopped."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.gpu import processes
from benchmarks.gpu.processes import Ended

Start = Callable[..., Ended]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Run the body of a `main` in a process."""
    monkeypatch.setattr(processes, "PRELOADED", ())
    monkeypatch.syspath_prepend(tmp_path)

    def run(name: str, body: str, seconds: float = 120, device: str = "cpu") -> Ended:
        render = "def render(results):\n    return f'table of {results}'\n"
        (tmp_path / f"{name}.py").write_text(f"import os, sys, time\n{render}def main(words):\n    {body}\n")
        (tmp_path / "out.json").write_text("[5]")
        words = ["a", "--out", str(tmp_path / "out.json")]
        return processes.run_module(name, words, tmp_path / "logs" / "log", seconds, device)

    return run


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_its_output_and_its_table_are_in_files(start: Start, tmp_path: Path, device: str) -> None:
    ended = start(f"talking_{device}", "print(words[0]); os.system('echo from below'); return 0", device=device)
    assert ended.reason == "" and not ended.is_late
    assert sorted((tmp_path / "logs" / "log").read_text().split("\n")) == ["", "a", "from below"]
    assert (tmp_path / "logs" / "log.md").read_text() == "table of [5]"


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("crossed", "raise ValueError('first line\\nsecond')", "ValueError: first line second"),
        ("refused", "from dad.errors import UsageError; raise UsageError('--x 1: no')", "--x 1: no"),
        ("absent", "import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("crashed", "os.kill(os.getpid(), 11)", "ended by SIGSEGV, see "),
        ("mute", "return 3", "exit code 3, see "),
    ],
)
def test_why_it_failed_is_said_in_one_line(start: Start, name: str, body: str, reason: str) -> None:
    ended = start(name, body)
    assert ended.reason.startswith(reason) and "\n" not in ended.reason and not ended.is_late


def test_it_is_stopped_when_the_time_is_over(start: Start, tmp_path: Path) -> None:
    body = "open('ran', 'w')\n    try: time.sleep(600)\n    finally: os.remove('ran')"
    ended = start("sleeping", f"os.chdir({str(tmp_path)!r}); {body}", seconds=1)
    assert ended.is_late and "the time was over" in ended.reason and not (tmp_path / "ran").exists()
