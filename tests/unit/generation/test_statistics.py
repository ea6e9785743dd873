"""What the teacher says of Q(x): a statistic, asked for only where it is wanted and not known."""

import pytest
import torch
from test_generator import FIELDS, KEYS, generate, make_generator, make_teacher
from torch import Tensor, nn

from dad.args.generate import STATS_BEFORE
from dad.attacks import Attack, keyed_generator
from dad.generation import generator as generator_module
from dad.generation.generator import in_sample


class Counting(nn.Module):
    """A teacher that counts the images it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.images = make_teacher(), 0

    def forward(self, pixels: Tensor) -> Tensor:
        self.images += len(pixels)
        return self.inner(pixels)


@pytest.mark.parametrize(("prob", "random"), [(0.0, 0), (1.0, 7), (0.5, 3)])
@pytest.mark.parametrize("wanted", STATS_BEFORE)
def test_the_teacher_is_asked_about_q_of_x_only_where_its_answer_is_wanted_and_not_known(
    monkeypatch: pytest.MonkeyPatch, wanted: str, prob: float, random: int
) -> None:
    monkeypatch.setattr(generator_module, "in_sample", lambda seed, key: key == KEYS[0])
    teacher, attack = Counting(), Attack(epsilon=1.0, step_size=1.0, steps=1, random_start_prob=prob)
    starts = [attack.starts_at_random(keyed_generator(3, key)) for key in KEYS]
    made = generate(make_generator(attack, teacher=teacher, stats_before=wanted))
    assert sum(starts) == random and teacher.images == 14 + {"none": 0, "sample": 1, "all": random}[wanted]
    sampled = [not start or row == 0 for row, start in enumerate(starts)]
    known = {"none": [False] * 7, "sample": sampled, "all": [True] * 7}[wanted]
    assert (~made.logits_before.isnan()).all(dim=1).tolist() == known and made.logits_before.shape == (7, 5)
    expected = make_teacher()(made.discretized)
    torch.testing.assert_close(made.logits_before[known], expected[known], rtol=0, atol=1e-6)


def test_statistics_change_no_image_and_no_verdict() -> None:
    makings = [generate(make_generator(stats_before=wanted)) for wanted in STATS_BEFORE]
    for field in set(FIELDS) - {"logits_before"}:
        assert all(torch.equal(getattr(makings[0], field), getattr(made, field)) for made in makings), field


def test_a_hundredth_is_sampled_by_seed_and_key_alone() -> None:
    keys = [f"ant/{number}" for number in range(20_000)]
    sampled = [key for key in keys if in_sample(0, key)]
    assert 140 < len(sampled) < 260 and sampled == [key for key in reversed(keys) if in_sample(0, key)][::-1]
    assert set(sampled) != {key for key in keys if in_sample(1, key)}


def test_samples_of_q_are_judged_whatever_statistics_are_wanted() -> None:
    made = generate(make_generator(None, stats_before="none"))
    assert torch.equal(made.logits_before, make_teacher()(made.discretized)) and made.keep.any()
    assert torch.equal(made.keep, made.logits_before.argmax(dim=1) == torch.arange(7) % 5)
