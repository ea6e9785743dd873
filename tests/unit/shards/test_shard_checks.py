"""Whether one shard is as it was written: tar and marker against the manifest, and against each other without one."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_set import flip, make_set

from dad.files import read_json, settings_fingerprint, to_json
from dad.shards.shard_checks import Expected, check_shard, is_there


@pytest.fixture
def expected(tmp_path: Path) -> Expected:
    """What shard 1 of a whole set has to be."""
    make_set(tmp_path)
    settings = read_json(tmp_path / "settings.json")
    listed = read_json(tmp_path / "manifest.json")["shards"][1]
    return Expected(settings_fingerprint(settings), settings["format_version"], listed)


def alone(expected: Expected) -> Expected:
    """The same where no manifest is there yet."""
    return Expected(expected.fingerprint, expected.format_version, None)


def relabel(tar: Path) -> None:
    marker = tar.with_suffix(".json")
    content = json.loads(marker.read_bytes())
    content["samples"][0]["label"] += 1
    marker.write_bytes(to_json(content))


def of_other_settings(tar: Path) -> None:
    marker = tar.with_suffix(".json")
    marker.write_bytes(to_json({**json.loads(marker.read_bytes()), "fingerprint": "00ff"}))


def test_a_shard_as_it_was_written_has_nothing_wrong(tmp_path: Path, expected: Expected) -> None:
    assert is_there(tmp_path, 1) and not is_there(tmp_path, 9)
    assert check_shard(tmp_path, 1, expected) == check_shard(tmp_path, 1, alone(expected)) == ""


@pytest.mark.parametrize(
    ("damage", "listed", "unlisted"),
    [
        (lambda tar: tar.unlink(), "the tar is missing", "the tar is missing"),
        (lambda tar: flip(tar, 700), "its bytes have changed", "its bytes have changed"),
        (lambda tar: os.truncate(tar, 4096), "4,096 bytes instead of", "4,096 bytes instead of"),
        (lambda tar: tar.with_suffix(".json").unlink(), "its marker is missing", "its marker is missing"),
        (relabel, "the bytes of its marker have changed", "its marker does not describe its tar"),
        (of_other_settings, "the bytes of its marker have changed", "its marker is of other settings"),
        (lambda tar: tar.with_suffix(".json").write_bytes(b"{"), "the bytes of its marker", "its marker is damaged"),
    ],
)
def test_what_has_changed_is_said(
    tmp_path: Path, expected: Expected, damage: Callable[[Path], None], listed: str, unlisted: str
) -> None:
    damage(tmp_path / "shards/00001.tar")
    assert check_shard(tmp_path, 1, expected).startswith(listed)
    assert check_shard(tmp_path, 1, alone(expected)).startswith(unlisted)


def test_a_marker_written_otherwise_is_noticed_without_a_manifest(tmp_path: Path, expected: Expected) -> None:
    marker = tmp_path / "shards/00001.json"
    marker.write_text(json.dumps(json.loads(marker.read_bytes()), indent=2))
    assert check_shard(tmp_path, 1, alone(expected)) == "the bytes of its marker have changed (the tar is intact)"
