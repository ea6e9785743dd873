"""Discrete Adversarial Distillation (Zhou et al., NeurIPS 2023) for timm models."""
