"""Threads that work ahead, and are replaced where they hang.

`concurrent.futures` waits for its threads at exit, so for ever if one of them reads from a disk that is gone.
"""

import atexit
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar
from weakref import WeakSet

_FAREWELL = 1.0  # seconds for threads to finish what is in hand

Item = TypeVar("Item")
Result = TypeVar("Result")


class NoAnswerError(Exception):
    """A job that took too long; its thread was given up."""


@dataclass(eq=False)
class Job(Generic[Item]):
    """An item to work on, and what came of it."""

    item: Item
    outcome: Any = None  # a result, or the exception that was raised instead
    done: threading.Event = field(default_factory=threading.Event)
    claim: threading.Lock = field(default_factory=threading.Lock)  # whoever takes it says how the job ended
    thread: threading.Thread | None = None
    begun: float | None = None


class Crew(Generic[Item, Result]):
    """Daemon threads that take jobs in the order of their submission."""

    def __init__(self, work: Callable[[Item], Result], threads: int, timeout: float):
        """Start `threads` threads (0: work in line, without a time limit), with `timeout` seconds for each job."""
        self.timeout = timeout
        self.stuck: list[threading.Thread] = []
        self._work = work
        self._jobs: SimpleQueue[Job[Item] | None] = SimpleQueue()
        self._threads = [self._hire() for _ in range(threads)]
        _crews.add(self)

    def submit(self, item: Item) -> Job[Item]:
        """Queue an item."""
        job = Job(item)
        self._jobs.put(job)
        return job

    def wait_for(self, job: Job[Item]) -> Result:
        """Return a job's result, or raise what it raised; jobs have to be asked for in the order of their submission.

        Raises:
            NoAnswerError: it took too long. Another thread takes the place of the one that hangs.
        """
        if not self._threads:
            return self._work(job.item)
        # A thread is always free to begin this job: those that hang in earlier ones have been replaced by now.
        while not job.done.wait(self._time_left(job)):
            if job.begun is not None and self._time_left(job) <= 0 and job.claim.acquire(blocking=False):
                self._replace(job)
                raise NoAnswerError(f"no answer within {self.timeout:g} s")
        if isinstance(job.outcome, Exception):
            raise job.outcome
        result: Result = job.outcome
        return result

    def dismiss(self, deadline: float | None = None) -> None:
        """Let the threads go, and wait for them, but no longer than a moment or until `deadline` (`time.monotonic`);
        jobs that none has begun are dropped."""
        try:
            while True:
                self._jobs.get_nowait()
        except Empty:
            pass
        for _ in self._threads:
            self._jobs.put(None)
        if deadline is None:
            deadline = time.monotonic() + _FAREWELL
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _time_left(self, job: Job[Item]) -> float:
        return self.timeout if job.begun is None else job.begun + self.timeout - time.monotonic()

    def _hire(self) -> threading.Thread:
        thread = threading.Thread(target=_run, args=(self._jobs, self._work), daemon=True)
        thread.start()
        return thread

    def _replace(self, job: Job[Item]) -> None:
        assert job.thread is not None
        self._threads[self._threads.index(job.thread)] = self._hire()
        self.stuck = [thread for thread in (*self.stuck, job.thread) if thread.is_alive()]


_crews: WeakSet[Crew[Any, Any]] = WeakSet()


@atexit.register
def _dismiss_all() -> None:
    """Dismiss the crews that an interrupt has left at work, say in a suspended generator: the interpreter's exit would
    end their threads wherever they are, and within C++ code that aborts the process."""
    deadline = time.monotonic() + _FAREWELL
    for crew in list(_crews):
        crew.dismiss(deadline)


def _run(jobs: "SimpleQueue[Job[Any] | None]", work: Callable[[Any], Any]) -> None:
    while (job := jobs.get()) is not None:
        job.thread, job.begun = threading.current_thread(), time.monotonic()
        try:
            job.outcome = work(job.item)
        except Exception as error:  # raised where the job is asked for
            job.outcome = error
        if not job.claim.acquire(blocking=False):
            return  # given up and replaced meanwhile
        job.done.set()
