"""Runs jobs as processes of one thread each, several at a time; what is finished with the same settings stays."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from statistics import median
from typing import IO, Any

from dad.errors import DataError, SettingsError
from dad.files import read_json, to_json, write_atomically
from dad.report.results import load_results
from dad.variants.table import VARIANTS
from studies.emojinet.plan import ROOT, Job
from studies.emojinet.records import Record, compact

_METRICS = {variant.name: variant.metric for variant in VARIANTS}
_PACE = re.compile(r"Train: (\d+) .*Time: ([0-9.]+)/s")
_THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class Runner:
    """Carries out jobs, `workers` at a time, with a line of progress for each; remembers in `out`/jobs what is done."""

    def __init__(self, out: Path, workers: int, say: Callable[[str], None] = print):
        self.out = out
        self.workers = workers
        self.say = say
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()  # of the two fields that commands' threads and `stop` share
        self._stopped = False

    def run(self, jobs: Sequence[Job]) -> list[Record]:
        """Do what is not done yet, stage by stage, and return the runs' records in order.

        Raises:
            SettingsError: something lies there that other settings made.
            DataError: a command failed; the message names its log. Others that ran are finished, no new ones begin.
        """
        todo = [job for job in jobs if not self._is_done(job)]
        self.say(f"{len(jobs)} jobs, {len(jobs) - len(todo)} done already, expected {self._expected(todo):.0f} min")
        total = sum(job.minutes for job in todo)
        start = time.perf_counter()
        done = 0.0
        took = 0.0
        for stage in sorted({job.stage for job in todo}):
            for job, seconds in self._carry_out([job for job in todo if job.stage == stage]):
                done += job.minutes
                took += seconds / 60
                elapsed = (time.perf_counter() - start) / 60
                left = (total - done) / self.workers * took / done  # if the plan errs on the rest as it did so far
                share = f"[{100 * done / total:3.0f} %]"
                self.say(f"{share} {job.name}: {seconds:.0f} s; {elapsed:.0f} min, {left:.0f} to go")
        return [Record(**self._state(job)["record"]) for job in jobs if job.run]

    def is_pending(self, job: Job) -> bool:
        """Return whether a job is still to be done."""
        return not self._is_done(job)

    def stop(self) -> None:
        """Ask the running commands to save and end; begin no more."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.send_signal(signal.SIGTERM)

    def _carry_out(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, float]]:
        with ThreadPoolExecutor(self.workers) as pool:
            futures = {pool.submit(self._do, job): job for job in jobs}
            try:
                for future in as_completed(futures):
                    yield futures[future], future.result()
            except BaseException as error:
                for future in futures:
                    future.cancel()
                if not isinstance(error, DataError):  # a signal; after a failure the others may finish
                    self.stop()
                raise

    def _do(self, job: Job) -> float:
        log = self.out / "logs" / f"{job.name}.log"
        start = time.perf_counter()
        seconds = []
        self._remember(job, {"digest": job.digest(), "done": False})
        log.parent.mkdir(parents=True, exist_ok=True)
        for words in job.commands:
            begin = time.perf_counter()
            with log.open("ab") as stream:
                code = self._execute(words, stream)
            if code:
                raise DataError(f"{job.name}: {words[0]} ended with {code}, see {log}; the same command goes on")
            seconds.append(time.perf_counter() - begin)
        if not job.result.is_file():
            raise DataError(f"{job.name}: {job.result} is missing although its commands ended well, see {log}")
        state = {"digest": job.digest(), "done": True}
        if job.run:
            state["record"] = compact(make_record(job, seconds[0], log.read_text(errors="replace")))
        self._remember(job, state)
        return time.perf_counter() - start

    def _execute(self, words: Sequence[str], stream: IO[bytes]) -> int:
        with self._lock:
            if self._stopped:
                return 1
            process = subprocess.Popen(
                [sys.executable, *words], cwd=ROOT, env=os.environ | _THREADS, stdout=stream, stderr=stream
            )
            self._running.add(process)
        code = process.wait()
        with self._lock:
            self._running.discard(process)
        return code

    def _is_done(self, job: Job) -> bool:
        state = self._state(job)
        if state and state["digest"] != job.digest():
            raise SettingsError(
                f"{self._state_file(job)}: {job.name} was made with other settings; choose another --out, or delete it "
                "and what it made"
            )
        return bool(state.get("done")) and job.result.is_file()

    def _expected(self, jobs: Sequence[Job]) -> float:
        return sum(job.minutes for job in jobs) / self.workers

    def _state_file(self, job: Job) -> Path:
        return self.out / "jobs" / f"{job.name}.json"

    def _state(self, job: Job) -> dict[str, Any]:
        path = self._state_file(job)
        if not path.is_file():
            return {}
        return read_json(path)

    def _remember(self, job: Job, state: Mapping[str, Any]) -> None:
        write_atomically(self._state_file(job), to_json(state))


def make_record(job: Job, seconds: float, log: str) -> Record:
    """Return what a finished run found, from validate.py's results and train.py's log."""
    assert job.run is not None
    method, student, seed, epochs = job.run
    entry = next(entry for entry in load_results([str(job.result)]) if entry.get("name") == job.name)
    scores = {name: float(scores[_METRICS[name]]) for name, scores in entry["variants"].items()}
    return Record(
        method.name, student, method.teacher, method.dad_set, method.objective, seed, epochs, job.digest(), seconds,
        training_pace(log), scores,
    )  # fmt: skip


def training_pace(log: str) -> float:
    """Return images a second in training, the median over epochs, from the last progress line of each in train.py's
    log.

    Raises:
        DataError: there is no such line.
    """
    last = {int(epoch): float(pace) for epoch, pace in _PACE.findall(log)}
    if not last:
        raise DataError("train.py's log has no progress lines; was it written with another --log-interval?")
    return median(last.values())
