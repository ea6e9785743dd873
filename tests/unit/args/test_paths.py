"""Paths in a YAML start at the current folder; one that would follow the file is refused with what to write."""

import pytest

from dad.args import create_generate_parser, create_train_parser, create_validate_parser
from dad.args.hparams import parse_args
from dad.errors import UsageError

PARSERS = {"train": create_train_parser, "generate": create_generate_parser, "validate": create_validate_parser}


def parse(script, *words):
    return parse_args(PARSERS[script](), words)[0]


@pytest.mark.parametrize(
    ("script", "key", "value"),
    [
        ("train", "data_dir", "there"),
        ("train", "dad_dir", "there"),
        ("train", "class_map", "there/f"),
        ("train", "class_names", "there/f"),
        ("train", "templates", "there/f"),
        ("train", "vqgan_config", "there/f"),
        ("train", "vqgan_checkpoint", "there/f"),
        ("train", "pretrained_path", "there/f"),
        ("train", "initial_checkpoint", "there/f"),
        ("train", "resume", "there/f"),
        ("train", "teacher", "clip/local-dir:there"),
        ("train", "teacher", "clip/ViT-B-32/there/f"),
        ("train", "teacher", "resnet50@there/f"),
        ("generate", "diffusion_model", "there"),
        ("validate", "checkpoint", "[there/f]"),
        ("validate", "attack_images", "there/f"),
        ("validate", "valid_labels", "there/f"),
        ("validate", "folder_map", "there/f"),
    ],
)
def test_a_path_that_would_follow_the_file_is_refused_with_the_one_to_write(write, tmp_path, script, key, value):
    write("", "sub/there/f")
    recipe = write(f"{key}: {value}", "sub/recipe.yaml")
    with pytest.raises(UsageError) as error:
        parse(script, "-c", recipe)
    said = str(error.value)
    assert said.startswith(f"{recipe}: key '{key}' names there") and "\n" not in said
    assert "start at the current folder" in said and f"write {tmp_path}/sub/there" in said


def test_the_list_of_a_set_is_a_path_too(write):
    write("", "sub/there/f")
    recipe = write("attack_images: mine=there/f, imagenet-r=there/f", "sub/recipe.yaml")
    with pytest.raises(UsageError, match="key 'attack_images' names there/f, which is beside this file"):
        parse("validate", "-c", recipe)


def test_a_path_below_the_current_folder_counts_before_one_beside_the_file(write, tmp_path, monkeypatch):
    write("", "classes.txt")
    write("", "sub/classes.txt")
    monkeypatch.chdir(tmp_path)
    assert parse("train", "-c", write("class_map: classes.txt", "sub/recipe.yaml")).class_map == "classes.txt"


def test_the_command_line_and_what_is_written_are_not_held_against_the_file(write):
    write("", "sub/there/f")
    recipe = write("{dad_dir: there, data_dir: there}", "sub/r.yaml")
    assert parse("generate", "-c", recipe, "--data-dir", "elsewhere").dad_dir == "there"


def test_a_path_that_is_nowhere_and_names_that_are_no_paths_are_left_to_their_readers(write):
    recipe = write("{class_map: nowhere.txt, vqgan_config: vq-f4, resume: auto, teacher: clip/ViT-B-32/openai}")
    assert parse("train", "-c", recipe).class_map == "nowhere.txt"


def test_a_base_is_named_where_the_path_stands_in_it(write):
    write("", "sub/f")
    base = write("templates: f", "sub/base.yaml")
    with pytest.raises(UsageError, match=f"^{base}: key 'templates'"):
        parse("train", "-c", write("base: sub/base.yaml"))
