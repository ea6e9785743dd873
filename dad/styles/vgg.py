"""The published style transfer's networks: VGG-19 with normalised weights to relu4_1, and the decoder that was trained
to invert it (Huang & Belongie 2017; the weights of naoto0804/pytorch-AdaIN)."""

import torch
from torch import Tensor, nn

from dad.checkpoints import file_digest, find_misfit, read_state_dict
from dad.errors import DataError
from dad.files import Settings

_FLAG = "--style-weights"
_BLOCKS = ((64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,) * 4)  # widths of VGG-19's convolutions
TO_RELU4_1 = 31  # layers, of 53


class VggFeatures(nn.Module):
    """Features [B, 512, H/8, W/8] at relu4_1 of VGG-19, and the way back; pixels need no other normalisation than the
    network's own first layer."""

    downscale = 8

    def __init__(self, encoder: nn.Sequential, decoder: nn.Sequential, settings: Settings):
        super().__init__()
        self.encoder = encoder[:TO_RELU4_1]
        self.decoder = decoder
        self.settings = settings

    def encode(self, pixels: Tensor) -> Tensor:
        """Return features of pixels [B, 3, H, W] in [0, 1]."""
        features: Tensor = self.encoder(pixels)
        return features

    def decode(self, features: Tensor) -> Tensor:
        """Return pixels [B, 3, H, W], about [0, 1]: nothing is clamped, as where the weights come from."""
        pixels: Tensor = self.decoder(features)
        return pixels


def create_encoder() -> nn.Sequential:
    """Return VGG-19 with a 1x1 convolution in front, which holds the normalisation, and borders that are mirrored."""
    layers: list[nn.Module] = [nn.Conv2d(3, 3, 1)]
    channels = 3
    for block in _BLOCKS:
        if channels > 3:
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
        for width in block:
            layers += _convolution(channels, width)
            channels = width
    return nn.Sequential(*layers)


def create_decoder() -> nn.Sequential:
    """Return the mirror of the encoder's layers up to relu4_1: nearest neighbours for pooling, no ReLU at the end."""
    layers: list[nn.Module] = []
    for layer in reversed(create_encoder()[1:TO_RELU4_1]):
        if isinstance(layer, nn.MaxPool2d):
            layers.append(nn.Upsample(scale_factor=2))
        elif isinstance(layer, nn.Conv2d):
            layers += _convolution(layer.out_channels, layer.in_channels)
    return nn.Sequential(*layers[:-1])


def load_vgg(encoder: str, decoder: str) -> VggFeatures:
    """Read both networks, frozen and in evaluation mode.

    Args:
        encoder: the file of all 53 layers of VGG-19, or of those up to relu4_1.
        decoder: the decoder's file.

    Raises:
        DataError: a file is missing, damaged or of another network; the message says if they are the wrong way round.
    """
    with torch.device("meta"):  # the file's tensors take the place of these, which are never filled
        networks = {"encoder": create_encoder(), "decoder": create_decoder()}
    files = {"encoder": encoder, "decoder": decoder}
    states = {part: read_state_dict(file, _FLAG) for part, file in files.items()}
    if "32.weight" not in states["encoder"]:  # no layer beyond relu4_1
        networks["encoder"] = networks["encoder"][:TO_RELU4_1]
    for part, network in networks.items():
        _require_fit(part, files[part], states[part], networks)
        network.load_state_dict({key: value.float() for key, value in states[part].items()}, assign=True)
    digests = {"style_vgg": file_digest(encoder), "style_decoder": file_digest(decoder)}
    settings: Settings = {"style_transfer": "relu4_1 of VGG-19", **digests}
    return VggFeatures(networks["encoder"], networks["decoder"], settings).eval().requires_grad_(False)


def _convolution(channels: int, width: int) -> list[nn.Module]:
    return [nn.ReflectionPad2d(1), nn.Conv2d(channels, width, 3), nn.ReLU(inplace=True)]


def _require_fit(part: str, file: str, state: dict[str, Tensor], networks: dict[str, nn.Sequential]) -> None:
    misfit = find_misfit(networks[part], state)
    if not misfit:
        return
    (other,) = networks.keys() - {part}
    wrong = [*misfit.missing, *misfit.reshaped, *misfit.left]
    reason = f"{len(wrong)} tensors missing, left over or of another shape, e.g. {wrong[0]}"
    if not find_misfit(networks[other], state):
        reason = f"it is the {other}"
    raise DataError(
        f"{_FLAG} {file}: not the weights of the {part} ({reason}); give vgg_normalised.pth and decoder.pth of "
        "naoto0804/pytorch-AdaIN, in this order"
    )
