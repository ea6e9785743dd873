"""Scoring models on image sets: `pool` serves images, `judge` applies a set's rules, `scores` sums up, `loop` runs."""
