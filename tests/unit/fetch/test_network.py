"""The one place that downloads; the libraries that do it are stubbed here."""

import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dad.errors import DataError
from dad.fetch import network
from dad.fetch.network import Fetched, fetch_address, fetch_hub_files, fetch_into_hub_cache


@pytest.fixture(autouse=True)
def reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "require_reachable", lambda *_: None)


class Hub:
    """A hub with one repository of two files, of which one is large."""

    def model_info(self, repository: str, revision: str | None, files_metadata: bool) -> Any:
        assert files_metadata
        siblings = [
            SimpleNamespace(rfilename="config.json", lfs=None),
            SimpleNamespace(rfilename="model.safetensors", lfs=SimpleNamespace(sha256="ab" * 32)),
        ]
        card = SimpleNamespace(license="apache-2.0")
        return SimpleNamespace(siblings=siblings, card_data=card, sha=f"commit of {revision}")


def test_files_of_the_hub_come_with_hash_licence_and_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(network, "HfApi", Hub)
    monkeypatch.setattr(network, "hf_hub_download", lambda *words, **named: asked.append((words, named)))
    fetched = fetch_hub_files("timm/x", "main", sorted, tmp_path)
    assert fetched == Fetched({"config.json": "", "model.safetensors": "ab" * 32}, "apache-2.0", "commit of main")
    named = {"revision": "commit of main", "local_dir": tmp_path}
    assert asked == [(("timm/x", "config.json"), named), (("timm/x", "model.safetensors"), named)]


def test_a_repository_without_the_file_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(network, "HfApi", Hub)
    with pytest.raises(DataError, match="hub repository timm/x: none of its 2 files is the one that is wanted"):
        fetch_hub_files("timm/x", None, lambda names: [], tmp_path)


def test_a_library_goes_to_a_cache_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(network, "snapshot_download", lambda *words, **named: asked.append((words, named)))
    fetch_into_hub_cache("timm/x", ("*.json",), tmp_path)
    assert asked == [(("timm/x",), {"cache_dir": tmp_path, "allow_patterns": ["*.json"]})]


def test_what_a_library_says_of_a_failure_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("404\nnot found")

    monkeypatch.setattr(network, "snapshot_download", fail)
    with pytest.raises(DataError, match=r"timm/x: cannot be fetched \(404 not found\); run this on a node that has a"):
        fetch_into_hub_cache("timm/x", (), tmp_path)


def download(content: bytes) -> Any:
    return lambda address, path, hash_prefix: Path(path).write_bytes(content)


def test_a_file_at_an_address_is_there_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(network, "download_url_to_file", download(b"abc"))
    fetch_address("https://here/x.pth", "", tmp_path / "new" / "x.pth")
    assert (tmp_path / "new" / "x.pth").read_bytes() == b"abc"

    def cut(address: str, path: str, hash_prefix: str | None) -> None:
        Path(path).write_bytes(b"a")
        raise RuntimeError(f"invalid hash value (expected {hash_prefix})")

    monkeypatch.setattr(network, "download_url_to_file", cut)
    with pytest.raises(DataError, match=r"invalid hash value \(expected abcd1234\)"):
        fetch_address("https://here/y.pth", "abcd1234", tmp_path / "y.pth")
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_one_file_of_a_zip_is_taken_wherever_its_name_leads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as archive:
        archive.writestr("../../model.ckpt", b"weights")
    monkeypatch.setattr(network, "download_url_to_file", download((tmp_path / "made.zip").read_bytes()))
    fetch_address("https://here/vq-f8.zip", "", tmp_path / "in" / "vq-f8.ckpt", "model.ckpt")
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["vq-f8.ckpt"]
    assert (tmp_path / "in" / "vq-f8.ckpt").read_bytes() == b"weights"
    with pytest.raises(DataError, match=r"0 files named other\.ckpt in the zip"):
        fetch_address("https://here/vq-f8.zip", "", tmp_path / "in" / "x.ckpt", "other.ckpt")


def test_without_a_network_nothing_is_tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DataError, match="HF_HUB_OFFLINE says that there is no network; run this on a node that has a"):
        fetch_address("https://there.org/x.pth", "", tmp_path / "x.pth")
