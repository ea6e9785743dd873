"""The published files: their keys and shapes, every file that is none of them, and what the networks compute."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, max_pool2d, pad

from dad.checkpoints import file_digest
from dad.errors import DataError
from dad.styles import StyleTransfer
from dad.styles.vgg import create_decoder, create_encoder, load_vgg

# Width and inputs of the convolution at each place of the published files, whose kernels are 3x3 but for the first.
ENCODER = {
    0: (3, 3), 2: (64, 3), 5: (64, 64), 9: (128, 64), 12: (128, 128), 16: (256, 128), 19: (256, 256), 22: (256, 256),
    25: (256, 256), 29: (512, 256), 32: (512, 512), 35: (512, 512), 38: (512, 512), 42: (512, 512), 45: (512, 512),
    48: (512, 512), 51: (512, 512),
}  # fmt: skip
DECODER = {
    1: (256, 512), 5: (256, 256), 8: (256, 256), 11: (256, 256), 14: (128, 256), 18: (128, 128), 21: (64, 128),
    25: (64, 64), 28: (3, 64),
}  # fmt: skip
State = dict[str, Tensor]
Save = Callable[..., str]


def shapes_of(places: dict[int, tuple[int, int]]) -> dict[str, tuple[int, ...]]:
    kernels = {place: (1, 1) if place == 0 else (3, 3) for place in places}
    weights = {f"{place}.weight": (*widths, *kernels[place]) for place, widths in places.items()}
    return weights | {f"{place}.bias": (width,) for place, (width, _) in places.items()}


def make_state(places: dict[int, tuple[int, int]], seed: int) -> State:
    """Weights that keep the size of what goes through them."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for key, shape in shapes_of(places).items():
        scale = (2 / torch.Size(shape[1:]).numel()) ** 0.5 if len(shape) > 1 else 0.1
        state[key] = scale * torch.randn(shape, generator=generator)
    return state


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def save_state(name: str, state: object) -> str:
        torch.save(state, tmp_path / name)
        return str(tmp_path / name)

    return save_state


@pytest.fixture(scope="module")
def states() -> tuple[State, State]:
    """Encoder, to relu4_1, and decoder."""
    return make_state({place: widths for place, widths in ENCODER.items() if place < 31}, 0), make_state(DECODER, 1)


@pytest.mark.parametrize(("network", "places"), [(create_encoder, ENCODER), (create_decoder, DECODER)])
def test_keys_and_shapes_are_those_of_the_published_files(
    network: Callable[[], nn.Module], places: dict[int, tuple[int, int]]
) -> None:
    with torch.device("meta"):
        state = network().state_dict()
    assert {key: tuple(value.shape) for key, value in state.items()} == shapes_of(places)


def test_features_and_way_back_are_those_of_a_loop_over_the_files(states: tuple[State, State], save: Save) -> None:
    encoder, decoder = states
    space = load_vgg(save("vgg.pth", encoder), save("decoder.pth", decoder))
    pixels = torch.rand(2, 3, 32, 24, generator=torch.Generator().manual_seed(2))
    features = conv2d(pixels, encoder["0.weight"], encoder["0.bias"])
    for place in (2, 5, 9, 12, 16, 19, 22, 25, 29):
        features = max_pool2d(features, 2) if place in (9, 16, 29) else features
        features = mirrored(features, encoder, place).relu()
    torch.testing.assert_close(space.encode(pixels), features, rtol=1e-4, atol=1e-5)
    assert features.shape == (2, 512, 4, 3)
    for place in DECODER:
        features = mirrored(features, decoder, place)
        features = features.relu() if place != 28 else features
        features = interpolate(features, scale_factor=2, mode="nearest") if place in (1, 14, 21) else features
    torch.testing.assert_close(space.decode(space.encode(pixels)), features, rtol=1e-4, atol=1e-5)


def mirrored(features: Tensor, state: State, place: int) -> Tensor:
    padded = pad(features, (1, 1, 1, 1), mode="reflect")
    return conv2d(padded, state[f"{place}.weight"], state[f"{place}.bias"])


def test_the_way_back_is_not_clamped(states: tuple[State, State], save: Save) -> None:
    brighter = states[1] | {"28.bias": torch.full((3,), 9.0)}
    space = load_vgg(save("vgg.pth", states[0]), save("decoder.pth", brighter))
    pixels = torch.rand(2, 3, 16, 16)
    assert StyleTransfer(space, 0.5)(pixels, torch.tensor([1, 0])).max() > 2


def test_the_whole_published_encoder_is_taken_and_names_itself(states: tuple[State, State], save: Save) -> None:
    whole = make_state(ENCODER, 0) | states[0]
    files = save("vgg_normalised.pth", whole), save("decoder.pth", states[1])
    space = load_vgg(*files)
    assert len(space.encoder) == 31 and torch.equal(space.encoder[29].weight, states[0]["29.weight"])
    assert (space.settings["style_vgg"], space.settings["style_decoder"]) == tuple(map(file_digest, files))
    assert "substitute" not in str(space.settings["style_transfer"])
    assert not space.training and not any(parameter.requires_grad for parameter in space.parameters())


def test_a_file_that_is_not_the_network_is_refused_by_its_name(states: tuple[State, State], save: Save) -> None:
    encoder, decoder = states
    good = save("vgg.pth", encoder), save("decoder.pth", decoder)
    without = {key: value for key, value in encoder.items() if key != "12.bias"}
    narrow = decoder | {"28.weight": torch.zeros(4, 64, 3, 3)}
    more = decoder | {"30.weight": torch.zeros(3, 3, 3, 3)}
    for files, message in (
        ((good[1], good[0]), r"decoder.pth: not the weights of the encoder \(it is the decoder\); give vgg_normalised"),
        ((good[0], good[0]), r"vgg.pth: not the weights of the decoder \(it is the encoder\)"),
        ((save("a.pth", without), good[1]), r"a.pth: not .* \(1 tensors missing.*12.bias\)"),
        ((good[0], save("b.pth", narrow)), r"b.pth: .* another shape, e.g. 28.weight"),
        ((good[0], save("c.pth", more)), r"c.pth: .*30.weight"),
        ((good[0], "nowhere.pth"), r"--style-weights nowhere.pth: no such file"),
    ):
        with pytest.raises(DataError, match=message):
            load_vgg(*files)
