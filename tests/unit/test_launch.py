"""A process's place, as launchers tell it."""

import pytest
from timm.utils.distributed import world_info_from_env

from dad.launch import place_from_environment

LAUNCHERS = {
    "none": {},
    "torchrun": {"LOCAL_RANK": "1", "RANK": "5", "WORLD_SIZE": "8"},
    "slurm": {"SLURM_LOCALID": "2", "SLURM_PROCID": "6", "SLURM_NTASKS": "16"},
    "mpi": {"MPI_LOCALRANKID": "3", "PMI_RANK": "7", "PMI_SIZE": "9"},
    "openmpi": {"OMPI_COMM_WORLD_LOCAL_RANK": "1", "OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "4"},
    "torchrun under slurm": {"RANK": "3", "SLURM_PROCID": "0", "WORLD_SIZE": "4", "SLURM_NTASKS": "1"},
}


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_it_is_read_as_timm_reads_it(launcher: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variables in LAUNCHERS.values():
        for name in variables:
            monkeypatch.delenv(name, raising=False)
    for name, value in LAUNCHERS[launcher].items():
        monkeypatch.setenv(name, value)
    assert tuple(place_from_environment()) == tuple(world_info_from_env())
