"""When each job begins: as soon as what it needs is there and one of the places is free."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from dad.errors import DataError
from studies.emojinet.plan import Job

_LOOK = 0.5  # seconds between two calls of `look`: raised where a signal arrives, an exception breaks locks


def do_when_ready(
    jobs: Sequence[Job],
    places: int,
    do: Callable[[Job], float],
    check: Callable[[], None] = lambda: None,
    look: Callable[[], None] = lambda: None,
    stop: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Job, float]]:
    """Do jobs side by side, earlier ones first, and yield each when it is done, with the seconds that it took.

    Args:
        places: how many at a time.
        do: takes a job to its end and returns the seconds; after its DataError jobs under way are let finish.
        check: called once, when the jobs of stage 0 (data and test sets) are done and before any other begins.
        look: called again and again meanwhile; may raise.
        stop: called before anything but a DataError is passed on, to end the jobs under way, which are waited for.
    """
    todo = list(jobs)
    running: dict[Future[float], Job] = {}
    checked = False
    with ThreadPoolExecutor(places) as pool:
        try:
            while todo or running:
                unfinished = {job.name: job.stage for job in [*todo, *running.values()]}
                if not checked and min(unfinished.values()) > 0:
                    check()
                    checked = True
                for job in [job for job in todo if _may_begin(job, unfinished)][: places - len(running)]:
                    todo.remove(job)
                    running[pool.submit(do, job)] = job
                done, _ = wait(running, _LOOK, FIRST_COMPLETED)
                look()
                for future in done:
                    yield running.pop(future), future.result()
        except DataError:
            raise
        except BaseException:
            stop()
            raise


def _may_begin(job: Job, unfinished: Mapping[str, int]) -> bool:
    if job.stage > 0 and 0 in unfinished.values():
        return False
    return not any(need.name in unfinished for need in job.needs)
