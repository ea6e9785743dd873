"""Where a CLIP comes from: a file is configured as its tag, archives are read without their code, no code is run."""

import copy
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from tiny_clips import HALF, OPENAI, TAGS, TINY, make_clip
from torch import Tensor, nn

from dad.errors import DataError, UserError
from dad.teachers._clip_source import find_source
from dad.teachers.clip import load_clip

IMAGES = torch.linspace(-2, 2, 2 * 3 * 32 * 32).view(2, 3, 32, 32)


def embed(model: Any) -> Tensor:
    with torch.no_grad():
        features: Tensor = model.encode_image(IMAGES)
    return features


def look(model: Any) -> dict[str, Any]:
    config = model.visual.preprocess_cfg
    return {key: tuple(value) if isinstance(value, list) else value for key, value in config.items() if key in OPENAI}


@pytest.mark.parametrize("tag", ["openai", "half", "plain"])
def test_a_file_is_configured_as_the_tag_that_it_is_of(tiny_clips: None, clip_file: Path, tag: str) -> None:
    model, _ = load_clip(f"clip/Tiny/{tag}@{clip_file}")
    torch.testing.assert_close(embed(model), embed(make_clip(quick_gelu=tag == "openai")))
    assert look(model) == {key: value for key, value in TAGS["Tiny"][tag].items() if key in OPENAI}


def test_gelu_and_quick_gelu_are_told_apart_here() -> None:
    assert not torch.allclose(embed(make_clip()), embed(make_clip(quick_gelu=True)), atol=1e-2)


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


def trace(model: Any, path: Path) -> Any:
    """Write a TorchScript archive as OpenAI did, in half precision, with three sizes beside the weights; return the
    model with the weights that it has."""
    for name in ("input_resolution", "context_length", "vocab_size"):
        vars(model).pop(name, None)
        model.register_buffer(name, torch.tensor(16))
    archive = torch.jit.trace(model, (IMAGES, torch.zeros(2, 16, dtype=torch.long)), check_trace=False, strict=False)
    torch.jit.save(archive.half(), str(path))
    return model.half().float()


@pytest.mark.filterwarnings("ignore")
def test_openais_archives_are_read_without_their_code(tiny_clips: None, tmp_path: Path) -> None:
    expected = embed(trace(make_clip(quick_gelu=True), tmp_path / "ViT.pt"))
    model, _ = load_clip(f"clip/Tiny/openai@{tmp_path / 'ViT.pt'}")
    torch.testing.assert_close(embed(model), expected)


@pytest.mark.filterwarnings("ignore")
def test_no_part_of_an_archive_is_compiled(tiny_clips: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace(make_clip(), tmp_path / "ViT.pt")
    monkeypatch.setattr(torch.jit, "load", None)
    monkeypatch.setattr(torch._C, "import_ir_module", None)
    load_clip(f"clip/Tiny/plain@{tmp_path / 'ViT.pt'}")


def other_model(**vision: Any) -> dict[str, Tensor]:
    config = {**copy.deepcopy(TINY), "vision_cfg": {**TINY["vision_cfg"], **vision}}
    return open_clip.CLIP(**config).state_dict()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("state", "named"),
    [
        (other_model(layers=2), "visual.transformer.resblocks.1"),
        (other_model(width=48), "visual"),
        (other_model(image_size=48), "visual.positional_embedding"),
        ({"fc.weight": torch.ones(2)}, "missing"),
        ({**make_clip().state_dict(), "visual.extra": torch.ones(2)}, "visual.extra"),
    ],
)
def test_weights_of_another_model_are_refused(
    tiny_clips: None, tmp_path: Path, state: dict[str, Tensor], named: str
) -> None:
    torch.save(state, tmp_path / "other.pt")
    with pytest.raises(DataError, match=rf"other\.pt are not of Tiny .*{named}"):
        load_clip(f"clip/Tiny/plain@{tmp_path / 'other.pt'}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"<!DOCTYPE html><html>", "a web page, not weights"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer, not the weights; .*git lfs pull"),
        (b"PK\x03\x04 cut", "is the file complete"),
        (b"\x80\x02 text", "is the file complete"),
    ],
)
def test_what_is_no_file_of_weights_is_said_in_one_line(
    tiny_clips: None, tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "x.pt").write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        load_clip(f"clip/Tiny/plain@{tmp_path / 'x.pt'}")
    assert "\n" not in str(caught.value) and str(tmp_path / "x.pt") in str(caught.value)


def test_flipped_bits_are_found(tiny_clips: None, clip_file: Path) -> None:
    content = bytearray(clip_file.read_bytes())
    content[len(content) // 2] ^= 16
    clip_file.write_bytes(content)
    with pytest.raises(DataError, match="checksum of"):
        load_clip(f"clip/Tiny/plain@{clip_file}")


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


@pytest.fixture
def folder(world: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(world / "clip", tmp_path / "copy"))


def configure(folder: Path, **text: Any) -> str:
    place = folder / "open_clip_config.json"
    config = json.loads(place.read_text())
    config["model_cfg"]["text_cfg"].update(text)
    place.write_text(json.dumps(config))
    return f"clip/local-dir:{folder}"


@pytest.mark.parametrize("quick", [True, False])
def test_a_folder_says_how_it_was_trained(folder: Path, quick: bool) -> None:
    place = folder / "open_clip_config.json"
    config = {"model_cfg": {**TINY, "quick_gelu": quick}, "preprocess_cfg": HALF}
    place.write_text(json.dumps(config))
    save_file(make_clip().state_dict(), folder / "open_clip_model.safetensors")
    model, _ = load_clip(f"clip/local-dir:{folder}")
    torch.testing.assert_close(embed(model), embed(make_clip(quick_gelu=quick)))
    assert look(model) == HALF


TOKENIZER = {"tokenizer_class": "Mine", "auto_map": {"AutoTokenizer": ["mine.Mine", None]}}


def plant(folder: Path) -> None:
    """Put a tokenizer with code beside a CLIP; the code leaves a trace."""
    (folder / "mine.py").write_text(f"open({str(folder / 'trace')!r}, 'w')\nclass Mine: pass\n")
    (folder / "tokenizer_config.json").write_text(json.dumps(TOKENIZER))
    (folder / "config.json").write_text(json.dumps({"auto_map": {"AutoConfig": "mine.Mine"}, "model_type": "mine"}))


@pytest.mark.parametrize(
    "text",
    [
        {"hf_tokenizer_name": "x", "tokenizer_kwargs": {"trust_remote_code": True}},
        {"hf_tokenizer_name": "x", "tokenizer_kwargs": {"code_revision": "main"}},
        {"hf_tokenizer_name": "x", "trust_remote_code": True},
        {"hf_tokenizer_name": "x"},
        {"hf_model_name": "FOLDER", "hf_pooler_type": "cls_pooler"},
        {"hf_model_name": "FOLDER", "hf_tokenizer_name": "FOLDER"},
    ],
)
def test_no_configuration_switches_on_code(folder: Path, text: dict[str, Any]) -> None:
    plant(folder)
    spec = configure(folder, **{key: str(folder) if value == "FOLDER" else value for key, value in text.items()})
    with pytest.raises(DataError, match="refused, because") as caught:
        load_clip(spec)
    assert not (folder / "trace").exists() and "\n" not in str(caught.value)


def test_code_is_not_run_where_nothing_lies_beside_the_tokenizer_but_a_map(folder: Path) -> None:
    plant(folder)
    (folder / "mine.py").rename(folder / "mine.txt")
    with pytest.raises(DataError):
        load_clip(configure(folder, hf_tokenizer_name="x"))
    assert not (folder / "trace").exists()


def test_a_script_beside_a_clip_without_such_a_tokenizer_does_not_matter(folder: Path) -> None:
    plant(folder)
    assert load_clip(f"clip/local-dir:{folder}")


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


def test_a_tower_whose_files_are_not_here_is_refused_in_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="in the hub's cache") as caught:
        load_clip(configure(folder, hf_model_name="nobody/nothing", hf_pooler_type="cls_pooler"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", [{"hf_model_name": "x", "hf_pooler_type": "cls_pooler"}, {"hf_tokenizer_name": "x"}])
def test_a_missing_package_is_named(folder: Path, text: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UserError, match="it needs another package: pip install transformers") as caught:
        load_clip(configure(folder, **text))
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_closed_file_is_not_called_damaged(tiny_clips: None, clip_file: Path) -> None:
    clip_file.chmod(0)
    with pytest.raises(DataError, match="Permission denied"):
        load_clip(f"clip/Tiny/plain@{clip_file}")


def test_a_tower_that_returns_tokens_too_is_used_as_open_clip_does(tmp_path: Path) -> None:
    from dad.teachers.clip import ClipClassifier

    config = {
        "embed_dim": 16,
        "vision_cfg": {**TINY["vision_cfg"], "attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True},
        "text_cfg": {**TINY["text_cfg"], "embed_cls": True, "output_tokens": True},
        "multimodal_cfg": {**TINY["text_cfg"], "dim_head": 8, "n_queries": 8, "attn_pooler_heads": 2},
    }
    coca = open_clip.CoCa(**config).eval()
    head = nn.functional.normalize(torch.randn(16, 3), dim=0)
    with torch.no_grad():
        expected = 5 * nn.functional.normalize(coca.encode_image(IMAGES), dim=-1) @ head
        torch.testing.assert_close(ClipClassifier(coca.visual, head, 5.0)(IMAGES), expected)
