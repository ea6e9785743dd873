"""What the paper says of its own method, measured anew: `python -m dad.analysis wasserstein` is appendix D."""
