"""Sources know what of them is here, and fetch what is not."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from dad.fetch import network
from dad.fetch.network import Fetched
from dad.fetch.record import read_record
from dad.fetch.sources import Address, HubCache, HubFiles

PUBLISHED = ["README.md", "config.json", "model.fp16.safetensors", "model.safetensors", "pytorch_model.bin", "a.model"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A network that writes files of three bytes and notes what it was asked for."""
    noted: list[str] = []

    def hub_files(
        repository: str, revision: str | None, choose: Callable[[Sequence[str]], Sequence[str]], folder: Path
    ) -> Fetched:
        folder.mkdir(parents=True, exist_ok=True)
        names = choose(PUBLISHED)
        for name in names:
            (folder / name).write_bytes(b"abc")
        noted.append(f"{repository}@{revision}: {' '.join(names)}")
        return Fetched(dict.fromkeys(names, ""), "mit", "12ab")

    def address(url: str, sha256: str, path: Path, member: str = "") -> None:
        path.write_bytes(b"abc")
        noted.append(f"{url} {sha256} {member}".strip())

    monkeypatch.setattr(network, "fetch_hub_files", hub_files)
    monkeypatch.setattr(network, "fetch_address", address)
    monkeypatch.setattr(network, "fetch_into_hub_cache", lambda name, patterns, cache: noted.append(f"{name} {cache}"))
    return noted


def test_one_file_is_the_first_that_a_loader_looks_for(asked: list[str], tmp_path: Path) -> None:
    source = HubFiles("timm/x", ("none.bin", "model.safetensors", "pytorch_model.bin"), "v1")
    assert source.find_below(tmp_path) is None
    assert source.fetch(tmp_path) == tmp_path / "timm--x" / "model.safetensors" == source.find_below(tmp_path)
    assert source.fetch(tmp_path) and asked == ["timm/x@v1: model.safetensors"]
    assert read_record(tmp_path)["timm--x/model.safetensors"]["licence"] == "mit"


def test_a_whole_repository_leaves_out_other_precisions(asked: list[str], tmp_path: Path) -> None:
    source = HubFiles("timm/x", ("config.json", "*.safetensors", "*.model"), whole=True)
    assert source.fetch(tmp_path) == tmp_path / "timm--x"
    assert asked == ["timm/x@None: a.model config.json model.safetensors"]


def test_what_was_damaged_since_is_fetched_again(asked: list[str], tmp_path: Path) -> None:
    source = Address("https://here/x-12345678.pth?download=1", sha256="ba7816bf")
    path = source.fetch(tmp_path)
    assert path == tmp_path / "x-12345678.pth"
    path.write_bytes(b"abd")
    assert source.find_below(tmp_path) is None and source.fetch(tmp_path) == path
    assert asked == ["https://here/x-12345678.pth?download=1 ba7816bf"] * 2


def test_the_hash_of_what_is_in_a_zip_is_not_that_of_the_zip(asked: list[str], tmp_path: Path) -> None:
    source = Address("https://here/vq-f8.zip", name="vq.ckpt", member="model.ckpt", sha256="00000000")
    assert source.fetch(tmp_path) == tmp_path / "vq.ckpt" and asked == ["https://here/vq-f8.zip 00000000 model.ckpt"]


def test_caches_of_the_libraries_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.pth").touch()
    assert Address("https://here/x.pth", str(tmp_path)).find() == tmp_path / "x.pth"
    assert Address("https://here/y.pth", str(tmp_path)).find() is None and Address("https://here/x.pth").find() is None
    monkeypatch.setattr(
        "dad.fetch.sources.try_to_load_from_cache",
        lambda repository, name, revision, cache_dir: str(tmp_path / name) if name == "b" else None,
    )
    assert HubFiles("timm/x", ("a", "b")).find() == tmp_path / "b"
    assert HubFiles("timm/x", ("a*",), whole=True, needed=("b",)).find() == tmp_path
    assert HubFiles("timm/x", ("a",)).find() is None


def test_a_library_that_knows_names_alone_gets_a_cache(asked: list[str], tmp_path: Path) -> None:
    source = HubCache("timm/x", ("*.json",), ("tokenizer.json",))
    assert source.fetch(tmp_path) == tmp_path and asked == [f"timm/x {tmp_path / 'hub'}"]
    assert source.find_below(tmp_path) is None


def test_a_source_says_where_it_is_and_whom_to_ask() -> None:
    assert HubFiles("timm/x", ("a", "b"), "v1").describes == "hub timm/x@v1, a or b"
    assert HubFiles("timm/x", ("a", "b"), whole=True).url == "https://huggingface.co"
    assert Address("https://here/x.zip", member="model.ckpt").describes == "https://here/x.zip, model.ckpt in it"
