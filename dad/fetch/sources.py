"""Where weights are published, by kind: files of a hub's repository, a repository for its cache, an address."""

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from huggingface_hub import constants, try_to_load_from_cache

from dad.fetch import network
from dad.fetch.record import add_to_record, is_recorded, read_record


class Source(Protocol):
    """A place that has weights."""

    @property
    def describes(self) -> str:
        """Where it is, in words."""
        ...

    @property
    def url(self) -> str:
        """An address at which its host is asked."""
        ...

    @property
    def sha256(self) -> str:
        """The first digits of the hash that is known beforehand, or nothing."""
        ...

    def find(self) -> Path | None:
        """Return where the libraries that load it have it already, in a cache of theirs."""
        ...

    def find_below(self, root: Path) -> Path | None:
        """Return what flags are to name of what was fetched to `root` before, if it is there as it was written down."""
        ...

    def fetch(self, root: Path) -> Path:
        """Download it below `root`, unless it is there, and write it down; return what flags are to name.

        Raises:
            DataError: it cannot be fetched, or is not what was published.
        """
        ...


@dataclass(frozen=True)
class HubFiles:
    """Files of a repository on the Hugging Face hub.

    Attributes:
        patterns: one file of the first pattern that has any; with `whole`, all files of all patterns, and flags name
            their folder.
        needed: names, in the order in which a loader looks for them; the first that is in its cache tells that all are.
    """

    repository: str
    patterns: tuple[str, ...]
    revision: str = ""
    whole: bool = False
    needed: tuple[str, ...] = ()
    sha256: str = ""

    @property
    def describes(self) -> str:
        """The repository and its files."""
        at = f"@{self.revision}" if self.revision else ""
        return f"hub {self.repository}{at}, {(', ' if self.whole else ' or ').join(self.patterns)}"

    @property
    def url(self) -> str:
        """The hub's."""
        return constants.ENDPOINT

    def find(self) -> Path | None:
        """Look into the hub's cache."""
        return find_in_hub_cache(self.repository, self.needed or self.patterns, self.revision, folder=self.whole)

    def choose(self, published: Sequence[str]) -> list[str]:
        """Return those of a repository's files that are wanted."""
        found = [fnmatch.filter(published, pattern) for pattern in self.patterns]
        if self.whole:
            return sorted({name for names in found for name in names if _is_plain(name)})
        return next((names[:1] for names in found if names), [])

    def find_below(self, root: Path) -> Path | None:
        """Look for the files that the record has of this repository."""
        mine = sorted(name for name, about in read_record(root).items() if about.get("from") == self.describes)
        if not mine or not all(is_recorded(root, name) for name in mine):
            return None
        return root / self._slug if self.whole else root / mine[0]

    def fetch(self, root: Path) -> Path:
        """Download the files that are not there as the record has them."""
        if there := self.find_below(root):
            return there
        came = network.fetch_hub_files(self.repository, self.revision or None, self.choose, root / self._slug)
        names = {f"{self._slug}/{name}": sha256 for name, sha256 in came.files.items()}
        add_to_record(root, names, **{"from": self.describes, "licence": came.licence, "commit": came.commit})
        return root / self._slug if self.whole else root / min(names)

    @property
    def _slug(self) -> str:
        return self.repository.replace("/", "--")


@dataclass(frozen=True)
class HubCache:
    """A repository that a library knows by its name alone, so that it has to lie in the hub's cache."""

    repository: str
    patterns: tuple[str, ...]
    needed: tuple[str, ...]
    sha256: str = ""

    @property
    def describes(self) -> str:
        """The repository."""
        return f"hub {self.repository}, {', '.join(self.patterns)}"

    @property
    def url(self) -> str:
        """The hub's."""
        return constants.ENDPOINT

    def find(self) -> Path | None:
        """Look into the hub's cache."""
        return find_in_hub_cache(self.repository, self.needed, "", folder=True)

    def find_below(self, root: Path) -> Path | None:
        """Look into the cache that is there, in which huggingface_hub names files by their hashes."""
        return find_in_hub_cache(self.repository, self.needed, "", folder=True, cache=root / "hub")

    def fetch(self, root: Path) -> Path:
        """Download into `root`/hub, which is what HF_HOME=`root` means."""
        network.fetch_into_hub_cache(self.repository, self.patterns, root / "hub")
        return root


@dataclass(frozen=True)
class Address:
    """A file at an address, or one in a zip.

    Attributes:
        cache: the folder in which the library that loads it looks first.
        name: of the file below the folder of what was fetched; default: as it is called there.
        member: of a zip.
    """

    address: str
    cache: str = ""
    name: str = ""
    member: str = ""
    sha256: str = ""

    @property
    def describes(self) -> str:
        """The address."""
        return f"{self.address}{f', {self.member} in it' if self.member else ''}"

    @property
    def url(self) -> str:
        """The address."""
        return self.address

    def find(self) -> Path | None:
        """Look into the cache."""
        path = Path(self.cache).expanduser() / Path(urlsplit(self.address).path).name
        return path if self.cache and path.is_file() else None

    def find_below(self, root: Path) -> Path | None:
        """Look for the file that the record has."""
        return root / self._name if is_recorded(root, self._name) else None

    def fetch(self, root: Path) -> Path:
        """Download the file unless it is there as the record has it."""
        if there := self.find_below(root):
            return there
        network.fetch_address(self.address, self.sha256, root / self._name, self.member)
        # the hash of a zip is not that of what is in it
        add_to_record(root, {self._name: "" if self.member else self.sha256}, **{"from": self.describes})
        return root / self._name

    @property
    def _name(self) -> str:
        return self.name or Path(urlsplit(self.address).path).name


def find_in_hub_cache(
    repository: str, names: Sequence[str], revision: str, *, folder: bool, cache: Path | None = None
) -> Path | None:
    """Return the first of some files that is in the hub's cache (or another), or the folder that it is in."""
    for name in names:
        found = try_to_load_from_cache(repository, name, revision=revision or None, cache_dir=cache)
        if isinstance(found, str):
            return Path(found).parent if folder else Path(found)
    return None


def _is_plain(name: str) -> bool:
    """Whether a file is not another precision of the weights beside it (`model.fp16.safetensors`)."""
    return Path(name).suffix not in (".safetensors", ".bin") or "." not in Path(name).stem
