"""Threads that work ahead: order, errors, replacement of those that hang, and an exit that waits for none."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dad.images.watched_threads import Crew, NoAnswerError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def answer() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize("threads", [0, 1, 5])
def test_results_and_errors_come_with_their_jobs(threads: int) -> None:
    crew: Crew[int, float] = Crew(lambda number: 12 / number, threads, timeout=60)
    jobs = [crew.submit(number) for number in (3, 0, 4)]
    assert crew.wait_for(jobs[0]) == 4
    with pytest.raises(ZeroDivisionError):
        crew.wait_for(jobs[1])
    assert crew.wait_for(jobs[2]) == 3
    crew.dismiss()


def test_a_job_that_waits_for_a_thread_is_not_late() -> None:
    crew: Crew[float, bool] = Crew(threading.Event().wait, threads=1, timeout=0.5)
    jobs = [crew.submit(0.2) for _ in range(4)]
    assert [crew.wait_for(job) for job in jobs] == [False] * 4
    crew.dismiss()


def test_more_jobs_may_hang_than_there_are_threads(answer: threading.Event) -> None:
    crew: Crew[bool, bool] = Crew(lambda hangs: hangs and answer.wait(), threads=2, timeout=0.2)
    jobs = [crew.submit(number < 5) for number in range(8)]
    for job in jobs[:5]:
        with pytest.raises(NoAnswerError, match=r"no answer within 0\.2 s"):
            crew.wait_for(job)
    assert [crew.wait_for(job) for job in jobs[5:]] == [False] * 3 and len(crew.stuck) == 5
    crew.dismiss()


def test_dismissal_drops_what_none_has_begun_and_does_not_wait_for_what_hangs(answer: threading.Event) -> None:
    begun, begins = [], threading.Event()

    def work(number: int) -> None:
        begun.append(number)
        begins.set()
        answer.wait()

    crew: Crew[int, None] = Crew(work, threads=1, timeout=60)
    jobs = [crew.submit(number) for number in range(9)]
    assert begins.wait(10)
    crew.dismiss()
    answer.set()
    assert jobs[0].done.wait(10) and begun == [0]


SCRIPT = """
import sys, threading
from dad.images.watched_threads import Crew

def work_ahead():
    crew = Crew(lambda hangs: hangs and threading.Event().wait(), 4, 60)
    try:
        for job in [crew.submit(number % 2) for number in range(100)]:
            yield crew.wait_for(job)
    finally:
        crew.dismiss()

results = work_ahead()
next(results)
{last}
"""


@pytest.mark.parametrize(("last", "code"), [("", 0), ("sys.exit(3)", 3), ("raise KeyboardInterrupt", -2)])
def test_hanging_threads_do_not_hold_up_the_exit(last: str, code: int) -> None:
    command = [sys.executable, "-c", SCRIPT.replace("{last}", last)]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, timeout=30).returncode == code
