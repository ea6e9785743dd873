"""A DAD set and the answers about it in one folder, whole and of each other."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dad.errors import DataError, SettingsError
from dad.images.sources import SourceImage
from dad.shards import DadSet
from dad.shards.verify import verify
from dad.soft_targets.pack import pack
from dad.soft_targets.reader import SoftTargets
from dad.soft_targets.verify import find_damage


@pytest.fixture
def dad_set(make_dad_set: Callable[..., DadSet]) -> DadSet:
    return make_dad_set([SourceImage(f"a/{index}", Path(), 0) for index in range(7)], {0: 10, 3: 30})


@pytest.fixture
def answers(tiny: Any, dad_set: DadSet) -> Path:
    """Answers that say that they are about the DAD set."""
    writer = tiny.writer(dad_set=dad_set.digest)
    writer.add_classes(["a"], ["ant"], head=None)
    for number in writer.missing(tiny.mixed[:1]):
        writer.commit(number, tiny.records(number))
    writer.finish(tiny.mixed[:1])
    root: Path = tiny.root
    return root


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_both_are_there_as_they_were_with_the_class_map(dad_set: DadSet, answers: Path, tmp_path: Path) -> None:
    size = pack(dad_set.root, answers, tmp_path / "pack")
    packed = tmp_path / "pack"
    assert verify(packed / "dad").is_intact and find_damage(packed / "soft-targets") == {}
    assert DadSet.open(packed / "dad").digest == dad_set.digest
    assert SoftTargets(packed / "soft-targets").whole == SoftTargets(answers).whole
    assert json.loads((packed / "class_to_idx.json").read_text()) == {"a": 0}
    copied = [content for name, content in contents(packed).items() if "/" in name]
    assert size == sum(map(len, copied))


def test_packing_again_after_a_kill_gives_the_same(dad_set: DadSet, answers: Path, tmp_path: Path) -> None:
    pack(dad_set.root, answers, tmp_path / "pack")
    before = contents(tmp_path / "pack")
    (tmp_path / "pack" / "dad" / "shards" / "00000.tar").write_bytes(b"half")
    (tmp_path / "pack" / "soft-targets" / "manifest.json").unlink()
    pack(dad_set.root, answers, tmp_path / "pack")
    assert contents(tmp_path / "pack") == before


def test_answers_about_another_set_are_refused(dad_set: DadSet, tiny: Any, tmp_path: Path) -> None:
    tiny.make(tiny.mixed[0])
    with pytest.raises(SettingsError, match=rf"holds answers about the DAD set none, but .* is {dad_set.digest}"):
        pack(dad_set.root, tiny.root, tmp_path / "pack")
    assert not (tmp_path / "pack").exists()


@pytest.mark.parametrize("name", ["dad/shards/00000.tar", "soft/shards/0000000001.bin"])
def test_damage_is_not_handed_on(dad_set: DadSet, answers: Path, tmp_path: Path, name: str) -> None:
    content = bytearray((tmp_path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=r"not intact|its bytes have changed"):
        pack(dad_set.root, answers, tmp_path / "pack")
    assert not (tmp_path / "pack").exists()
