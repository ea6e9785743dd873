"""The versions that a result was made with."""

import platform

import pytest
import torch

from dad import environment
from dad.environment import versions


def test_python_and_the_packages_that_touch_pixels_are_told() -> None:
    found = versions()
    assert found["python"] == platform.python_version() and found["torch"] == torch.__version__.split("+")[0]
    assert {"timm", "pillow", "numpy"} <= found.keys()


def test_a_package_that_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_PACKAGES", ("no-such-package-at-all", "numpy"))
    assert list(versions()) == ["python", "numpy"]
