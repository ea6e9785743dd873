"""The only place that downloads: huggingface_hub for the hub, torch for an address."""

import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, hf_hub_download, snapshot_download
from huggingface_hub.errors import EntryNotFoundError, HTTPError
from torch.hub import download_url_to_file

from dad.checkpoints.downloads import require_reachable
from dad.errors import DataError
from dad.files import temporary_beside

_FAILURES = (OSError, RuntimeError, ValueError, EntryNotFoundError, HTTPError, zipfile.BadZipFile)
_ADVICE = "run this on a node that has a network, a login node say, and without HF_HUB_OFFLINE"


@dataclass(frozen=True)
class Fetched:
    """What came.

    Attributes:
        files: below the folder that was asked for, with the SHA-256 that the publisher says, "" where it says none.
        licence: as the publisher says it; "" where it says none.
        commit: of the hub's repository.
    """

    files: dict[str, str] = field(default_factory=dict)
    licence: str = ""
    commit: str = ""


def fetch_hub_files(
    repository: str, revision: str | None, choose: Callable[[Sequence[str]], Sequence[str]], folder: Path
) -> Fetched:
    """Download those files of a hub's repository that `choose` takes from its listing.

    Raises:
        DataError: there is no way to the hub, no such repository, or none of the files.
    """
    what = f"hub repository {repository}"
    require_reachable(what, constants.ENDPOINT, _ADVICE)
    with _explaining(what):
        about = HfApi().model_info(repository, revision=revision, files_metadata=True)
        published: dict[str, Any] = {sibling.rfilename: sibling.lfs for sibling in about.siblings or ()}
        names = list(choose(list(published)))
        if not names:
            raise DataError(f"{what}: none of its {len(published)} files is the one that is wanted")
        for name in names:
            hf_hub_download(repository, name, revision=about.sha, local_dir=folder)
    hashes = {name: getattr(published[name], "sha256", "") or "" for name in names}
    return Fetched(hashes, str(getattr(about.card_data, "license", "") or ""), about.sha or "")


def fetch_into_hub_cache(repository: str, patterns: Sequence[str], cache: Path) -> None:
    """Download files of a hub's repository into a cache as huggingface_hub lays it out.

    Raises:
        DataError: there is no way to the hub, or no such repository.
    """
    what = f"hub repository {repository}"
    require_reachable(what, constants.ENDPOINT, _ADVICE)
    with _explaining(what):
        snapshot_download(repository, cache_dir=cache, allow_patterns=list(patterns))


def fetch_address(address: str, sha256: str, path: Path, member: str = "") -> None:
    """Download a file to `path`, or one member of a zip.

    Args:
        sha256: its first digits, or nothing.

    Raises:
        DataError: its host cannot be reached, does not have it, or it is another file.
    """
    require_reachable(address, address, _ADVICE)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrived = temporary_beside(path)
    try:
        with _explaining(address):
            download_url_to_file(address, str(arrived), hash_prefix=sha256 or None)
            if member:
                _unpack(arrived, member, path)
            else:
                arrived.replace(path)
    finally:
        arrived.unlink(missing_ok=True)


def _unpack(archive: Path, member: str, path: Path) -> None:
    """Take one file out of a zip, whose name leads nowhere."""
    unpacked = temporary_beside(path)
    try:
        with zipfile.ZipFile(archive) as content:
            names = [name for name in content.namelist() if Path(name).name == member]
            if len(names) != 1:
                raise ValueError(f"{len(names)} files named {member} in the zip")
            with content.open(names[0]) as source, unpacked.open("wb") as target:
                while block := source.read(1 << 20):
                    target.write(block)
        unpacked.replace(path)
    finally:
        unpacked.unlink(missing_ok=True)


@contextmanager
def _explaining(what: str) -> Iterator[None]:
    try:
        yield
    except _FAILURES as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise DataError(f"{what}: cannot be fetched ({reason}); {_ADVICE}") from error
