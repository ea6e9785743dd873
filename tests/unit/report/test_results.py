"""Results files are read, or refused with one line that says what is wrong."""

import json
from pathlib import Path

import pytest

from dad.errors import DataError
from dad.images.classes import imagenet_folders
from dad.report import load_results
from dad.report.results import class_name, has_imagenets_classes, is_teacher


def test_results_files_hold_one_model_or_several(tmp_path: Path, made_up: list[dict], first_format: dict) -> None:
    (tmp_path / "one.json").write_text(json.dumps(first_format))
    (tmp_path / "two.json").write_text(json.dumps(made_up))
    assert load_results([str(tmp_path / "one.json"), str(tmp_path / "two.json")]) == [first_format, *made_up]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (None, "no such file"),
        ("{", "not readable as JSON"),
        ("[]", "not a results file"),
        ('{"model": 1}', "'variants'"),
        ('{"model": "m", "variants": [1]}', "not a results file"),
        ('{"model": "m", "variants": {"imagenet": 76.1}}', "not a results file"),
        ('{"model": "m", "variants": {}, "format": 3}', "format 3, this version reads up to 2"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: str | None, named: str) -> None:
    path = tmp_path / "results.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=named):
        load_results([str(path)])


def test_what_is_not_known_is_not_claimed(made_up: list[dict], first_format: dict) -> None:
    assert not has_imagenets_classes(first_format)
    assert is_teacher({**first_format, "weights": "teacher"}) and not is_teacher(first_format)
    assert class_name(made_up[0], "n01440764") == "tench"
    assert class_name(first_format, "n01440764") == "n01440764"


@pytest.mark.parametrize(
    ("folders", "count", "imagenets"),
    [
        (imagenet_folders(), 1000, True),
        (imagenet_folders()[::-1], 1000, True),
        (imagenet_folders()[:12], 1000, True),  # a file that does not name all of them
        ((), 1000, True),
        (imagenet_folders()[:999], 999, False),
        ((*imagenet_folders()[:999], "tench"), 1000, False),
        (tuple(map(str, range(1000))), 1000, False),
        (("apple",), 1000, False),
        (("apple", "bear"), 2, False),
    ],
)
def test_a_class_list_is_imagenets_by_its_names(folders: tuple[str, ...], count: int, imagenets: bool) -> None:
    result = {"settings": {"num_classes": count}, "class_names": dict.fromkeys(folders, "")}
    assert has_imagenets_classes(result) is imagenets


def test_made_up_files_of_both_formats_are_read_from_disk(made_up: list[dict], first_format: dict) -> None:
    golden = Path(__file__).parents[2] / "golden"
    assert load_results([str(golden / name) for name in ("results_v1.json", "results_v2.json")]) == [
        first_format,
        *made_up,
    ]
