"""Where a CLIP comes from: its tag or file or folder, and what is said of one that is not there."""

from pathlib import Path

import open_clip
import pytest
from tiny_clips import HALF, OPENAI, look

from dad.errors import DataError, UserError
from dad.teachers._clip_source import find_source
from dad.teachers.clip import load_clip


def test_a_bare_file_is_refused_where_the_tags_differ(tiny_clips: None, clip_file: Path) -> None:
    with pytest.raises(UserError, match="differ in quick_gelu, mean, std, interpolation, resize_mode") as caught:
        load_clip(f"clip/Tiny/{clip_file}")
    assert f"clip/Tiny/<tag>@{clip_file}, with one of openai, half, plain" in str(caught.value)
    assert caught.value.exit_code == 2 and "\n" not in str(caught.value)


def test_a_bare_file_is_taken_where_all_tags_agree(tiny_clips: None, clip_file: Path) -> None:
    assert look(load_clip(f"clip/Tiny-agreed/{clip_file}")[0]) == HALF


def test_a_model_without_tags_says_whose_preprocessing_it_has(
    tiny_clips: None, clip_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert look(load_clip(f"clip/Tiny-untold/{clip_file}")[0]) == OPENAI
    assert "knows no weights of Tiny-untold; OpenAI's mean and std are taken" in caplog.text


def test_openais_models_disagree_with_others_of_their_names() -> None:
    for name in ("ViT-B-32", "ViT-B-16", "ViT-L-14", "ViT-H-14", "ViT-bigG-14"):
        with pytest.raises(UserError, match=r"differ in .*<tag>@"):
            find_source(f"clip/{name}/{__file__}")
    for name in ("ViT-L-14-336", "ViT-B-32-quickgelu", "RN50-quickgelu", "ViT-SO400M-14-SigLIP"):
        assert find_source(f"clip/{name}/{__file__}").file == __file__


@pytest.mark.parametrize("name", open_clip.list_models())
def test_every_tag_is_configured_as_open_clip_would(name: str) -> None:
    for tag in open_clip.list_pretrained_tags_by_model(name):
        known, training = open_clip.get_pretrained_cfg(name, tag), find_source(f"clip/{name}/{tag}").training
        own = open_clip.get_model_config(name).get("quick_gelu", False)
        assert training is not None and training.quick_gelu == bool(known.get("quick_gelu") or own)
        assert training.preprocessing() == {key: known[key] for key in OPENAI if key in known}


@pytest.mark.parametrize("spelling", ["half", "HALF"])
def test_a_fingerprint_knows_neither_place_nor_file_nor_spelling(
    tiny_clips: None, clip_file: Path, spelling: str
) -> None:
    labels = {find_source(f"clip/Tiny/{spelling}{file}").label for file in ("", f"@{clip_file}")}
    assert labels == {"clip/Tiny/half"}
    assert find_source(f"clip/Tiny-agreed/{clip_file}").label == "clip/Tiny-agreed"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("clip/Tiny/plain@none.pt", "none.pt: no such file"),
        ("clip/Tiny/plain@", "after the @: no such file"),
        ("clip/Tiny/pain@none.pt", "'pain' is neither a file nor a tag of Tiny .openai, half, plain"),
        ("clip/Tiny/openai", r"cannot be reached; fetch .* give the file: clip/Tiny/openai@FILE"),
        ("clip/ViT-B-32/openai", r"cannot be fetched .*give the file: clip/ViT-B-32/openai@FILE"),
    ],
)
def test_what_is_not_here_is_answered_with_the_spec_that_works(
    tiny_clips: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, spec: str, message: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UserError, match=message) as caught:
        load_clip(spec)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["open_clip_config.json", "open_clip_model.safetensors"])
def test_a_folder_that_lacks_a_part_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(DataError, match=r"has no open_clip_config|the folder has no weights"):
        load_clip(f"clip/local-dir:{folder}")


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"model_cfg": 3}', '{"model_cfg": {"embed_dim": 3}}'])
def test_a_configuration_that_is_none_is_refused_in_one_line(folder: Path, content: str) -> None:
    (folder / "open_clip_config.json").write_text(content)
    with pytest.raises(DataError) as caught:
        load_clip(f"clip/local-dir:{folder}")
    assert "\n" not in str(caught.value) and str(folder) in str(caught.value)
