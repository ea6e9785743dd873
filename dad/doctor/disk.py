"""Space and inodes for what a run will write, and whether its folders can be written at all."""

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dad.doctor.findings import Finding, fail, ok, warn
from dad.errors import describe_rights
from dad.files import temporary_beside

_TRIAL = bytes(1 << 16)  # a quota that is used up shows with the first block
_TIGHT = 0.9  # of what is free


@dataclass(frozen=True)
class Need:
    """What will be written to a folder.

    Attributes:
        what: in words.
        bytes, files: about how much, at most.
        remedy: how to need less of it.
    """

    what: str
    folder: Path
    bytes: int
    files: int
    remedy: str = ""


@dataclass(frozen=True)
class Space:
    """What a file system has.

    Attributes:
        place: the folder that was asked about, or the nearest one above it that is there.
        system: a number that two folders on one file system share.
        free: bytes for this user.
        inodes: files that may still be made; None where the file system has no such limit.
    """

    place: Path
    system: int
    free: int
    inodes: int | None

    @classmethod
    def of(cls, folder: Path) -> "Space":
        """Ask the file system; no quota of a user's shows here."""
        place = nearest(folder)
        status = os.statvfs(place)
        inodes = status.f_favail if status.f_files else None
        return cls(place, place.stat().st_dev, status.f_bavail * status.f_frsize, inodes)


def nearest(folder: Path) -> Path:
    """Return a folder, or the nearest one above it that is there."""
    folder = folder.absolute()
    return next(place for place in (folder, *folder.parents) if os.path.exists(place))  # noqa: PTH110  (never raises)


def judge_space(needs: Iterable[Need], space_of: Callable[[Path], Space] = Space.of) -> list[Finding]:
    """Say of each file system whether all that will be written to it fits."""
    by_system: dict[int, tuple[Space, list[Need]]] = {}
    for need in needs:
        space = space_of(need.folder)
        by_system.setdefault(space.system, (space, []))[1].append(need)
    return [_judge(space, needs) for space, needs in by_system.values()]


def _judge(space: Space, needs: Sequence[Need]) -> Finding:
    size, files = sum(need.bytes for need in needs), sum(need.files for need in needs)
    parts = ", ".join(f"{need.what} {human(need.bytes)}" for need in needs)
    said = f"{space.place}: {human(space.free)} free, about {human(size)} will be written ({parts})"
    remedies = [f"free {human(size - space.free)}, or write elsewhere", *(need.remedy for need in needs)]
    if size > space.free:
        return fail("disk", said, ", or ".join(filter(None, remedies)))
    if space.inodes is not None and files > space.inodes:
        lacking = f"{space.place}: {space.inodes:,} files may still be made, about {files:,} will be"
        return fail("inodes", lacking, "remove files there, or write elsewhere")
    if size > _TIGHT * space.free:
        return warn("disk", f"{said}, which is nearly all", "free more, or write elsewhere")
    inodes = "" if space.inodes is None else f"; {space.inodes:,} inodes free, about {files:,} files"
    return ok("disk", said + inodes)


def judge_writable(folders: Iterable[Path]) -> list[Finding]:
    """Write a small file to each folder and take it away again: a quota that is used up shows only so."""
    found = []
    for place in dict.fromkeys(map(nearest, folders)):
        trial = temporary_beside(place / "trial")
        try:
            with trial.open("wb") as file:
                file.write(_TRIAL)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            reason = f"{error.strerror or type(error).__name__}{describe_rights(place, error)}"
            free = f"; {human(shutil.disk_usage(place).free)} are free there"
            found.append(fail("writable", f"{place}: {reason}{free}", "mend that, or write elsewhere"))
        finally:
            with suppress(OSError):
                trial.unlink()
    return found


def human(size: float) -> str:
    """Return a number of bytes in words."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(size) < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.2f} TB"
