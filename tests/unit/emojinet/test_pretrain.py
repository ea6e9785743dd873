"""What is shipped is what its provenance says; the training of it takes an hour and a half and is not tested."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from dad.checkpoints import file_digest
from dad.errors import SettingsError
from emojinet import pretrain
from emojinet.progress import Progress

WEIGHTS = Path(pretrain.__file__).parent / "weights"


def test_shipped_weights_are_those_of_the_provenance() -> None:
    provenance = json.loads((WEIGHTS / "provenance.json").read_text())
    assert all(file_digest(WEIGHTS / name) == digest for name, digest in provenance["sha256"].items())
    assert sum((WEIGHTS / name).stat().st_size for name in provenance["sha256"]) < 16e6
    scores = provenance["measured"]["top1"]
    assert all(scores["teacher"][name] > scores["plain_student"][name] + 10 for name in ("r", "sketch", "style"))
    assert scores["teacher"]["c"] > scores["plain_student"]["c"] + 5


def test_weights_are_halved_and_counters_kept(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last), nn.BatchNorm2d(4))
    pretrain.save_half(model, tmp_path / "new" / "model.safetensors")
    saved = load_file(tmp_path / "new" / "model.safetensors")
    assert saved["0.weight"].dtype == torch.float16 and saved["1.num_batches_tracked"].dtype == torch.int64
    assert torch.equal(saved["0.weight"], model[0].weight.half())


def test_a_network_is_trained_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained = []

    def train(width: int, progress: Progress) -> nn.Module:
        trained.append(width)
        return nn.Linear(width, 1)

    for _ in range(2):
        pretrain.make(tmp_path / "model.safetensors", train, 3)
    assert trained == [3] and "there already" in capsys.readouterr().out


def test_the_file_of_a_stopped_training_bears_its_settings_and_goes_when_the_weights_are_there(tmp_path: Path) -> None:
    stopped = [True]

    def train(width: int, progress: Progress) -> nn.Module:
        progress.begin({})
        progress.keep(1, [])
        if stopped[0]:
            raise KeyboardInterrupt
        return nn.Linear(width, 1)

    file = tmp_path / "model.training"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("emojinet.progress._EVERY", 0.0)
        with pytest.raises(KeyboardInterrupt):
            pretrain.make(tmp_path / "model.safetensors", train, 3)
        assert file.exists()
        with pytest.raises(SettingsError, match=r"train \(3,\), asked for train \(4,\)"):
            pretrain.make(tmp_path / "model.safetensors", train, 4)
        stopped[0] = False
        pretrain.make(tmp_path / "model.safetensors", train, 3)
    assert not file.exists() and (tmp_path / "model.safetensors").exists()
