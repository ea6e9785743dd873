"""The manifest is read if it is whole, of this version or an older one, and there."""

import json
from pathlib import Path
from typing import Any

import pytest

from dad.errors import DataError, SettingsError
from dad.shards.manifest import MANIFEST, seal
from dad.soft_targets.manifest import read_soft_manifest


def test_it_says_what_is_there(tiny: Any) -> None:
    tiny.make(tiny.mixed[1], tiny.plain[0])
    manifest = read_soft_manifest(tiny.root)
    assert manifest["views"] == [[1, True], [0, False]] and manifest["settings"]["hflip"] == 0.5
    assert len(manifest["shards"]) == 4


def test_nothing_and_something_unfinished_are_told_apart(tiny: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no soft targets"):
        read_soft_manifest(tmp_path)
    tiny.writer()
    with pytest.raises(DataError, match=rf"{tiny.root}: not finished .*rerun the python -m dad\.soft_targets build"):
        read_soft_manifest(tiny.root)


def test_every_flipped_byte_of_it_is_found(tiny: Any) -> None:
    tiny.make(tiny.mixed[0])
    path = tiny.root / MANIFEST
    written = path.read_bytes()
    text = json.loads(written)
    for place in range(0, len(written), 7):
        path.write_bytes(written[:place] + bytes([written[place] ^ 2]) + written[place + 1 :])
        try:
            same = json.loads(path.read_bytes()) == text  # white space says nothing
        except ValueError:
            same = False
        if not same:
            with pytest.raises(DataError, match=r"manifest\.json: .*rerun the python -m dad\.soft_targets build"):
                read_soft_manifest(tiny.root)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"settings": {}}', b"\xff\xfe", b"null"])
def test_what_is_no_manifest_is_refused(tiny: Any, content: bytes) -> None:
    tiny.make(tiny.mixed[0])
    (tiny.root / MANIFEST).write_bytes(content)
    with pytest.raises(DataError, match=r"manifest\.json: .*rerun the python -m dad\.soft_targets build"):
        read_soft_manifest(tiny.root)


def test_a_newer_format_is_not_taken_for_damage(tiny: Any) -> None:
    tiny.make(tiny.mixed[0])
    content = json.loads((tiny.root / MANIFEST).read_text())
    content["settings"]["format_version"] = 2
    (tiny.root / MANIFEST).write_bytes(seal({name: content[name] for name in content if name != "digest"}))
    with pytest.raises(SettingsError, match="format_version 2, but this code reads up to 1; update dad"):
        read_soft_manifest(tiny.root)
