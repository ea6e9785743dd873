"""Train the tiny CLIP: an open_clip model on the small web, contrastively, with the concepts' names as captions."""

import random
from collections.abc import Callable
from pathlib import Path

import open_clip
import torch
from safetensors.torch import load_file
from timm.utils import ModelEmaV3
from torch import Tensor, nn

from dad.pixels import normalize
from emojinet.concepts import shared_concepts, templates
from emojinet.fit import Batches, fit
from emojinet.progress import Draws, Progress
from emojinet.web import jitter, render_web, roughen
from emojinet.worlds import LARGE

MODEL_DIR = Path(__file__).parent / "weights" / "clip"  # holds open_clip_config.json
_BATCH_SIZE = 256
_PER_STYLE = 20  # scenes of each concept by each artist
_PER_STYLE_RARE = 4
_PER_STYLE_COMMON = 100
_MEAN = _STD = torch.full((1, 3, 1, 1), 0.5)
# The large world's CLIP has every concept to know alike, and is made where a card is.
LARGE_CONFIG = {
    "model_cfg": {
        "embed_dim": 256,
        "vision_cfg": {"image_size": LARGE.size, "layers": [2, 2, 2, 2], "width": 32, "patch_size": None},
        "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 4, "layers": 2},
    },
    "preprocess_cfg": {
        "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic", "resize_mode": "shortest",
    },
}  # fmt: skip
_LARGE_BATCH = 512


def train_clip(seed: int, steps: int, progress: Progress | None = None) -> nn.Module:
    """Train from scratch with every concept equally often; return the moving average of the weights, in eval mode."""
    torch.manual_seed(seed)
    model = open_clip.create_model(f"local-dir:{MODEL_DIR}", load_weights=False)
    web = render_web(seed, _PER_STYLE)
    return _contrast(model, web, seed, steps, 2e-3, jitter, progress, MODEL_DIR, _BATCH_SIZE)


def train_clip_further(seed: int, steps: int, start_file: Path, progress: Progress | None = None) -> nn.Module:
    """Go on from `train_clip`'s weights on a web as it is: common things are shown more often, pictures are rougher."""
    torch.manual_seed(seed + 1)
    model = open_clip.create_model(f"local-dir:{MODEL_DIR}", load_weights=False)
    model.load_state_dict({key: value.float() for key, value in load_file(start_file).items()})
    web = render_web(seed + 2, _PER_STYLE_RARE, _PER_STYLE_COMMON)
    return _contrast(model, web, seed + 1, steps, 1e-3, _vary_roughly, progress, MODEL_DIR, _BATCH_SIZE)


def train_large_clip(
    folder: Path, seed: int, steps: int, device: torch.device, progress: Progress | None = None
) -> nn.Module:
    """Train the large world's CLIP, whose configuration lies in `folder`, on rough pictures of all concepts alike."""
    torch.manual_seed(seed)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False).to(device)
    web = render_web(seed, _PER_STYLE, size=LARGE.size)
    return _contrast(model, web, seed, steps, 2e-3, _vary_roughly, progress, folder, _LARGE_BATCH)


def _vary_roughly(images: Tensor, generator: torch.Generator) -> Tensor:
    return roughen(jitter(images, generator, strength=1.5), generator)


def _contrast(
    model: open_clip.CLIP,
    web: tuple[Tensor, Tensor],
    seed: int,
    steps: int,
    peak_lr: float,
    vary: Callable[[Tensor, torch.Generator], Tensor],
    progress: Progress | None,
    folder: Path,
    batch_size: int,
) -> nn.Module:
    device = next(model.parameters()).device
    order = torch.Generator().manual_seed(seed)
    generator = order if device.type == "cpu" else torch.Generator(device).manual_seed(seed)
    captions_rng = random.Random(seed)
    images, concepts = (part.to(device) for part in web)
    mean, std = _MEAN.to(device), _STD.to(device)
    model = model.train()
    model.visual.to(memory_format=torch.channels_last)
    tokens = caption_tokens(open_clip.get_tokenizer(f"local-dir:{folder}")).to(device)
    average = ModelEmaV3(model, decay=0.998, use_warmup=True)
    batches = Batches(len(images), batch_size, order)

    def loss_of(step: int) -> Tensor:
        average.update(model, step=step)  # here, since `fit` knows of no average: before each step and after the last
        batch = batches.draw().to(device)
        pixels = vary(images[batch], generator)
        labels = concepts[batch]
        texts = tokens[labels, torch.tensor([captions_rng.randrange(tokens.shape[1]) for _ in batch])]
        with torch.autocast(device.type, torch.bfloat16):
            images_in = normalize(pixels, mean, std).contiguous(memory_format=torch.channels_last)
            image_features = model.encode_image(images_in)
        # fp32 from here on: a scale of up to 100 makes much of bf16's rounding
        image_features = nn.functional.normalize(image_features.float(), dim=-1)
        scale = model.logit_scale.exp().clamp(max=100)  # CLIP's own bound (Radford et al. 2021, section 2.5)
        return contrastive_loss(scale * image_features @ model.encode_text(texts, normalize=True).T, labels)

    draws = Draws([order, generator], captions_rng)
    parts = {"model": model, "average": average, "draws": draws, "batches": batches}
    fit("clip", model.parameters(), loss_of, steps, peak_lr, progress, parts)
    average.update(model, step=steps)
    averaged: nn.Module = average.module.eval()
    return averaged


def caption_tokens(tokenizer: open_clip.SimpleTokenizer) -> Tensor:
    """Return the tokens of every concept in every template, [concepts, templates, context length]."""
    prompts = [template.format(concept.name) for concept in shared_concepts() for template in templates()]
    tokens: Tensor = tokenizer(prompts)
    return tokens.view(len(shared_concepts()), len(templates()), -1)


def contrastive_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """CLIP's symmetric loss, where all pictures and captions of one concept count as a pair: logits [B, B], labels
    [B]."""
    targets = (labels[:, None] == labels[None]).float()
    targets = targets / targets.sum(1, keepdim=True)
    return (nn.functional.cross_entropy(logits, targets) + nn.functional.cross_entropy(logits.T, targets)) / 2
