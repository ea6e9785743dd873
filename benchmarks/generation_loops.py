"""The two loops that are compared: what one would write first, and the project's parts as they are meant to be used."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from benchmarks.generation_world import Batch, Networks
from dad.attacks import Attack, keyed_generator
from dad.discretizers.vqgan import Vqgan
from dad.generation.generator import Generated, Generator
from dad.pixels import to_uint8
from dad.shards import encode_codes, encode_image


@dataclass(frozen=True)
class Outcome:
    """What was made of a batch, on the CPU: images uint8 [B, H, W, 3], codes [B, h, w] and verdicts bool [B]."""

    images: Tensor
    codes: Tensor
    keep: Tensor


def straightforward(
    networks: Networks, attack: Attack, seed: int, device: torch.device, folder: Path, batches: Sequence[Batch]
) -> list[Outcome]:
    """Make DAD images as one would first write it: fp32, eager, one thing after the other, a PNG for each image."""
    teacher = networks.teacher
    vqgan = networks.vqgan
    outcomes = []
    for batch in batches:
        pixels = batch.pixels.to(device)
        labels = batch.labels.to(device)

        def teacher_loss(variable: Tensor, labels: Tensor = labels) -> Tensor:
            return nn.functional.cross_entropy(teacher(variable), labels, reduction="none")

        with torch.no_grad():
            discretized = vqgan.decode(naive_codes(vqgan, pixels))
            perturbed = attack(teacher_loss, discretized, [keyed_generator(seed, key) for key in batch.keys])
            codes = naive_codes(vqgan, perturbed)
            adversarial = vqgan.decode(codes)
            teacher(discretized)  # a DAD set says how sure the teacher was before, too
            after = teacher(adversarial)
        images = to_uint8(adversarial).permute(0, 2, 3, 1).cpu()
        for key, image in zip(batch.keys, images, strict=True):
            Image.fromarray(image.numpy()).save(folder / f"{key}.png")
        outcomes.append(Outcome(images, codes.cpu(), (after.argmax(1) == labels).cpu()))
    return outcomes


def naive_codes(vqgan: Vqgan, pixels: Tensor) -> Tensor:
    """Return codes [B, h, w] by the full matrix of squared distances."""
    latents = vqgan.latents(pixels).permute(0, 2, 3, 1)
    flat = latents.reshape(-1, latents.shape[-1])
    codebook = vqgan.quantize.weight
    distances = flat.square().sum(1, keepdim=True) - 2 * flat @ codebook.T + codebook.square().sum(1)
    return distances.argmin(1).view(latents.shape[:-1])


def overlapped(generator: Generator, folder: Path, batches: Sequence[Batch]) -> list[Outcome]:
    """Make DAD images with the project's parts; a thread encodes and writes a batch while the device makes the next."""
    outcomes: list[Outcome] = []
    pending: deque[Future[Outcome]] = deque()
    with ThreadPoolExecutor(max_workers=1) as thread:
        for batch in batches:
            pending.append(thread.submit(write, *start_batch(generator, batch), batch.keys, folder))
            if len(pending) > 2:  # the host must not run ahead: each batch under way holds memory
                outcomes.append(pending.popleft().result())
    return outcomes + [future.result() for future in pending]


def start_batch(generator: Generator, batch: Batch) -> tuple[Outcome, torch.cuda.Event | None]:
    """Generate a batch; on CUDA this returns at once, and the outcome is valid when the event has happened."""
    device = generator.runtime.device
    pixels, labels = (tensor.to(device, non_blocking=True) for tensor in (batch.pixels, batch.labels))
    made: Generated = generator(pixels, labels, batch.keys)
    assert made.codes is not None, "a VQGAN has codes"
    images = to_uint8(made.adversarial).permute(0, 2, 3, 1).contiguous()
    host = [tensor.to("cpu", non_blocking=True) for tensor in (images, made.codes, made.keep)]  # pinned by PyTorch
    if device.type != "cuda":
        return Outcome(*host), None
    ready: torch.cuda.Event = torch.cuda.current_stream(device).record_event()
    return Outcome(*host), ready


def write(outcome: Outcome, ready: torch.cuda.Event | None, keys: Sequence[str], folder: Path) -> Outcome:
    """Write each image as JPEG and its codes, and return the outcome."""
    if ready is not None:  # until then the copies to the CPU may still be under way
        ready.synchronize()
    for key, image, codes in zip(keys, outcome.images.numpy(), outcome.codes.numpy(), strict=True):
        (folder / f"{key}.jpg").write_bytes(encode_image(image, "jpg", 95))
        (folder / f"{key}.npy").write_bytes(encode_codes(codes))
    return outcome
