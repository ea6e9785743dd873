"""Commands are run as a shell runs them, and hear what this process is told."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dad.tables.processes import run


def test_words_before_the_program_are_variables(tmp_path: Path) -> None:
    text = f"import os, sys; open({str(tmp_path / 'x')!r}, 'w').write(os.environ['A'] + sys.argv[1] + sys.executable)"
    assert run(["A=1=2", "python", "-c", text, "b=c"]) == (0, False)
    assert (tmp_path / "x").read_text() == f"1=2b=c{sys.executable}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_handed_on_and_the_command_may_save(number: int, tmp_path: Path) -> None:
    script = tmp_path / "save.sh"
    trap = f"trap 'sleep 0.5; touch {tmp_path}/saved; exit 75' INT TERM"
    script.write_text(f"{trap}\ntouch {tmp_path}/up\nsleep 20 > /dev/null & wait\n")
    text = f"from dad.tables.processes import run\nprint(run(['bash', '{script}']))"
    process = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True, start_new_session=True)
    while not (tmp_path / "up").exists():
        time.sleep(0.05)
    os.killpg(process.pid, number)  # as a terminal does
    assert process.communicate(timeout=60)[0] == "(75, True)\n" and (tmp_path / "saved").exists()
