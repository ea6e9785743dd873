"""A CLIP built from its source: weights that fit, archives read without their code, and no code run."""

import copy
import json
import os
import sys
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from tiny_clips import HALF, IMAGES, OPENAI, TAGS, TINY, embed, look, make_clip
from torch import Tensor

from dad.errors import DataError, UserError
from dad.teachers.clip import load_clip


@pytest.mark.parametrize("tag", ["openai", "half", "plain"])
def test_a_file_is_configured_as_the_tag_that_it_is_of(tiny_clips: None, clip_file: Path, tag: str) -> None:
    model, _ = load_clip(f"clip/Tiny/{tag}@{clip_file}")
    torch.testing.assert_close(embed(model), embed(make_clip(quick_gelu=tag == "openai")))
    assert look(model) == {key: value for key, value in TAGS["Tiny"][tag].items() if key in OPENAI}


def test_gelu_and_quick_gelu_are_told_apart_here() -> None:
    assert not torch.allclose(embed(make_clip()), embed(make_clip(quick_gelu=True)), atol=1e-2)


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
