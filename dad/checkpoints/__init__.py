"""Weights and training checkpoints: read without ever running code from them, and held against the network that they
are for."""

from dad.checkpoints.digests import file_digest, require_whole, tensors_digest
from dad.checkpoints.reading import OWN_KEY, read_checkpoint, read_state_dict, strip_prefixes
from dad.checkpoints.weights import AVERAGED, PLAIN, Misfit, choose_weights, find_misfit, load_fitting, names_scored

__all__ = [
    "AVERAGED",
    "OWN_KEY",
    "PLAIN",
    "Misfit",
    "choose_weights",
    "file_digest",
    "find_misfit",
    "load_fitting",
    "names_scored",
    "read_checkpoint",
    "read_state_dict",
    "require_whole",
    "strip_prefixes",
    "tensors_digest",
]
