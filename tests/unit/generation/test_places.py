"""Places in a set's args.yaml: absolute, and missed where they are gone."""

from pathlib import Path

import pytest
import yaml

from dad.generation.places import absent, to_keep


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a file and a folder."""
    (tmp_path / "w.pt").touch()
    (tmp_path / "clip").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("flag", "given", "kept"),
    [
        ("data_dir", "data", "{}/data"),
        ("class_map", "", ""),
        ("vqgan_checkpoint", "w.pt", "{}/w.pt"),
        ("vqgan_checkpoint", "/a/w.pt", "/a/w.pt"),
        ("teacher", "clip/local-dir:clip", "clip/local-dir:{}/clip"),
        ("teacher", "clip/ViT-B-32/w.pt", "clip/ViT-B-32/{}/w.pt"),
        ("teacher", "clip/ViT-B-32/openai@w.pt", "clip/ViT-B-32/openai@{}/w.pt"),
        ("teacher", "resnet50@w.pt", "resnet50@{}/w.pt"),
        ("teacher", "clip/ViT-B-32/openai", "clip/ViT-B-32/openai"),
        ("teacher", "resnet50", "resnet50"),
        ("vqgan_config", "vq-f8-16384", "vq-f8-16384"),
        ("vqgan_config", "w.pt", "{}/w.pt"),
        ("diffusion_model", "clip", "{}/clip"),
        ("diffusion_model", "some/model", "some/model"),
        ("shard_range", "3:5", ""),
        ("redo_shards", "3", ""),
        ("retry_unreadable", True, False),
    ],
)
def test_a_set_keeps_absolute_places_and_nothing_that_was_for_one_run(
    here: Path, flag: str, given: object, kept: object
) -> None:
    text = to_keep(f"{yaml.safe_dump({flag: given}).strip()}\nseed: 42\n")
    assert yaml.safe_load(text) == {flag: kept.format(here) if isinstance(kept, str) else kept, "seed": 42}


@pytest.mark.parametrize(
    ("flag", "given", "place"),
    [
        ("data_dir", "/gone", "/gone"),
        ("teacher", "clip/local-dir:/gone", "/gone"),
        ("teacher", "clip/ViT-B-32//gone/w.pt", "/gone/w.pt"),
        ("teacher", "resnet50@/gone/w.pt", "/gone/w.pt"),
        ("vqgan_config", "/gone/c.json", "/gone/c.json"),
        ("diffusion_model", "/gone", "/gone"),
    ],
)
def test_what_is_gone_is_found(flag: str, given: str, place: str) -> None:
    assert absent({flag: given}) == {flag: place}


@pytest.mark.parametrize(
    ("flag", "given"),
    [
        ("data_dir", "clip"),
        ("teacher", "clip/ViT-B-32/openai"),
        ("teacher", "clip/hf-hub:some/model"),
        ("vqgan_config", "vq-f8-16384"),
        ("diffusion_model", "some/model"),
        ("dad_dir", "/new"),
        ("class_map", ""),
    ],
)
def test_what_is_there_or_only_a_name_is_not_missed(flag: str, given: str) -> None:
    assert absent({flag: given}) == {}
