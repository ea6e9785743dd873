"""The zero-shot head: equal to open_clip's, made once by one process, checked when it is read."""

import logging
import multiprocessing
import os
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny_clips import make_clip
from torch import Tensor

from dad.errors import DataError
from dad.teachers import _zero_shot
from dad.teachers._zero_shot import cached_head, head_file, make_head

NAMES = ("ant", "red fox", "eel")
TEMPLATES = ("a {}.", "the {}.", "one {} or two.")
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def tokenizer() -> Any:
    return open_clip.SimpleTokenizer(context_length=16)


def head_of(cache: Path, tokenizer: Any) -> Tensor:
    return cached_head(cache, make_clip(), tokenizer, NAMES, TEMPLATES, "w")


@pytest.mark.parametrize("batch", [1, 2, 4, 64])
def test_the_head_is_open_clips_whatever_the_batch(tokenizer: Any, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_zero_shot, "_BATCH", {"cpu": batch})
    expected = open_clip.build_zero_shot_classifier(make_clip(), tokenizer, NAMES, TEMPLATES)
    head = make_head(make_clip(), tokenizer, NAMES, TEMPLATES, torch.device("cpu"))
    torch.testing.assert_close(head, expected, rtol=0, atol=1e-6)


def test_short_prompts_leave_the_model_as_it_was(tokenizer: Any) -> None:
    model = make_clip()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    make_head(model, tokenizer, NAMES, TEMPLATES, torch.device("cpu"))
    assert model.attn_mask.shape == (16, 16)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("pool", ["last", "first"])
def test_towers_that_read_elsewhere_see_all_places(tokenizer: Any, pool: str) -> None:
    model = make_clip()
    model.text_pool_type = pool
    expected = open_clip.build_zero_shot_classifier(model, tokenizer, NAMES, TEMPLATES)
    head = make_head(model, tokenizer, NAMES, TEMPLATES, torch.device("cpu"))
    torch.testing.assert_close(head, expected, rtol=0, atol=1e-6)


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-3] ^= 16
    file.write_bytes(content)


def shorten(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def replace(file: Path) -> None:
    save_file({"head": torch.nn.functional.normalize(torch.randn(16, 3), dim=0)}, file, {"digest": "0" * 16})


def stretch(file: Path) -> None:
    save_file({"head": torch.randn(16, 3)}, file)


def widen(file: Path) -> None:
    save_file({"head": torch.ones(16, 4)}, file)


@pytest.mark.parametrize("spoil", [flip, shorten, empty, replace, stretch, widen])
def test_a_damaged_head_is_made_anew_with_a_line(
    tmp_path: Path, tokenizer: Any, spoil: Any, caplog: pytest.LogCaptureFixture
) -> None:
    head = head_of(tmp_path, tokenizer)
    file = head_file(tmp_path, NAMES, TEMPLATES, "w")
    spoil(file)
    assert torch.equal(head_of(tmp_path, tokenizer), head) and torch.equal(load_file(file)["head"], head)
    assert f"{file} is damaged" in caplog.text and "made anew" in caplog.text


def test_a_head_says_what_it_is_and_leaves_nothing_else(tmp_path: Path, tokenizer: Any) -> None:
    head_of(tmp_path, tokenizer)
    (file,) = tmp_path.iterdir()
    with safe_open(file, "pt") as content:
        assert len(content.metadata()["digest"]) == 16


def make_slowly(cache: Path, begun: Any, go_on: Any) -> None:
    def wait(*args: object) -> Tensor:
        begun.set()
        go_on.wait(30)
        return torch.eye(16)[:, :3].contiguous()

    _zero_shot.make_head = wait  # type: ignore[assignment]
    cached_head(cache, None, None, NAMES, TEMPLATES, "w")  # type: ignore[arg-type]


def test_a_second_process_waits_for_the_head_of_the_first(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "dad")
    begun, go_on = FORK.Event(), FORK.Event()
    process = FORK.Process(target=make_slowly, args=(tmp_path, begun, go_on))
    process.start()
    assert begun.wait(30)
    FORK.Process(target=lambda: (os.nice(5), go_on.wait(1), go_on.set())).start()
    head = cached_head(tmp_path, None, None, NAMES, TEMPLATES, "w")  # type: ignore[arg-type]
    process.join()
    assert torch.equal(head, torch.eye(16)[:, :3])
    assert "another process makes the zero-shot head; waiting for" in caplog.text


def test_one_that_dies_holds_nobody_up(tmp_path: Path, tokenizer: Any) -> None:
    begun, go_on = FORK.Event(), FORK.Event()
    process = FORK.Process(target=make_slowly, args=(tmp_path, begun, go_on))
    process.start()
    assert begun.wait(30)
    process.kill()
    process.join()
    assert head_of(tmp_path, tokenizer).shape == (16, 3)


def test_a_lock_is_not_written_through_a_link(tmp_path: Path, tokenizer: Any) -> None:
    (tmp_path / "precious").write_text("somebody else's")
    head_of(tmp_path, tokenizer)
    (file,) = tmp_path.glob("*.safetensors")
    file.unlink()
    file.with_name(f".{file.name}.lock").symlink_to(tmp_path / "precious")
    with pytest.raises(DataError, match=r"cannot write .*\.lock: Too many levels .*; choose another --teacher-cache"):
        head_of(tmp_path, tokenizer)
    assert (tmp_path / "precious").read_text() == "somebody else's"


def test_a_place_that_cannot_be_made_is_named(tmp_path: Path, tokenizer: Any) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot write .*file/heads: Not a directory; choose another --teacher-cache"):
        head_of(tmp_path / "file" / "heads", tokenizer)


def test_a_long_making_is_told_before_it_begins(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_zero_shot, "_WORTH_A_LINE", 0.0)
    monkeypatch.setattr(_zero_shot, "_INTERVAL", 0.0)
    names = [f"thing {number}" for number in range(60)]
    make_head(make_clip(), tokenizer, names, TEMPLATES, torch.device("cpu"))
    first, *others = [record.getMessage() for record in caplog.records]
    assert first.startswith("zero-shot head: 180 prompts, once for all runs, about ") and "on the CPU" in first
    assert len(others) == 3 and others[-1] == "zero-shot head: 100%, 0 s to go"


def test_a_few_classes_are_not_worth_a_line(tokenizer: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "dad")
    make_head(make_clip(), tokenizer, NAMES, TEMPLATES, torch.device("cpu"))
    assert not caplog.records


@pytest.mark.parametrize(
    ("names", "templates", "weights"),
    [
        (NAMES[::-1], TEMPLATES, "w"),
        (("ant", "fox"), TEMPLATES, "w"),
        (NAMES, TEMPLATES[:1], "w"),
        (NAMES, TEMPLATES[::-1], "w"),
        (NAMES, TEMPLATES, "other weights"),
    ],
)
def test_other_names_templates_or_weights_make_another_head(
    tokenizer: Any, tmp_path: Path, names: tuple[str, ...], templates: tuple[str, ...], weights: str
) -> None:
    head = head_of(tmp_path, tokenizer)
    torch.testing.assert_close(head.norm(dim=0), torch.ones(3))
    cached_head(tmp_path, make_clip(), tokenizer, names, templates, weights)
    assert len(list(tmp_path.iterdir())) == 2
