"""What a launcher (torchrun, MPI, Slurm) tells a process of its place, known before torch is there."""

import os
from typing import NamedTuple

_LOCAL_RANK = ("LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID", "OMPI_COMM_WORLD_LOCAL_RANK")
_RANK = ("RANK", "PMI_RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK")
_WORLD_SIZE = ("WORLD_SIZE", "PMI_SIZE", "SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE")


class Place(NamedTuple):
    """The number of a process on its machine, that among all, and how many there are."""

    local_rank: int
    rank: int
    world_size: int


def place_from_environment() -> Place:
    """Return this process's place by the variables that timm reads too, in the same order."""
    return Place(_first(_LOCAL_RANK, 0), _first(_RANK, 0), _first(_WORLD_SIZE, 1))


def _first(names: tuple[str, ...], default: int) -> int:
    return next((int(os.environ[name]) for name in names if name in os.environ), default)
