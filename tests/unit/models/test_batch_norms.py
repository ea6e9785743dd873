"""One image is too few for some batch norms, and they alone are refused it."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from dad.errors import UsageError
from dad.models.batch_norms import broadcast_buffers, require_enough_images


class Pooled(nn.Module):
    """A norm after the average over all pixels, or before it."""

    def __init__(self, after: bool):
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.after = after

    def forward(self, images: Tensor) -> Tensor:
        means: Tensor = images.mean((2, 3), keepdim=True)
        return self.norm(means if self.after else images)  # type: ignore[no-any-return]


def test_a_norm_of_one_value_a_channel_is_refused_a_single_image() -> None:
    with pytest.raises(UsageError, match=r"^--batch-size: a batch norm would see 1 image at once and needs more"):
        require_enough_images(Pooled(after=True), 1, (3, 8, 8))
    require_enough_images(Pooled(after=True), 2, (3, 8, 8))


@pytest.mark.parametrize("model", [Pooled(after=False), nn.Sequential(nn.Flatten(), nn.Linear(192, 2))])
def test_where_it_works_a_single_image_is_accepted(model: nn.Module) -> None:
    require_enough_images(model, 1, (3, 8, 8))


def test_the_student_and_the_random_draws_stay_as_they_are() -> None:
    model = nn.Sequential(Pooled(after=False), nn.Dropout()).eval()
    before = torch.get_rng_state()
    require_enough_images(model, 1, (3, 8, 8))
    assert torch.equal(torch.get_rng_state(), before) and not model.training
    assert torch.equal(model.state_dict()["0.norm.running_mean"], torch.zeros(3))


def first_mean(rank: int, folder: Path) -> None:
    """Fill the buffers of each of two processes with its number, and write down what they are when shared."""
    dist.init_process_group("gloo", init_method=f"file://{folder / 'group'}", rank=rank, world_size=2)
    norm = nn.BatchNorm2d(3)
    for buffer in norm.buffers():
        buffer.fill_(rank + 5)
    broadcast_buffers(norm)
    (folder / str(rank)).write_text(" ".join(str(float(buffer.sum())) for buffer in norm.buffers()))
    dist.destroy_process_group()


@pytest.mark.slow
def test_all_processes_get_the_first_ones_buffers(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(first_mean, (tmp_path,), nprocs=2)
    assert [(tmp_path / str(rank)).read_text() for rank in range(2)] == ["15.0 15.0 5.0"] * 2
