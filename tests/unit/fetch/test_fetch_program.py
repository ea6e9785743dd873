"""`python -m dad.fetch`: what is listed, what is fetched, and the flags for nodes without a network."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from dad.errors import UsageError
from dad.fetch import network
from dad.fetch.__main__ import main
from dad.fetch.network import Fetched

FLAGS = ["--script", "generate", "--teacher", "clip/ViT-L-14-quickgelu/openai"]


@pytest.fixture
def network_of_stubs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network in which every file is three bytes."""

    def hub_files(
        repository: str, revision: str | None, choose: Callable[[Sequence[str]], Sequence[str]], folder: Path
    ) -> Fetched:
        folder.mkdir(parents=True)
        (folder / "open_clip_model.safetensors").write_bytes(b"abc")
        return Fetched({"open_clip_model.safetensors": "ba7816bf"}, "mit", "12ab")

    monkeypatch.setattr(network, "fetch_hub_files", hub_files)
    monkeypatch.setattr(network, "fetch_address", lambda url, sha256, path, member: path.write_bytes(b"abc"))


def test_a_list_tells_what_is_needed_and_fetches_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(network, "require_reachable", lambda *_: pytest.fail("called out"))
    assert main([*FLAGS, "--list", "--to", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "from hub timm/vit_large_patch14_clip_224.openai, open_clip_model.safetensors or" in said
    assert said.count("SHA-256: not known here; licence: not known here") == 2 and said.count("    not here\n") == 2
    assert "--teacher clip/ViT-L-14-quickgelu/openai@FILE --vqgan-checkpoint FILE" in said
    assert not list(tmp_path.iterdir())


def test_what_is_fetched_is_named_with_the_flags_that_take_it(
    tmp_path: Path, network_of_stubs: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*FLAGS, "--to", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    clip = tmp_path / "timm--vit_large_patch14_clip_224.openai" / "open_clip_model.safetensors"
    assert f"    here: {clip}\n    SHA-256: ba7816bf" in said and "; licence: mit" in said
    assert "    export HF_HUB_OFFLINE=1\n" in said and "HF_HOME" not in said
    q = tmp_path / "vq-f8-16384.ckpt"
    assert f"python generate.py --teacher clip/ViT-L-14-quickgelu/openai@{clip} --vqgan-checkpoint {q} ..." in said
    assert clip.is_file() and q.is_file()


def test_what_has_to_be_fetched_by_hand_is_exit_code_3(
    tmp_path: Path, network_of_stubs: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*FLAGS, "--vqgan-config", "gumbel-f8-8192", "--to", str(tmp_path)]) == 3
    assert "no program can fetch it; fetch it by hand from https://heibox." in capsys.readouterr().out


def test_a_place_of_ones_own_has_to_be_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--objective", "ce", "--initial-checkpoint", str(tmp_path / "x.pth"), "--to", str(tmp_path)]
    assert main(words) == 3 and "a place of your own: nothing is there" in capsys.readouterr().out
    (tmp_path / "x.pth").touch()
    assert main(words) == 0 and "a place of your own: it is here" in capsys.readouterr().out


def test_a_recipe_from_scratch_needs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--objective", "ce", "--list"]) == 0
    assert capsys.readouterr().out.startswith("no weights are needed")


@pytest.mark.parametrize(
    ("words", "line"), [(["--list"], "--config FILE is needed"), (["--objective", "ce"], "--to DIR is needed")]
)
def test_what_is_not_said_is_asked_for(words: list[str], line: str) -> None:
    with pytest.raises(UsageError, match=line):
        main(words)
