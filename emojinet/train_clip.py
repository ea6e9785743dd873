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
from emojinet.fit import batch_indices, fit
from emojinet.web import jitter, render_web, roughen

MODEL_DIR = Path(__file__).parent / "weights" / "clip"  # holds open_clip_config.json
_BATCH_SIZE = 256
_PER_STYLE = 20  # scenes of each concept by each artist
_PER_STYLE_RARE = 4
_PER_STYLE_COMMON = 100
_MEAN = _STD = torch.full((1, 3, 1, 1), 0.5)


def train_clip(seed: int, steps: int) -> nn.Module:
    """Train from scratch with every concept equally often; return the moving average of the weights, in eval mode."""
    torch.manual_seed(seed)
    model = open_clip.create_model(f"local-dir:{MODEL_DIR}", load_weights=False)
    return _contrast(model, render_web(seed, _PER_STYLE), seed, steps, peak_lr=2e-3, vary=jitter)


def train_clip_further(seed: int, steps: int, start_file: Path) -> nn.Module:
    """Go on from `train_clip`'s weights on a web as it is: common things are shown more often, pictures are rougher."""
    torch.manual_seed(seed + 1)
    model = open_clip.create_model(f"local-dir:{MODEL_DIR}", load_weights=False)
    model.load_state_dict({key: value.float() for key, value in load_file(start_file).items()})
    web = render_web(seed + 2, _PER_STYLE_RARE, _PER_STYLE_COMMON)
    return _contrast(model, web, seed + 1, steps, peak_lr=1e-3, vary=_vary_roughly)


def _vary_roughly(images: Tensor, generator: torch.Generator) -> Tensor:
    return roughen(jitter(images, generator, strength=1.5), generator)


def _contrast(
    model: open_clip.CLIP,
    web: tuple[Tensor, Tensor],
    seed: int,
    steps: int,
    peak_lr: float,
    vary: Callable[[Tensor, torch.Generator], Tensor],
) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    captions_rng = random.Random(seed)
    images, concepts = web
    model = model.train()
    model.visual.to(memory_format=torch.channels_last)
    tokens = caption_tokens(open_clip.get_tokenizer(f"local-dir:{MODEL_DIR}"))
    average = ModelEmaV3(model, decay=0.998, use_warmup=True)
    next_batch = batch_indices(len(images), _BATCH_SIZE, generator)

    def loss_of(step: int) -> Tensor:
        average.update(model, step=step)  # here, since `fit` knows of no average: before each step and after the last
        batch = next_batch()
        pixels = vary(images[batch], generator)
        labels = concepts[batch]
        texts = tokens[labels, torch.tensor([captions_rng.randrange(tokens.shape[1]) for _ in labels])]
        with torch.autocast("cpu", torch.bfloat16):
            images_in = normalize(pixels, _MEAN, _STD).contiguous(memory_format=torch.channels_last)
            image_features = model.encode_image(images_in)
        # fp32 from here on: a scale of up to 100 makes much of bf16's rounding
        image_features = nn.functional.normalize(image_features.float(), dim=-1)
        scale = model.logit_scale.exp().clamp(max=100)  # CLIP's own bound (Radford et al. 2021, section 2.5)
        return contrastive_loss(scale * image_features @ model.encode_text(texts, normalize=True).T, labels)

    fit("clip", model.parameters(), loss_of, steps, peak_lr)
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
