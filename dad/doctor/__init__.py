"""Is this machine fit for a run, and is everything here that it needs? One line a finding, each with what to do."""

from dad.doctor.at_start import require_card, setup_workers, warn_of_space

__all__ = ["require_card", "setup_workers", "warn_of_space"]
