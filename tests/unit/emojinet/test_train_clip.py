"""What the tiny CLIP is trained with: captions and their loss."""

import math

import pytest
import torch
from torch import Tensor

from emojinet.concepts import shared_concepts, templates
from emojinet.train_clip import caption_tokens, contrastive_loss


def test_contrastive_loss_counts_all_pairs_of_a_concept() -> None:
    labels = torch.tensor([0, 0, 1])
    perfect = torch.tensor([[9.0, 9.0, -9.0], [9.0, 9.0, -9.0], [-9.0, -9.0, 9.0]])
    assert contrastive_loss(perfect, labels) < contrastive_loss(torch.diag(torch.full((3,), 9.0)), labels)


def test_logits_that_tell_nothing_cost_the_logarithm_of_the_batch() -> None:
    assert contrastive_loss(torch.zeros(4, 4), torch.arange(4)).item() == pytest.approx(math.log(4))


def test_captions_are_every_concept_in_every_template() -> None:
    asked: list[str] = []

    def tokenizer(prompts: list[str]) -> Tensor:
        asked.extend(prompts)
        return torch.arange(len(prompts))[:, None].expand(-1, 7)

    tokens = caption_tokens(tokenizer)
    assert tokens.shape == (len(shared_concepts()), len(templates()), 7)
    assert asked[int(tokens[5, 2, 0])] == templates()[2].format(shared_concepts()[5].name)
