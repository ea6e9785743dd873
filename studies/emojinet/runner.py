"""Runs jobs as processes of one thread each, several at a time; what is finished with the same settings stays.

Records and facts about DAD sets are written as they come, so that a study that is stopped loses nothing that is
finished, and another machine goes on from the records alone.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import IO, Any

from dad.errors import DataError, SettingsError, UserError
from dad.files import read_json, to_json, write_atomically
from dad.locks import hold
from dad.report.results import load_results
from dad.variants.table import VARIANTS
from studies.emojinet.dad_sets import facts_of
from studies.emojinet.methods import DAD_SETS, ROOT
from studies.emojinet.plan import Job, run_key
from studies.emojinet.plan_file import require_same_plan
from studies.emojinet.records import Record, compact, load_records, save_records
from studies.emojinet.schedule import do_when_ready
from studies.emojinet.sets import OWN_SETS

_METRICS = {variant.name: variant.metric for variant in VARIANTS}
_PACE = re.compile(r"Train: (\d+) .*Time: ([0-9.]+)/s")
_THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopped(UserError):
    """The study was asked to stop; what was under way has saved where it is."""

    exit_code = 75  # as the scripts have it: to be gone on with


class Runner:
    """Carries out jobs, `workers` at a time, with a line of progress for each; remembers in `out`/jobs what is done.

    Args:
        results: folder of runs.json, whose records count as done, and of dad_sets.json; written as things come.
        plan: digest that every record bears.
    """

    def __init__(self, out: Path, workers: int, results: Path, plan: str, say: Callable[[str], None] = print):
        self.out = out
        self.workers = workers
        self.results = results
        self.plan = plan
        self.say = say
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()  # of the two fields that commands' threads and `stop` share
        self._stopped = False
        self._heard: list[int] = []  # signals
        self._order: list[tuple[str, str, int]] = []
        self._records = {record_key(record): record for record in read_records(results)}
        require_same_plan(self._records.values(), plan)

    def run(self, jobs: Sequence[Job], check: Callable[[], None] = lambda: None) -> list[Record]:
        """Do what is not done yet, each job as soon as what it needs is there, and return the runs' records in order.

        Args:
            jobs: in the order that records are written in.
            check: called when data and test sets are there.

        Raises:
            SettingsError: something lies there that other settings made.
            DataError: a command failed; the message names its log. Others that ran are finished, no new ones begin. Or
                another process runs this study in the same folder.
            Stopped: by SIGTERM or SIGINT.
        """
        self._order = [run_key(job.run) for job in jobs if job.run]
        with self._alone():
            self._gather(jobs)
            try:
                self._carry_out_all(self.pending(jobs), check)
            finally:
                self._gather(jobs)  # what others finished while one failed, or before a signal ended them
        return [self._records[key] for key in self._order]

    def carry_out(self, jobs: Sequence[Job]) -> None:
        """Do what is not done yet of jobs that are no runs, whether a run needs them or not.

        Raises:
            SettingsError, DataError, Stopped: as `run`.
        """
        with self._alone():
            self._carry_out_all([job for job in jobs if not self._is_done(job)], lambda: None)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        for folder in (self.out, self.results):
            folder.mkdir(parents=True, exist_ok=True)
        locks = [
            hold(folder / ".run.lock", f"{folder}: another process runs this study there; wait until it has ended")
            for folder in dict.fromkeys([self.out.resolve(), self.results.resolve()])
        ]
        before = {
            number: signal.signal(number, lambda number, _: self._heard.append(number)) for number in _STOP_SIGNALS
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            for lock in filter(None, locks):
                lock.close()

    def _carry_out_all(self, todo: Sequence[Job], check: Callable[[], None]) -> None:
        self.say(f"{len(todo)} jobs to do, expected {self._expected(todo):.0f} min")
        total = sum(job.minutes for job in todo)
        start = time.perf_counter()
        done = 0.0
        took = 0.0
        for job, seconds in do_when_ready(todo, self.workers, self._do, check, self._look, self.stop):
            self._publish(job)
            done += job.minutes
            took += seconds / 60
            elapsed = (time.perf_counter() - start) / 60
            left = (total - done) / self.workers * took / done  # if the plan errs on the rest as it did so far
            share = f"[{100 * done / total:3.0f} %]"
            self.say(f"{share} {job.name}: {seconds:.0f} s; {elapsed:.0f} min, {left:.0f} to go")

    def pending(self, jobs: Sequence[Job]) -> list[Job]:
        """Return what is still to be done: runs without a record, and what these need."""
        runs = [job for job in jobs if job.run and run_key(job.run) not in self._records and not self._is_done(job)]
        needed = {need.name for job in runs for need in _all_needs(job)}
        return [job for job in jobs if job in runs or (not job.run and (job.name in needed) and not self._is_done(job))]

    def _gather(self, jobs: Sequence[Job]) -> None:
        """Publish what was finished here but is not in the results, as when a kill came in between."""
        known = self._dad_sets()
        for job in jobs:
            lacks = run_key(job.run) not in self._records if job.run else job.dad_set and job.dad_set[0] not in known
            if lacks and self._is_done(job):
                self._publish(job)

    def _publish(self, job: Job) -> None:
        """Write what a finished job adds to the results: records in the plan's order, others behind them."""
        if job.dad_set:
            facts = {**self._dad_sets(), job.dad_set[0]: facts_of(job)}
            ordered_sets = {name: facts[name] for name in DAD_SETS if name in facts}
            write_atomically(self.results / "dad_sets.json", to_json(ordered_sets, indent=1))
        if not job.run:
            return
        record = Record(**self._state(job)["record"])
        self._records[record_key(record)] = record
        rank = {key: place for place, key in enumerate(self._order)}
        ordered = sorted(self._records.values(), key=lambda one: rank.get(record_key(one), len(rank)))
        save_records(self.results / "runs.json", ordered)

    def _dad_sets(self) -> dict[str, Any]:
        path = self.results / "dad_sets.json"
        found: dict[str, Any] = read_json(path) if path.is_file() else {}
        return found

    def stop(self) -> None:
        """Ask the running commands to save and end; begin no more."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.send_signal(signal.SIGTERM)

    def _look(self) -> None:
        if self._heard:
            name = signal.Signals(self._heard[0]).name
            raise Stopped(f"stopped by {name}; what was under way goes on by the same command")

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
            state["record"] = compact(make_record(job, seconds[0], log.read_text(errors="replace"), self.plan))
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
        if state and (state["digest"] != job.digest() or state.get("record", {}).get("plan", self.plan) != self.plan):
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


def _all_needs(job: Job) -> Iterator[Job]:
    for need in job.needs:
        yield need
        yield from _all_needs(need)


def record_key(record: Record) -> tuple[str, str, int]:
    """Return what tells runs of a plan apart: student, method, seed."""
    return record.student, record.method, record.seed


def read_records(results: Path) -> list[Record]:
    """Return the records that there are."""
    path = results / "runs.json"
    return load_records(path) if path.is_file() else []


def make_record(job: Job, seconds: float, log: str, plan: str) -> Record:
    """Return what a finished run found, from validate.py's results and train.py's log."""
    assert job.run is not None
    method, student, seed, epochs = job.run
    entry = next(entry for entry in load_results([str(job.result)]) if entry.get("name") == job.name)
    scores = {
        OWN_SETS.get(name, name): float(scores[_METRICS.get(name, "top1")])
        for name, scores in entry["variants"].items()
    }  # fmt: skip
    return Record(
        method.name, student, method.teacher, method.dad_set, method.objective, seed, epochs, job.digest(), seconds,
        training_pace(log), scores, plan,
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
