"""Is this machine fit for a run, and is everything here that it needs? One line a finding, each with what to do."""
