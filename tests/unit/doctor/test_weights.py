"""Weights that are here are held against what is known of them; of the others it is said where they come from."""

from pathlib import Path

import pytest

from dad.doctor.findings import Finding, Level
from dad.doctor.weights import judge_weights
from dad.fetch.needed import Weights
from dad.fetch.record import add_to_record
from dad.fetch.sources import Address, HubCache, HubFiles

HUB = HubFiles("timm/x", ("model.safetensors",))
TEACHER = Weights("teacher", "--teacher x", source=HUB, offline="--teacher x@{}")


def judged(weights: Weights, reaches: bool = False) -> list[Finding]:
    return judge_weights([weights], "recipe.yaml", lambda url: reaches)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that was fetched."""
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"abc")
    add_to_record(tmp_path, {path.name: ""})
    return path


def test_a_file_is_what_was_fetched(file: Path) -> None:
    weights, network = judged(Weights("teacher", f"--teacher x@{file}", file))
    assert weights.level == Level.OK and weights.said == f"teacher: {file}, 3 bytes; as it was fetched"
    assert (network.level, network.said) == (Level.OK, "not needed: nothing is to be fetched")


def test_a_file_that_has_changed_since_is_not(file: Path) -> None:
    file.write_bytes(b"abd")
    weights = judged(Weights("teacher", f"--teacher x@{file}", file))[0]
    assert weights.level == Level.FAIL and "x.safetensors is not what was fetched; fetch it again" in weights.sentence


def test_files_in_a_folder_are_all_looked_at(file: Path) -> None:
    assert judged(Weights("teacher", "--teacher clip/local-dir:x", file.parent))[0].level == Level.OK
    file.write_bytes(b"abd")
    assert judged(Weights("teacher", "--teacher clip/local-dir:x", file.parent))[0].level == Level.FAIL


def test_a_damaged_checkpoint_is_known_without_a_record(tmp_path: Path) -> None:
    path = tmp_path / "x.pth.tar"
    path.write_bytes(b"PK\x03\x04 no zip any more")
    weights = judged(Weights("student", f"--resume {path}", path))[0]
    assert weights.level == Level.FAIL and "x.pth.tar is damaged" in weights.said


def test_a_file_of_ones_own_is_whole_as_far_as_anybody_knows(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"abc")
    assert "its hash is known to nobody here" in judged(Weights("x", "--x", tmp_path / "x.safetensors"))[0].said
    missing = judged(Weights("student", "--resume y", tmp_path / "y"))[0]
    assert (missing.level, missing.said) == (Level.FAIL, "student: --resume y: nothing is there")


def test_a_cached_file_has_the_hash_in_its_address(tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(b"abc")
    for sha256, level in (("ba7816bf", Level.OK), ("00000000", Level.FAIL)):
        source = Address("https://here/x.pth", str(tmp_path), sha256=sha256)
        assert judged(Weights("student", "--pretrained", source=source))[0].level == level


def test_what_is_not_here_needs_a_network_or_a_login_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HubFiles, "find", lambda _: None)
    weights, network = judged(TEACHER, reaches=True)
    assert weights.level == network.level == Level.WARN and network.said == "needed for: teacher"
    weights, _ = judged(TEACHER)
    assert weights.level == Level.FAIL and "timm/x, model.safetensors, which cannot be reached" in weights.said
    assert weights.remedy == (
        "on a login node: python -m dad.fetch --config recipe.yaml --to DIR, then --teacher x@FILE"
    )
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "which HF_HUB_OFFLINE forbids to ask" in judged(TEACHER)[0].said


def test_a_vqgan_is_fetched_by_no_script_and_some_by_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    q = Weights("VQGAN", "--vqgan-config a", source=Address("https://here/a.zip"), offline="--vqgan-checkpoint {}")
    finding = judged(q, reaches=True)[0]
    assert finding.level == Level.FAIL and finding.remedy.endswith("--to DIR, then --vqgan-checkpoint FILE")
    by_hand = Weights("VQGAN", "--vqgan-config b", offline="--vqgan-checkpoint {}", by_hand="https://page")
    assert judged(by_hand)[0].remedy == "fetch it by hand from https://page, and name it: --vqgan-checkpoint FILE"


def test_a_tokenizer_is_found_by_the_hubs_own_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HubCache, "find", lambda _: None)
    tokenizer = Weights("tokenizer", "--teacher x", source=HubCache("timm/x", ("*.json",), ("tokenizer.json",)))
    assert judged(tokenizer)[0].remedy.endswith("--to DIR, and HF_HOME as it says")
