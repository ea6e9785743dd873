"""Every weight that a recipe needs: where it is published, whether it is here, and how it is named on a node without a
network."""

from dad.fetch.needed import Weights, find_needed
from dad.fetch.record import RECORD, recorded_sha256

__all__ = ["RECORD", "Weights", "find_needed", "recorded_sha256"]
