"""The zero-shot head: class names in prompts, through the text tower, once (Radford et al. 2021, section 3.1.4).

ImageNet's 80,000 prompts take a minute on a GPU and hours on a CPU. So the head is kept in a file that every script
finds, one process makes it while the others wait, and it is told how long that takes before it begins.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from dad.checkpoints import tensors_digest
from dad.files import write_atomically, writing

_logger = logging.getLogger(__name__)
_BATCH = {"cpu": 64}  # prompts at a time; on other devices _LARGE_BATCH
_LARGE_BATCH = 1024
_TRIAL = 16  # prompts that are timed first
_INTERVAL = 10.0  # seconds from one line of progress to the next
_WORTH_A_LINE = 5.0  # seconds
_ODD = ("Two  CAPITALS & 12 digits, it's a well-known café_name.", "very long " * 300)


class ZeroShotHead(nn.Module):
    """A linear classifier whose weights are the class names' embeddings: logits are scaled cosine similarities.

    Attributes:
        head: unit columns [D, K].
    """

    head: Tensor

    def __init__(self, head: Tensor, logit_scale: float, logit_bias: float = 0.0):
        super().__init__()
        self.logit_scale = logit_scale
        self.logit_bias = logit_bias
        self.num_classes = head.shape[1]
        self.register_buffer("head", head)

    def classify(self, embeddings: Tensor) -> Tensor:
        """Return logits [B, K] of unit embeddings [B, D], float32."""
        with torch.autocast(embeddings.device.type, enabled=False):  # a bf16 cosine times 100 is a tenth off
            return self.logit_scale * embeddings @ self.head + self.logit_bias


def head_file(cache: Path, names: Sequence[str], templates: Sequence[str], made_of: str) -> Path:
    """Return where the head of these names and prompts is kept; `made_of` stands for all else that decides it."""
    key = hashlib.sha256("\0".join([made_of, *templates, "", *names]).encode()).hexdigest()[:32]
    return cache / f"zero-shot-{key}.safetensors"


def cached_head(
    cache: Path,
    model: nn.Module,
    tokenizer: Any,
    names: Sequence[str],
    templates: Sequence[str],
    made_of: str,
    device: torch.device | None = None,
) -> Tensor:
    """Return the zero-shot head [D, K] with unit columns, on the CPU: from `cache`, or made on `device` and kept there.

    Args:
        made_of: a digest of all that the head depends on besides names and templates: weights, architecture, tokens.
    """
    file = head_file(cache, names, templates, made_of)
    head = read_head(file, len(names))
    if head is not None:
        return head
    with _alone(file):
        head = read_head(file, len(names), tell=True)  # another process may have made it while this one waited
        if head is None:
            head = make_head(model, tokenizer, names, templates, device or torch.device("cpu"))
            digest = tensors_digest({"head": head})
            write_atomically(file, save({"head": head}, metadata={"digest": digest}))
    return head


@torch.no_grad()
def make_head(
    model: nn.Module, tokenizer: Any, names: Sequence[str], templates: Sequence[str], device: torch.device
) -> Tensor:
    """Return the head: of each class the normalised mean of its prompts' normalised embeddings, in float32.

    The model comes back to the CPU.
    """
    encode = _encoder(model, tokenizer, device)
    size = _BATCH.get(device.type, _LARGE_BATCH)
    progress = _Progress(len(names) * len(templates), device)
    progress.estimate(lambda count: encode([templates[0].format(names[0])] * count))
    prompts = [template.format(name) for name in names for template in templates]
    embeddings = []
    for start in range(0, len(prompts), size):
        embeddings.append(encode(prompts[start : start + size]))
        progress.update(len(embeddings[-1]))
    model.to("cpu")
    means = torch.cat(embeddings).view(len(names), len(templates), -1).mean(dim=1)
    return nn.functional.normalize(means, dim=-1).T.contiguous()


@torch.no_grad()
def estimate_head(
    model: nn.Module, tokenizer: Any, names: Sequence[str], templates: Sequence[str], device: torch.device
) -> float:
    """Return the seconds that `make_head` will take, from two batches of prompts of which the first warms up; the model
    comes back to the CPU."""
    prompts = len(names) * len(templates)
    size = min(prompts, _BATCH.get(device.type, _LARGE_BATCH))
    encode, seconds = _encoder(model, tokenizer, device), 0.0
    for _ in range(2):
        start = time.perf_counter()
        encode([templates[-1].format(names[-1])] * size)
        seconds = time.perf_counter() - start
    model.to("cpu")
    return seconds / size * prompts


def _encoder(model: nn.Module, tokenizer: Any, device: torch.device) -> Callable[[Sequence[str]], Tensor]:
    """Return what makes of prompts their unit embeddings, float32 [B, D] on the CPU; the model goes to the device."""
    text: Any = model.to(device)

    def encode(prompts: Sequence[str]) -> Tensor:
        tokens: Tensor = tokenizer(list(prompts)).to(device)
        with _cut_to_prompts(text, tokens) as short:
            embeddings: Tensor = text.encode_text(short, normalize=True)
        return embeddings.float().cpu()

    return encode


@contextlib.contextmanager
def _cut_to_prompts(model: Any, tokens: Tensor) -> Iterator[Tensor]:
    """Yield tokens [B, L] without the padding behind the longest prompt, and fit a CLIP to them meanwhile.

    A prompt's embedding is read at its end token, which sees only what comes before: the other 60 of 77 places change
    nothing and take four fifths of the time. Text towers of other kinds are left as they are.
    """
    if type(model) is not open_clip.CLIP or model.text_pool_type != "argmax" or model.attn_mask is None:
        yield tokens
        return
    length = int(tokens.argmax(dim=1).max()) + 1
    places, mask = model.positional_embedding, model.attn_mask
    model.positional_embedding = nn.Parameter(places[:length], requires_grad=False)
    model.attn_mask = mask[:length, :length]
    try:
        yield tokens[:, :length]
    finally:
        model.positional_embedding, model.attn_mask = places, mask


def tokenizer_digest(tokenizer: Any) -> str:
    """Return 16 hex digits of what a tokenizer makes of the usual words: two that agree on them are one."""
    words = [template("") for template in open_clip.OPENAI_IMAGENET_TEMPLATES]
    tokens: Tensor = tokenizer([*words, *open_clip.IMAGENET_CLASSNAMES, *_ODD])
    return tensors_digest({"tokens": tokens.long()})


def read_head(file: Path, classes: int, tell: bool = False) -> Tensor | None:
    """Return the head in a file that is whole, or None."""
    if not file.is_file():
        return None
    try:
        with safe_open(file, "pt") as content:
            head: Tensor = content.get_tensor("head")
            digest = (content.metadata() or {}).get("digest", "")
    except (SafetensorError, OSError) as error:
        reason = type(error).__name__
    else:
        reason = _find_damage(head, classes, digest)
    if not reason:
        return head
    if tell:
        _logger.warning("%s is damaged (%s): the zero-shot head is made anew", file, reason)
    return None


def _find_damage(head: Tensor, classes: int, digest: str) -> str:
    if head.ndim != 2 or head.shape[1] != classes:
        return f"its shape is {tuple(head.shape)}"
    if digest != tensors_digest({"head": head}):
        return "its content is not what was written"
    if not torch.allclose(head.norm(dim=0), torch.ones(classes), atol=1e-4):
        return "its columns are not of length 1"
    return ""


@contextlib.contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Let one process at a time make a file; the lock of one that dies is free at once.

    Raises:
        DataError: the folder cannot be written, or a link stands in the place of the lock.
    """
    lock = file.with_name(f".{file.name}.lock")
    with writing(lock.parent, "choose another --teacher-cache"):
        lock.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    with os.fdopen(descriptor) as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _logger.info("another process makes the zero-shot head; waiting for %s", file)
            fcntl.flock(stream, fcntl.LOCK_EX)
        except OSError as error:  # a file system without locks: the head is made more than once, to the same end
            _logger.debug("no lock on %s (%s)", lock, error)
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)  # whoever waits for it looks for the head first


class _Progress:
    """Says how long the head takes before it is begun, and from time to time how far it is; whatever the rank."""

    def __init__(self, prompts: int, device: torch.device):
        self._total, self._done, self._device = prompts, 0, device
        self._is_told = False
        self._start = self._last = time.perf_counter()

    def estimate(self, encode: Callable[[int], object]) -> None:
        """Time a few prompts, unless all are few."""
        if self._total < 8 * _TRIAL:
            return
        if self._device.type == "cpu":
            start = time.perf_counter()
            encode(_TRIAL)
            seconds = (time.perf_counter() - start) / _TRIAL * self._total
            self._is_told = seconds > _WORTH_A_LINE
            advice = "; on a GPU it is a minute: --device cuda" if seconds > 600 else ""
            took = f", about {_duration(seconds)} on the CPU{advice}"
        else:
            self._is_told, took = True, f" on {self._device}"
        if self._is_told:
            _logger.setLevel(logging.INFO)  # the process that makes it need not be the first
            _logger.info("zero-shot head: %s prompts, once for all runs%s", f"{self._total:,}", took)
        self._start = self._last = time.perf_counter()

    def update(self, prompts: int) -> None:
        """Count prompts that are done."""
        self._done += prompts
        now = time.perf_counter()
        if self._is_told and now - self._last > _INTERVAL:
            self._last = now
            left = (now - self._start) / self._done * (self._total - self._done)
            _logger.info("zero-shot head: %3.0f%%, %s to go", 100 * self._done / self._total, _duration(left))


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
