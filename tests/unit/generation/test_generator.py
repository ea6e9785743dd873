"""The making of a batch, x -> Q(x) -> x' -> Q(x') -> keep, with a teacher and a Q of five lines."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from dad.attacks import Attack
from dad.discretizers.identity import Identity
from dad.generation.finite import STAGES, describe_failure
from dad.generation.generator import Generated, Generator
from dad.pixels import PixelModel
from dad.runtime import Runtime

CPU = Runtime(torch.device("cpu"))
KEYS = tuple(f"ant/{number}" for number in range(7))
FIELDS = ("discretized", "adversarial", "codes", "codes_changed", "logits_before", "logits_after", "keep", "failed")


class GreyLevels:
    """Q with a code a pixel: its brightness in eighths."""

    has_codes, settings = True, {"discretizer": "grey"}

    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def encode(self, pixels: Tensor) -> Tensor:
        self.seen.append(pixels)
        return (pixels.mean(dim=1) * 8).round().long()

    def decode(self, codes: Tensor) -> Tensor:
        return (codes / 8)[:, None].expand(-1, 3, -1, -1)


class Brighten:
    """An attack that adds an eighth to the upper rows of each image."""

    def __init__(self, rows: int):
        self.rows = rows

    def __call__(self, loss: Callable[[Tensor], Tensor], pixels: Tensor, generators: object) -> Tensor:
        self.start, self.loss = pixels, loss(pixels)
        upper = torch.arange(pixels.shape[2])[:, None] < self.rows
        return pixels + upper / 8


class Brightness(nn.Module):
    """Class 1 for bright images, class 0 for dark ones."""

    def forward(self, images: Tensor) -> Tensor:
        mean = images.mean(dim=(1, 2, 3))
        return torch.stack([torch.zeros_like(mean), mean], dim=1)


def make_teacher() -> PixelModel:
    torch.manual_seed(0)
    return PixelModel(nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 5)), (0.4, 0.5, 0.6), (0.2, 0.2, 0.2))


def make_pixels() -> Tensor:
    return torch.rand(7, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def make_generator(attack: object = Attack(epsilon=1.0, step_size=1.0, steps=3), **changes: object) -> Generator:
    return replace(Generator(make_teacher(), GreyLevels(), attack, CPU, seed=3), **changes)  # type: ignore[arg-type]


def generate(generator: Generator, rows: Sequence[int] = range(7)) -> Generated:
    labels = torch.arange(7) % 5
    return generator(make_pixels()[list(rows)], labels[list(rows)], [KEYS[row] for row in rows])


def test_the_attack_starts_at_q_of_x_and_its_result_is_discretised_unrounded() -> None:
    attack = Brighten(rows=3)
    generator = make_generator(attack)
    generated = generate(generator)
    assert torch.equal(generated.discretized, GreyLevels().decode(GreyLevels().encode(make_pixels())))
    assert torch.equal(attack.start, generated.discretized)
    assert torch.equal(generator.discretizer.seen[1], attack(lambda pixels: pixels, generated.discretized, None))


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_q_runs_twice_however_many_steps_there_are(steps: int) -> None:
    generator = make_generator(Attack(epsilon=1.0, step_size=1.0, steps=steps))
    generated = generate(generator)
    assert len(generator.discretizer.seen) == 2 and not generated.adversarial.requires_grad


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_the_attack_is_on_the_teachers_cross_entropy_in_full_precision(dtype: torch.dtype | None) -> None:
    attack = Brighten(rows=1)
    generator = make_generator(attack, runtime=replace(CPU, autocast_dtype=dtype))
    generated = generate(generator)
    expected = -generator.teacher(generated.discretized).log_softmax(dim=1)[range(7), torch.arange(7) % 5]
    torch.testing.assert_close(attack.loss, expected, rtol=0, atol=1e-6)
    assert generated.logits_after.dtype == torch.float32


def test_logits_are_the_teachers_before_and_after() -> None:
    generator = make_generator()
    generated = generate(generator)
    torch.testing.assert_close(generated.logits_before, generator.teacher(generated.discretized), rtol=0, atol=1e-6)
    assert torch.equal(generated.logits_after, generator.teacher(generated.adversarial))
    assert torch.equal(generated.adversarial, generator.discretizer.decode(generated.codes))


@pytest.mark.parametrize("keep_all", [False, True])
@pytest.mark.parametrize(
    ("levels", "labels", "right"),
    [  # an eighth brighter, images above 0.45 are of class 1
        ([0.0, 0.5, 0.25, 0.75], [0, 1, 0, 0], [True, True, True, False]),
        ([0.375, 0.375, 0.75, 0.0], [0, 1, 1, 1], [False, True, True, False]),
    ],
)
def test_each_image_is_kept_by_the_teachers_verdict_on_its_result(
    keep_all: bool, levels: list[float], labels: list[int], right: list[bool]
) -> None:
    teacher = PixelModel(Brightness(), (0.45,) * 3, (1.0,) * 3)
    generator = make_generator(Brighten(rows=8), teacher=teacher, keep_all=keep_all)
    pixels = torch.tensor(levels).view(4, 1, 1, 1).expand(4, 3, 8, 8)
    keep = generator(pixels, torch.tensor(labels), list("abcd")).keep
    assert keep.tolist() == ([True] * 4 if keep_all else right)


def test_an_image_is_kept_where_the_teacher_says_a_class_that_it_cannot_tell_from_the_label() -> None:
    class Alike(nn.Module):
        """Classes 1 and 2 for bright images alike, class 0 for dark ones."""

        def forward(self, images: Tensor) -> Tensor:
            mean = images.mean(dim=(1, 2, 3))
            return torch.stack([torch.zeros_like(mean), mean, mean], dim=1)

    teacher = PixelModel(Alike(), (0.45,) * 3, (1.0,) * 3)
    pixels, labels = torch.full((3, 3, 8, 8), 0.5), torch.tensor([0, 1, 2])
    for twins, keep in ((None, [False, True, False]), (torch.tensor([0, 1, 1]), [False, True, True])):
        generator = make_generator(Brighten(rows=8), teacher=teacher, twins=twins)
        assert generator(pixels, labels, list("abc")).keep.tolist() == keep


@pytest.mark.parametrize(("rows", "share"), [(0, 0.0), (3, 3 / 8), (8, 1.0)])
def test_the_share_of_changed_codes_is_counted_per_image(rows: int, share: float) -> None:
    assert torch.equal(generate(make_generator(Brighten(rows))).codes_changed, torch.full((7,), share))


def test_without_codes_there_are_none_to_change() -> None:
    generated = generate(make_generator(discretizer=Identity()))
    assert generated.codes is None and generated.codes_changed.isnan().all()
    assert torch.equal(generated.discretized, make_pixels()) and (generated.adversarial != make_pixels()).any()


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5, 6], [6, 2, 4, 0, 1, 5, 3]])
@pytest.mark.parametrize("batch_size", [1, 3, 7])
def test_an_image_comes_out_the_same_in_any_batch_and_order(norm: str, order: list[int], batch_size: int) -> None:
    generator = make_generator(Attack(norm, {"l2": 1.0, "linf": 0.1}[norm], 0.05, 3))
    whole = generate(generator)
    parts = [generate(generator, order[first : first + batch_size]) for first in range(0, 7, batch_size)]
    for field in FIELDS:
        found = torch.cat([getattr(part, field) for part in parts])
        torch.testing.assert_close(found, getattr(whole, field)[order], rtol=0, atol=1e-6)


def test_another_seed_gives_other_images() -> None:
    first, second = (generate(make_generator(seed=seed, discretizer=Identity())).adversarial for seed in (3, 4))
    assert (first != second).flatten(1).any(dim=1).sum() > 3


NAN, INFINITE = float("nan"), float("inf")
AT_Q = Attack(epsilon=1.0, step_size=1.0, steps=1, random_start_prob=0.0)


def spoil(values: Tensor, value: float) -> Tensor:
    """Put a value that is no number into image 2 of a batch."""
    values = values.clone()
    values[2].view(-1)[0] = value
    return values


class Spoilt(GreyLevels):
    """A Q that spoils what it makes of image 2: in its `call`-th call, codes or pixels."""

    def __init__(self, call: int, what: str):
        super().__init__()
        self.call, self.what, self.calls = call, what, 0

    def encode(self, pixels: Tensor) -> Tensor:
        self.calls += 1
        codes = super().encode(pixels.nan_to_num())
        return spoil(codes, -1) if (self.calls, self.what) == (self.call, "codes") else codes

    def decode(self, codes: Tensor) -> Tensor:
        pixels = super().decode(codes.clamp(min=0)).contiguous()
        return spoil(pixels, NAN) if (self.calls, self.what) == (self.call, "pixels") else pixels


class SpoiltTeacher(nn.Module):
    """A teacher whose logits of image 2 overflow in its `call`-th call."""

    def __init__(self, call: int):
        super().__init__()
        self.model, self.call, self.calls = make_teacher(), call, 0

    def forward(self, pixels: Tensor) -> Tensor:
        self.calls += 1
        logits = self.model(pixels.nan_to_num())
        return spoil(logits, INFINITE) if self.calls == self.call else logits


@pytest.mark.parametrize(
    ("changes", "stage"),
    [
        (lambda: {"discretizer": Spoilt(1, "codes")}, "the latents of Q(x)"),
        (lambda: {"discretizer": Spoilt(1, "pixels")}, "Q(x)"),
        (lambda: {"teacher": SpoiltTeacher(1), "attack": AT_Q, "stats_before": "all"}, "the teacher's logits on Q(x)"),
        (lambda: {"teacher": SpoiltTeacher(1)}, "the attacked image x'"),  # inf in the loss, NaN in its gradient
        (lambda: {"discretizer": Spoilt(2, "codes")}, "the latents of Q(x')"),
        (lambda: {"discretizer": Spoilt(2, "pixels")}, "Q(x')"),
        (lambda: {"teacher": SpoiltTeacher(2)}, "the teacher's logits on Q(x')"),
        (lambda: {"teacher": SpoiltTeacher(1), "attack": None}, "the teacher's logits on Q(x)"),
    ],
)
@pytest.mark.parametrize("keep_all", [False, True])
def test_an_image_that_is_not_finite_is_rejected_and_the_others_stay_as_they_are(
    changes: Callable[[], dict[str, object]], stage: str, keep_all: bool
) -> None:
    changed = changes()
    attack = changed.pop("attack", Attack(epsilon=1.0, step_size=1.0, steps=1))
    before = changed.pop("stats_before", "none")
    generated = generate(make_generator(attack, keep_all=keep_all, stats_before=before, **changed))
    whole = generate(make_generator(attack, keep_all=keep_all, stats_before=before))
    others = [0, 1, 3, 4, 5, 6]
    assert generated.failed.tolist() == [0, 0, STAGES.index(stage) + 1, 0, 0, 0, 0] and not generated.keep[2]
    for name in FIELDS:
        found, expected = getattr(generated, name)[others], getattr(whole, name)[others]
        torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)
    assert describe_failure(int(generated.failed[2])) == f"not finite: {stage}"


def test_without_labels_the_attack_leads_away_from_the_teachers_own_choice_on_the_source() -> None:
    generator = make_generator(own_labels=True)
    own = generator.teacher(make_pixels()).argmax(dim=1)
    assert own.unique().numel() > 1
    nobody = generator(make_pixels(), torch.full((7,), -1), KEYS)
    told = make_generator()(make_pixels(), own, KEYS)
    assert nobody.labels is not None and torch.equal(nobody.labels, own) and told.labels is None
    for field in FIELDS:
        assert torch.equal(getattr(nobody, field), getattr(told, field)), field
    assert torch.equal(nobody.keep, nobody.logits_after.argmax(dim=1) == own)


def test_a_choice_on_the_source_that_is_no_number_is_none() -> None:
    pixels = make_pixels()
    pixels[2, 0, 0, 0] = torch.nan
    generated = make_generator(own_labels=True, keep_all=True)(pixels, torch.full((7,), -1), KEYS)
    assert (
        describe_failure(int(generated.failed[2])) == "not finite: the teacher's logits on x" and not generated.keep[2]
    )
