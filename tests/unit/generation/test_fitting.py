"""The generator as it is run: from flags, in parts that fit, and in one shape where networks are compiled for one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from test_generator import CPU, FIELDS, KEYS, GreyLevels, generate, make_generator, make_pixels, make_teacher
from torch import Tensor, nn

from dad.args import create_generate_parser
from dad.args.hparams import parse_args
from dad.discretizers.identity import Identity
from dad.generation.fitting import FittingGenerator, create_generator
from dad.images.reading import SourceBatch
from dad.images.sources import SourceImage
from dad.pixels import to_uint8

LABELS = torch.arange(7) % 5


def test_a_batch_that_was_read_is_made_in_parts_that_fit() -> None:
    sources = [SourceImage(key, Path("x.png"), row % 5) for row, key in enumerate(KEYS)]
    batch = SourceBatch(to_uint8(make_pixels()), sources, {})
    whole, parts = (FittingGenerator(make_generator(), size).make(batch) for size in (7, 3))
    for field in FIELDS:
        torch.testing.assert_close(getattr(parts, field), getattr(whole, field), rtol=0, atol=1e-6)
    assert torch.equal(whole.discretized, GreyLevels().decode(GreyLevels().encode(batch.pixels(CPU.device))))


def test_parts_without_codes_are_joined_too() -> None:
    generator = FittingGenerator(make_generator(discretizer=Identity()), batch_size=3)
    generated = generator(make_pixels(), torch.arange(7) % 5, KEYS)
    assert generated.codes is None and len(generated.adversarial) == 7


@pytest.mark.parametrize(("words", "keep_all"), [([], False), (["--keep", "all"], True)])
def test_it_is_built_from_the_flags(words: list[str], keep_all: bool) -> None:
    args = parse_args(create_generate_parser(), [*words, "--seed", "7", "--torchcompile", "eager"])[0]
    teacher = make_teacher()
    generator = create_generator(args, teacher, Identity(), None, CPU)
    assert (generator.generator.seed, generator.generator.keep_all) == (7, keep_all)
    assert (generator.teacher, generator.runtime) == (teacher, CPU)
    assert torch.equal(generate(generator.generator).logits_after, make_teacher()(make_pixels()))


def test_own_labels_do_not_depend_on_the_batch() -> None:
    whole = make_generator(own_labels=True)(make_pixels(), torch.full((7,), -1), KEYS)
    parts = FittingGenerator(make_generator(own_labels=True), 3)(make_pixels(), torch.full((7,), -1), KEYS)
    assert parts.labels is not None and whole.labels is not None
    assert torch.equal(parts.labels, whole.labels) and torch.equal(parts.keep, whole.keep)


class Watched(nn.Module):
    """A teacher that notes how many images it sees at a time, compiled or not."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.sizes = make_teacher(), []

    def forward(self, pixels: Tensor) -> Tensor:
        self.sizes.append(len(pixels))
        return self.inner(pixels)


def fixed(size: int, **changes: Any) -> FittingGenerator:
    return FittingGenerator(make_generator(fixed_shape=True, **changes), size)


@pytest.mark.parametrize("before", ["all", "none"])
def test_every_batch_of_a_compiled_network_has_one_size(before: str) -> None:
    teacher = Watched()
    generator = fixed(4, teacher=teacher, stats_before=before)
    made = generator(make_pixels(), LABELS, KEYS)
    assert set(teacher.sizes) == {4} and len(made.keep) == 7
    generator.verdict(make_pixels())
    assert set(teacher.sizes) == {4}


@pytest.mark.parametrize("size", [4, 16])
def test_what_fills_a_batch_up_changes_nothing_of_the_others(size: int) -> None:
    whole, padded = make_generator()(make_pixels(), LABELS, KEYS), fixed(size)(make_pixels(), LABELS, KEYS)
    for field in FIELDS:
        torch.testing.assert_close(getattr(padded, field), getattr(whole, field), rtol=0, atol=1e-6)
    torch.testing.assert_close(fixed(size).verdict(make_pixels()), make_teacher()(make_pixels()), rtol=0, atol=1e-6)


def test_a_few_images_are_looked_at_without_compiling_for_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dad.generation.generator.in_sample", lambda seed, key: key == KEYS[0])
    teacher = Watched()
    compiled: list[int] = []
    teacher._compiled_call_impl = lambda pixels: compiled.append(len(pixels)) or teacher.forward(pixels)
    made = fixed(7, teacher=teacher, stats_before="sample")(make_pixels(), LABELS, KEYS)
    assert set(compiled) == {7} and 1 in teacher.sizes and not made.logits_before[0].isnan().any()


def test_it_is_built_for_one_shape_where_it_is_compiled() -> None:
    for words, is_fixed in (([], False), (["--torchcompile", "eager"], True)):
        args = parse_args(create_generate_parser(), [*words, "--stats-before", "none"])[0]
        inner = create_generator(args, make_teacher(), Identity(), None, CPU).generator
        assert (inner.fixed_shape, inner.stats_before) == (is_fixed, "none")


def test_only_networks_that_compute_in_one_precision_have_their_weights_in_it() -> None:
    runtime = replace(CPU, autocast_dtype=torch.bfloat16)
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        args = parse_args(create_generate_parser(), [])[0]
        attack = replace(make_generator().attack, precision=precision)  # type: ignore[type-var]
        teacher = make_teacher()
        create_generator(args, teacher, GreyLevels(), attack, runtime)  # type: ignore[arg-type]
        assert teacher.model[1].weight.dtype == dtype


def test_a_last_batch_and_a_first_look_compile_nothing_anew() -> None:
    compiled: list[int] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Any:
        compiled.append(len(inputs))
        return graph.forward

    generator = fixed(7, stats_before="all")
    generator.generator.compile(backend, None)  # type: ignore[arg-type]
    whole = generator(make_pixels(), LABELS, KEYS)
    first = len(compiled)
    last = generator(make_pixels()[:3], LABELS[:3], KEYS[:3])
    generator.verdict(make_pixels()[:2])
    assert len(compiled) == first > 0 and torch.equal(last.adversarial, whole.adversarial[:3])
