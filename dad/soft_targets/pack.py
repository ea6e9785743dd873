"""One folder to train from without CLIP and without a VQGAN: DAD images, the teacher's answers, and the class list."""

from collections.abc import Iterable
from pathlib import Path

from dad.errors import DataError, SettingsError
from dad.files import read_json, to_json, write_atomically
from dad.shards.index import file_sha256
from dad.shards.manifest import MANIFEST, read_manifest
from dad.shards.marker import shard_paths
from dad.shards.reader import DadSet
from dad.shards.verify import verify
from dad.soft_targets.reader import SoftTargets
from dad.soft_targets.shards import soft_shard_paths
from dad.soft_targets.verify import require_intact
from dad.soft_targets.writer import CLASSES

DAD_SET, ANSWERS = "dad", "soft-targets"
_CLASS_MAP = "class_to_idx.json"
_WORDS = """A DAD set ({samples:,} images), the answers of {teacher} about {views} images in {epochs} virtual epochs,
and the class list. With the source images of their own, others train from it without that teacher and without a VQGAN:

    python train.py --config RECIPE.yaml --data-dir IMAGES --class-map {class_map} \\
        --dad-dir {dad} --soft-targets {answers} --aug-seeding sample --seed {seed} --teacher-views {epochs}

Every flag of augmentation has to be that of soft-targets/settings.json; train.py compares them, and every image.
"""
_WORDS_WITHOUT_CLASSES = _WORDS.replace("\nand the class list", "\nwithout classes").replace(
    " --class-map {class_map}", " --objective feature"
)


def pack(root: Path, answers: Path, target: Path) -> int:
    """Copy a DAD set and soft targets about it to one folder; return its bytes. What is there already stays.

    Raises:
        DataError: one of the two is not finished, or damaged; or a file cannot be written.
        SettingsError: the soft targets are not about this DAD set.
    """
    findings = verify(root)
    if not findings.is_intact:
        raise DataError(f"{root} is not intact; python -m dad.shards verify says what is wrong")
    require_intact(answers)
    targets, dad_set = SoftTargets(answers), DadSet.open(root)
    asked = targets.settings.get("dad_set", "none")
    if asked != dad_set.digest:
        raise SettingsError(f"{answers} holds answers about the DAD set {asked}, but {root} is {dad_set.digest}")
    copied = [*_copy(root, _files_of_set(root), target / DAD_SET)]
    copied += _copy(answers, _files_of_answers(answers), target / ANSWERS)
    folders = read_json(answers / CLASSES)["folders"]
    if folders:
        write_atomically(target / _CLASS_MAP, to_json({name: label for label, name in enumerate(folders)}, indent=1))
    words = (_WORDS if folders else _WORDS_WITHOUT_CLASSES).format(
        samples=len(dad_set), teacher=targets.settings["teacher"], views=" and ".join(targets.names),
        epochs=len(targets.whole), class_map=target / _CLASS_MAP, dad=target / DAD_SET, answers=target / ANSWERS,
        seed=targets.seed,
    )  # fmt: skip
    write_atomically(target / "README.txt", words.encode())
    return sum(path.stat().st_size for path in copied)


def _files_of_set(root: Path) -> list[Path]:
    manifest = read_manifest(root)
    shards = [path for number in range(len(manifest["shards"])) for path in shard_paths(root, number)]
    return [*shards, *(root / name for name in manifest.get("files", ["settings.json"])), root / MANIFEST]


def _files_of_answers(root: Path) -> list[Path]:
    manifest = read_json(root / MANIFEST)
    shards = [path for number in manifest["shards"] for path in soft_shard_paths(root, int(number))]
    return [*shards, *(root / name for name in manifest["files"]), root / MANIFEST]


def _copy(root: Path, files: Iterable[Path], target: Path) -> list[Path]:
    """Copy files, the manifest last; those that are there with the same bytes stay."""
    copied = []
    for path in files:
        copy = target / path.relative_to(root)
        if not copy.is_file() or copy.stat().st_size != path.stat().st_size or file_sha256(copy) != file_sha256(path):
            write_atomically(copy, path.read_bytes())
        copied.append(copy)
    return copied
