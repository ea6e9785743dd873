"""A shard's tar and its marker: pure functions of the samples, and what does not count as committed."""

import errno
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from dad.files import to_json
from dad.shards import Ledger, Sample
from dad.shards.marker import glance_at_marker, pack_shard, read_marker, shard_paths

SAMPLES = [Sample(f"ant/{number}.x", 3, {"npy": bytes([number]) * 700}, {"codes_changed": 0.5}) for number in range(3)]


def write(root: Path, changes: dict[str, Any] | None = None) -> None:
    tar, marker = pack_shard("abc", SAMPLES, {"ant/8": {"predicted": 1}}, {"ant/9": "cut"})
    tar_path, marker_path = shard_paths(root, 7)
    tar_path.parent.mkdir(parents=True)
    tar_path.write_bytes(tar)
    marker_path.write_bytes(to_json({**asdict(marker), **(changes or {})}))


def test_files_are_numbered() -> None:
    assert shard_paths(Path("dad"), 7) == (Path("dad/shards/00007.tar"), Path("dad/shards/00007.json"))


def test_the_order_of_the_samples_changes_nothing() -> None:
    assert pack_shard("abc", SAMPLES, {}, {}) == pack_shard("abc", reversed(SAMPLES), {}, {})


def test_the_marker_vouches_for_the_tar_and_knows_where_each_payload_lies() -> None:
    tar, marker = pack_shard("abc", SAMPLES, {"ant/8": {}}, {"ant/9": "cut"})
    assert (marker.sha256, marker.size) == (hashlib.sha256(tar).hexdigest(), len(tar))
    assert marker.counts == Ledger(5, 3, 1, 1)
    for sample, entry in zip(SAMPLES, marker.samples, strict=True):
        offset, size, _ = entry.payloads["npy"]
        assert (entry.key, tar[offset : offset + size]) == (sample.key, sample.payloads["npy"])


@pytest.mark.parametrize(
    ("key", "name"), [("ant/1.x", "ant/1%2Ex.npy"), ("a.b/c", "a.b/c.npy"), ("50%", "50%25.npy"), ("ä/ö", "ä/ö.npy")]
)
def test_dots_of_a_key_are_written_as_webdataset_needs_it(key: str, name: str) -> None:
    tar, _ = pack_shard("abc", [Sample(key, 0, {"npy": b"1"}, {})], {}, {})
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        assert archive.getnames()[1] == name and json.load(archive.extractfile(archive.getmembers()[0]))["key"] == key


def test_a_committed_shard_is_read_back(tmp_path: Path) -> None:
    write(tmp_path)
    marker = read_marker(tmp_path, 7, "abc")
    assert marker == pack_shard("abc", SAMPLES, {"ant/8": {"predicted": 1}}, {"ant/9": "cut"})[1]


@pytest.mark.parametrize(
    "changes", [{"size": 1}, {"fingerprint": "xyz"}, {"samples": [{}]}, {"counts": 3}, {"more": 1}]
)
def test_a_marker_that_does_not_fit_does_not_count(tmp_path: Path, changes: dict[str, Any]) -> None:
    write(tmp_path, changes)
    assert read_marker(tmp_path, 7, "abc") is None


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("content", [None, b"", b"{"])
def test_a_lost_or_cut_file_does_not_count(tmp_path: Path, which: int, content: bytes | None) -> None:
    write(tmp_path)
    path = shard_paths(tmp_path, 7)[which]
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert read_marker(tmp_path, 7, "abc") is None


@pytest.mark.parametrize("unreadable", [1, 2000])
def test_a_glance_says_what_the_whole_marker_says(tmp_path: Path, unreadable: int) -> None:
    tar, marker = pack_shard(
        "abc", SAMPLES, {}, {f"ant/{number}": '"size":7,' for number in range(10, 10 + unreadable)}
    )
    paths = shard_paths(tmp_path, 7)
    paths[0].parent.mkdir()
    paths[0].write_bytes(tar)
    paths[1].write_bytes(to_json(asdict(marker)))
    glance = glance_at_marker(tmp_path, 7, "abc")
    assert glance is not None
    assert (glance.sha256, glance.size, glance.counts) == (marker.sha256, marker.size, marker.counts)
    assert glance_at_marker(tmp_path, 7, "xyz") is None


@pytest.mark.parametrize("changes", [{"size": 1}, {"fingerprint": "xyz"}, {"counts": 3}])
def test_a_glance_counts_no_marker_that_does_not_fit(tmp_path: Path, changes: dict[str, Any]) -> None:
    write(tmp_path, changes)
    assert glance_at_marker(tmp_path, 7, "abc") is None


@pytest.mark.parametrize("look", [glance_at_marker, read_marker])
@pytest.mark.parametrize("call", ["exists", "open", "stat"])
def test_a_stale_handle_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, look: Callable[..., Any], call: str
) -> None:
    write(tmp_path)
    waited: list[float] = []
    left = [OSError(errno.ESTALE, "stale")] * 2
    plain = getattr(Path, call)

    def fail(path: Path, *args: Any, **options: Any) -> Any:
        if left:
            raise left.pop()
        return plain(path, *args, **options)

    monkeypatch.setattr("dad.passing.time.sleep", waited.append)
    monkeypatch.setattr(Path, call, fail)
    assert look(tmp_path, 7, "abc").counts == Ledger(5, 3, 1, 1) and waited == [0.2, 1.0]


def test_a_tar_or_a_marker_that_is_not_there_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dad.passing.time.sleep", lambda seconds: pytest.fail("waited"))
    assert read_marker(tmp_path, 7, "abc") is None
    write(tmp_path)
    shard_paths(tmp_path, 7)[0].unlink()
    assert read_marker(tmp_path, 7, "abc") is None and glance_at_marker(tmp_path, 7, "abc") is None
