"""Jobs begin when what they need is there: jobs here take no time, or as long as another lets them."""

import threading
from pathlib import Path

import pytest

from dad.errors import DataError
from studies.emojinet.plan import Job
from studies.emojinet.schedule import do_when_ready

PATIENCE = 20  # seconds, after which a job that waits for another gives up


def job(name: str, stage: int, *needs: Job) -> Job:
    return Job(name, stage, (), Path(name), 1.0, needs=needs)


DATA = job("data", 0)
TEACHER = job("teacher", 1, DATA)
DAD_SET = job("dad_set", 2, DATA, TEACHER)
PLAIN_RUN = job("plain_run", 3, DATA)
RUN = job("run", 3, DATA, TEACHER, DAD_SET)
JOBS = (DATA, TEACHER, DAD_SET, PLAIN_RUN, RUN)


def test_a_job_begins_when_what_it_needs_is_there() -> None:
    begun: list[str] = []

    def do(one: Job) -> float:
        begun.append(one.name)
        return 0.0

    done = [one.name for one, _ in do_when_ready(JOBS, 4, do)]
    assert sorted(done) == sorted(begun) == sorted(one.name for one in JOBS)
    for one in JOBS:
        assert all(begun.index(need.name) < begun.index(one.name) for need in one.needs)
        assert all(done.index(need.name) < done.index(one.name) for need in one.needs)


def test_a_job_that_does_not_need_a_slow_one_does_not_wait_for_it() -> None:
    run_done = threading.Event()

    def do(one: Job) -> float:
        if one is TEACHER and not run_done.wait(PATIENCE):
            raise AssertionError("the plain run waited for the teacher")
        if one is PLAIN_RUN:
            run_done.set()
        return 0.0

    assert len(list(do_when_ready(JOBS, 2, do))) == len(JOBS)


def test_no_more_jobs_at_a_time_than_places_and_earlier_ones_first() -> None:
    lock = threading.Lock()
    order: list[str] = []
    running = most = 0

    def do(one: Job) -> float:
        nonlocal running, most
        with lock:
            order.append(one.name)
            running += 1
            most = max(most, running)
        threading.Event().wait(0.02)
        with lock:
            running -= 1
        return 0.0

    jobs = [job(f"run{number}", 0) for number in range(7)]
    list(do_when_ready(jobs, 1, do))
    assert most == 1 and order == [one.name for one in jobs]
    list(do_when_ready(jobs, 3, do))
    assert most == 3


def test_the_check_comes_once_after_data_and_before_all_else() -> None:
    seen: list[str] = []

    def do(one: Job) -> float:
        seen.append(one.name)
        return 0.0

    list(do_when_ready([DATA, job("sets", 0), TEACHER, PLAIN_RUN], 4, do, check=lambda: seen.append("check")))
    assert seen.count("check") == 1 and seen.index("check") == 2
    seen.clear()
    list(do_when_ready([DATA], 1, do, check=lambda: seen.append("check")))  # nothing is made of it
    assert seen == ["data"]


def test_after_a_failure_what_runs_is_finished_and_nothing_begins() -> None:
    finished: list[str] = []
    failed = threading.Event()

    def do(one: Job) -> float:
        if one.name == "bad":
            failed.set()
            raise DataError("bad ended with 1")
        failed.wait(PATIENCE)
        finished.append(one.name)
        return 0.0

    stopped: list[bool] = []
    jobs = [job("bad", 0), job("good", 0), job("late", 1)]
    with pytest.raises(DataError, match="bad ended"):
        list(do_when_ready(jobs, 2, do, stop=lambda: stopped.append(True)))
    assert finished == ["good"] and not stopped


def test_what_look_raises_stops_the_jobs_under_way() -> None:
    begun, stopped = threading.Event(), threading.Event()

    def do(one: Job) -> float:
        begun.set()
        assert stopped.wait(PATIENCE)  # as a command that is sent a signal
        return 0.0

    def look() -> None:
        if begun.is_set():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(do_when_ready([DATA, TEACHER], 1, do, look=look, stop=stopped.set))
    assert stopped.is_set()
