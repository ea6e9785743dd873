"""AutoAttack really run on tiny networks, and the line that says how to install it."""

import logging
import sys

import pytest
import torch
from torch import Tensor, nn

from dad.attacks import keyed_generator
from dad.errors import UsageError
from dad.evaluation.autoattack import load_autoattack, run_autoattack
from dad.evaluation.threats import Threat, robust_hits

pytest.importorskip("pyautoattack")


def make_net(classes: int = 4, scale: float = 20.0) -> nn.Module:
    """A network whose decisions lie the closer, the larger `scale`."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, classes))
    net[-1].bias.data.mul_(1 / scale)
    return net.eval().requires_grad_(False)


def make_pixels(count: int = 4) -> Tensor:
    return torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("norm", "epsilon"), [("linf", 0.2), ("l2", 2.0), ("l1", 15.0)])
@pytest.mark.parametrize("classes", [4, 7, 64])
@pytest.mark.parametrize("count", [1, 4])
def test_a_large_budget_fools_every_image_and_is_kept(norm: str, epsilon: float, classes: int, count: int) -> None:
    net, pixels = make_net(classes), make_pixels(count)
    targets = net(pixels).argmax(dim=1)
    adversarial = run_autoattack(net, pixels, targets, norm, epsilon, seed=0)
    moved = torch.linalg.vector_norm(
        (adversarial - pixels).flatten(1), {"linf": torch.inf, "l2": 2, "l1": 1}[norm], dim=1
    )
    assert moved.max() <= epsilon + 1e-5
    assert adversarial.min() >= 0 and adversarial.max() <= 1
    assert not (net(adversarial).argmax(dim=1) == targets).any()


def test_a_tiny_budget_leaves_images_as_they_are() -> None:
    net, pixels, threat = make_net(), make_pixels(2), Threat("autoattack", "linf", 1e-7, None, None)
    draws = [keyed_generator(0, key) for key in ("ant/0", "ant/1")]
    clean, robust = robust_hits(threat, net, pixels, net(pixels).argmax(dim=1), draws)
    assert clean.all() and robust.all()


def test_draws_depend_on_the_seed_alone_and_leave_no_trace() -> None:
    net, pixels = make_net(), make_pixels()
    targets, state = net(pixels).argmax(dim=1), torch.get_rng_state()
    first, again, other = (run_autoattack(net, pixels, targets, "linf", 0.2, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_three_classes_are_too_few() -> None:
    with pytest.raises(UsageError, match="at least 4 classes, but there are 3"):
        run_autoattack(make_net(3), make_pixels(), torch.zeros(4, dtype=torch.long), "linf", 0.1, seed=0)


def test_its_log_says_a_warning_once(caplog: pytest.LogCaptureFixture) -> None:
    load_autoattack()
    logger = logging.getLogger("auto-attack")
    for _ in range(3):
        logger.warning("gradients vanish")
        logger.info("robust accuracy")
    assert [record.message for record in caplog.records if record.name == "auto-attack"].count("gradients vanish") <= 1
    assert "robust accuracy" not in caplog.text


def test_without_the_package_one_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyautoattack", None)
    with pytest.raises(UsageError, match="pip install -r requirements-validate"):
        load_autoattack()
