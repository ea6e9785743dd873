"""Q as Stable Diffusion's image-to-image mode (Rombach et al. 2022; paper, appendix B.1 and Table 10).

The paper gives the prompt alone. Model, strength, steps and guidance are flags; their defaults are the pipeline's own.
"""

import argparse
import hashlib
import importlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from dad.checkpoints import file_digest
from dad.checkpoints.downloads import prepare_hub
from dad.discretizers import Discretizer
from dad.errors import DataError, UsageError
from dad.files import read_json

FIT_FOR_TRAINING = False  # dozens of passes an image
NEEDS = {"diffusion_model": "NAME, a folder or a hub id such as stable-diffusion-v1-5/stable-diffusion-v1-5"}
PARTS = ("scheduler", "text_encoder", "tokenizer", "unet", "vae")  # a safety checker only blackens pictures


@dataclass(frozen=True)
class Denoising:
    """How an image is redrawn: noised to the share `strength` of the schedule, then denoised towards the prompt.

    Attributes:
        steps: of the whole schedule; an image goes through the last `strength` of them.
        guidance: weight of the prompt against no prompt; 1 or less leaves out the pass without it.
    """

    prompt: str
    strength: float
    steps: int
    guidance: float

    def __post_init__(self) -> None:
        if not 0 < self.strength <= 1 or int(self.steps * self.strength) < 1:
            raise UsageError(
                f"--diffusion-strength {self.strength} of --diffusion-steps {self.steps} leaves no step to take: "
                "the strength must lie above 0 and at most at 1, strength times steps must be 1 or more"
            )
        if not 0 <= self.guidance < float("inf"):
            raise UsageError(f"--diffusion-guidance {self.guidance}: it must be 0 or more")


class StableDiffusion(nn.Module):
    """Q: pixels [B, 3, H, W] in [0, 1] to pixels of the same shape; H and W are multiples of `downscale`.

    Random draws, the encoder's and the scheduler's, come from the image's own generator: neither its batch nor the last
    bits of its pixels change them.
    """

    has_codes = False

    def __init__(self, pipeline: Any, denoising: Denoising, settings: dict[str, str]):
        super().__init__()
        self.pipeline = pipeline
        self.denoising = denoising
        self.settings = settings
        self.downscale: int = pipeline.vae_scale_factor
        self.text_encoder = pipeline.text_encoder
        self.unet = pipeline.unet
        self.vae = pipeline.vae
        self.vae.decoder.register_forward_hook(_mark_infinite)
        self.eval().requires_grad_(False)

    def forward(self, pixels: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Return Q(x), float32, NaN where a value is not finite; image i draws from `generators[i]`, on the CPU."""
        # the weights' precision decides: autocast would only mix other types into the scheduler's arithmetic
        with torch.autocast(pixels.device.type, enabled=False):
            images: Tensor = self.pipeline(
                prompt=[self.denoising.prompt] * len(pixels),
                image=pixels,
                strength=self.denoising.strength,
                num_inference_steps=self.denoising.steps,
                guidance_scale=self.denoising.guidance,
                generator=list(generators),
                output_type="pt",
            ).images
        return images.float()


def _mark_infinite(decoder: nn.Module, inputs: Any, output: Tensor) -> Tensor:
    """Return a decoder's output with NaN for infinity, which the pipeline would clamp to a black or white pixel."""
    return output.masked_fill(~output.isfinite(), torch.nan)


def model_digest(folder: Path) -> str:
    """Return 16 hex digits that name the weights and configurations a pipeline is built from, wherever they lie.

    Other precisions (`model.fp16.safetensors`), the safety checker and pickles are never loaded and do not count.
    """
    files = [path for part in PARTS for path in sorted((folder / part).glob("*")) if "." not in path.stem]
    known = [path for path in files if path.suffix in (".json", ".safetensors", ".txt")]
    lines = [f"{path.parent.name}/{path.name} {file_digest(path)}" for path in known]
    index = folder / "model_index.json"  # names the scheduler's class, and each network's
    if index.is_file():
        classes = read_json(index, "give a folder that diffusers saved")
        lines += [f"{part} {classes.get(part)}" for part in PARTS]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def load_pipeline(model: str) -> tuple[Any, str]:
    """Load diffusers' image-to-image pipeline from a folder or the Hugging Face hub; return it and its digest.

    Only safetensors are read, because a pickle could run code. There is no safety checker and no progress bar.

    Raises:
        UsageError: diffusers or transformers is missing.
        DataError: no such model, damaged, or of another kind.
    """
    pipeline_class = _import_pipeline_class()
    if not Path(model).is_dir():
        prepare_hub()
    options = {"use_safetensors": True, "safety_checker": None, "requires_safety_checker": False}
    try:
        folder = Path(model if Path(model).is_dir() else pipeline_class.download(model, **options))
        pipeline = pipeline_class.from_pretrained(folder, low_cpu_mem_usage=False, **options)  # True needs accelerate
    except (OSError, ValueError, AttributeError, RuntimeError, SafetensorError) as error:
        raise DataError(_refusal(model, f"{type(error).__name__}: {error}")) from error
    unet, vae, text_encoder = pipeline.unet.config, pipeline.vae.config, pipeline.text_encoder.config
    if (unet.in_channels, unet.cross_attention_dim) != (vae.latent_channels, text_encoder.hidden_size):
        raise DataError(_refusal(model, "its parts do not fit each other, as in an inpainting or SDXL model"))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline, model_digest(folder)


def create_discretizer(args: argparse.Namespace, device: torch.device) -> Discretizer:
    """Build Q from the `--diffusion-*` flags; with `--amp`, its weights are of `--amp-dtype`."""
    if not args.diffusion_model:
        raise UsageError(f"--discretizer stable_diffusion needs --diffusion-model {NEEDS['diffusion_model']}")
    denoising = Denoising(args.diffusion_prompt, args.diffusion_strength, args.diffusion_steps, args.diffusion_guidance)
    pipeline, digest = load_pipeline(args.diffusion_model)
    limit = pipeline.scheduler.config.num_train_timesteps
    if denoising.steps > limit:
        raise UsageError(f"--diffusion-steps {denoising.steps}: the model knows at most {limit}")
    settings = {f"diffusion_{name}": str(value) for name, value in asdict(denoising).items()}
    settings = {"discretizer": "stable_diffusion", "diffusion_model": digest, **settings}
    q = StableDiffusion(pipeline, denoising, settings)
    q = q.to(device, getattr(torch, args.amp_dtype) if args.amp else torch.float32)
    return q.to(memory_format=torch.channels_last) if args.channels_last else q


def _import_pipeline_class() -> Any:
    """Import the optional extra; both packages are asked for, because diffusers puts off the lack of the other."""
    try:
        packages = [importlib.import_module(name) for name in ("diffusers", "transformers")]
        for package in packages:
            importlib.import_module(f"{package.__name__}.utils.logging").disable_progress_bar()
        return packages[0].StableDiffusionImg2ImgPipeline
    except (ImportError, RuntimeError) as error:  # diffusers raises the latter when the two do not fit each other
        reason = str(error).strip().splitlines()[0]
        raise UsageError(
            f"--discretizer stable_diffusion: pip install -r requirements-diffusion.txt first ({reason})"
        ) from error


def _refusal(model: str, reason: str) -> str:
    expected = "a folder with model_index.json and safetensors of a Stable Diffusion model, or its hub id"
    return f"--diffusion-model {model}: not usable; give {expected} ({' '.join(reason.split())[:200]})"
