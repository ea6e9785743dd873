"""A network that may not be there: asked once, and not where a cache or a proxy makes it needless."""

from pathlib import Path

import pytest
from huggingface_hub import constants

from dad.checkpoints import downloads
from dad.errors import DataError


def test_the_hub_is_not_asked_again_once_it_was_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(downloads, "_is_reachable", lambda url: bool(asked.append(url)))
    downloads.prepare_hub()
    downloads.prepare_hub()
    assert len(asked) == 1


@pytest.mark.parametrize("proxy", ["https_proxy", "HTTPS_PROXY", "ALL_PROXY"])
def test_behind_a_proxy_only_the_proxy_knows(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv(proxy, "http://127.0.0.1:9")
    assert downloads._is_reachable("http://127.0.0.1:9")
    monkeypatch.delenv(proxy)
    assert not downloads._is_reachable("http://127.0.0.1:9")


def test_a_hub_that_answers_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(downloads, "_is_reachable", lambda url: True)
    downloads.prepare_hub()
    assert not constants.HF_HUB_OFFLINE


def test_weights_out_of_reach_are_said_with_their_host_and_what_would_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "_is_reachable", lambda url: url.startswith("https://here"))
    downloads.require_reachable("--model x", "https://here.org/x.pth", "give a file")
    with pytest.raises(DataError, match=r"^--model x: its weights are at there\.org, .* be reached; give a file$"):
        downloads.require_reachable("--model x", "https://there.org/x.pth", "give a file")


@pytest.mark.parametrize("said", ["1", "true"])
def test_nobody_is_asked_where_the_user_says_that_there_is_no_network(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setattr(downloads, "_is_reachable", lambda url: pytest.fail(f"asked {url}"))
    monkeypatch.setenv("HF_HUB_OFFLINE", said)
    with pytest.raises(DataError, match=r"are at there\.org, and HF_HUB_OFFLINE says that there is no network; give a"):
        downloads.require_reachable("--model x", "https://there.org/x.pth", "give a file")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    assert not downloads.is_offline()


def test_torchs_cache_knows_a_file_by_the_end_of_its_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "x-1234.pth").touch()
    assert downloads.find_in_torch_cache("https://there.org/models/x-1234.pth?download=1")
    assert not downloads.find_in_torch_cache("https://there.org/models/y-1234.pth")
