"""TorchScript archives: their tensors, and nothing of their code."""

import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from payload import Payload
from torch import Tensor, nn

from dad.checkpoints import read_state_dict
from dad.checkpoints.torchscript import is_torchscript, read_torchscript
from dad.errors import DataError


@pytest.mark.filterwarnings("ignore")
def test_an_archive_of_torchscript_gives_its_tensors_alone(tmp_path: Path) -> None:
    layer = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    torch.jit.save(torch.jit.script(layer), str(tmp_path / "x.pt"))
    found = read_state_dict(tmp_path / "x.pt", "--weights")
    assert set(found) == set(layer.state_dict())
    assert all(torch.equal(found[key], value) for key, value in layer.state_dict().items())


def test_an_archive_that_names_a_function_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("x/data.pkl", pickle.dumps(Payload(os.mkdir, str(tmp_path / "owned")), protocol=2))
        archive.writestr("x/constants.pkl", b"\x80\x02).")
    with pytest.raises(DataError, match=r"refused, because it asks to run code \(posix\.mkdir\)"):
        read_state_dict(tmp_path / "x.pt", "--weights")
    assert not (tmp_path / "owned").exists()


class Shared(nn.Module):
    """One tensor under two names, a view of another, and one that a checkpoint would leave out."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.arange(6, dtype=torch.bfloat16).view(2, 3))
        self.second = self.first
        self.register_buffer("turned", self.first.detach().T)
        self.register_buffer("passing", torch.tensor(7), persistent=False)

    def forward(self, rows: Tensor) -> Tensor:
        return rows @ self.first


@pytest.mark.filterwarnings("ignore")
def test_views_and_passing_buffers_come_back_with_their_types(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.script(Shared()), str(tmp_path / "x.pt"))
    found = read_torchscript(tmp_path / "x.pt")
    assert torch.equal(found["first"], Shared().first) and found["first"].dtype == torch.bfloat16
    assert torch.equal(found["second"], found["first"]) and torch.equal(found["turned"], found["first"].T)
    assert found["passing"] == 7 and found["passing"].dtype == torch.int64


@pytest.mark.filterwarnings("ignore")
def test_weights_and_archives_are_told_apart(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.script(nn.Linear(1, 1)), str(tmp_path / "archive.pt"))
    torch.save(nn.Linear(1, 1).state_dict(), tmp_path / "weights.pt")
    (tmp_path / "text.pt").write_text("text")
    found = [name for name in ("archive", "weights", "text") if is_torchscript(tmp_path / f"{name}.pt")]
    assert found == ["archive"]
