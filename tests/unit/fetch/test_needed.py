"""Which weights a script needs, and how they are named where there is no network."""

from argparse import Namespace
from pathlib import Path

import pytest

from dad.args.hparams import parse_args
from dad.args.scripts import ASK, SCRIPTS
from dad.errors import UsageError
from dad.fetch.needed import Weights, _sha256_in, find_needed
from dad.fetch.sources import Address, HubCache, HubFiles

CLIP = "clip/ViT-L-14-quickgelu/openai"


def needed(script: str, *words: str) -> list[Weights]:
    args: Namespace = parse_args(SCRIPTS[script](), words)[0]
    return find_needed(script, args)


def only(script: str, *words: str) -> Weights:
    (weights,) = needed(script, *words)
    return weights


def test_a_clip_of_open_clips_is_named_with_its_tag() -> None:
    teacher, q = needed("generate", "--teacher", CLIP)
    assert teacher.source == HubFiles(
        "timm/vit_large_patch14_clip_224.openai",
        ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin"),
    )
    assert teacher.offline == f"--teacher {CLIP}@{{}}" and not teacher.licence
    assert isinstance(q.source, Address) and q.source.address.endswith("/latent-diffusion/vq-f8.zip")


def test_weights_of_timms_have_their_licence() -> None:
    weights = only("train", "--objective", "ce", "--model", "resnet50.tv_in1k", "--pretrained")
    assert isinstance(weights.source, HubFiles) and weights.source.repository == "timm/resnet50.tv_in1k"
    assert weights.licence == "bsd-3-clause"
    assert weights.offline == "--model resnet50.tv_in1k --pretrained-path {}"
    assert only("validate", "--model", "resnet50.tv_in1k", "--pretrained").offline.endswith("--checkpoint {}")
    assert only("validate", "--teacher", "resnet50.tv_in1k").offline == "--teacher resnet50.tv_in1k@{}"


def test_an_address_alone_has_the_hash_that_its_name_ends_in() -> None:
    source = only("train", "--objective", "ce", "--model", "legacy_seresnet18.in1k", "--pretrained").source
    assert isinstance(source, Address) and source.sha256 == "4bb0ce65" and source.cache.endswith("hub/checkpoints")


@pytest.mark.parametrize(
    ("words", "roles"),
    [
        (["--objective", "ce"], []),
        (["--objective", "ce", "--teacher", CLIP], []),  # nobody asks it
        (["--objective", "dad", "--teacher", CLIP], ["teacher"]),
        (["--objective", "dad", "--teacher", CLIP, "--soft-targets", "there"], []),
        (["--objective", "dat"], ["VQGAN"]),
        (["--objective", "dat", "--discretizer", "identity"], []),
        (["--objective", "ce", "--pretrained", "--pretrained-path", "x.pth"], ["student"]),
        (["--objective", "ce", "--initial-checkpoint", "x.pth", "--resume", "auto"], ["student"]),
    ],
)
def test_only_what_the_run_will_load_is_needed(words: list[str], roles: list[str]) -> None:
    assert [weights.role for weights in needed("train", *words)] == roles


def test_who_builds_soft_targets_asks_the_teacher_and_loads_no_student() -> None:
    words = ["--objective", "dad", "--teacher", CLIP, "--soft-targets", "there", "--pretrained"]
    assert [weights.role for weights in needed(ASK, *words)] == ["teacher"]


def test_a_style_transfer_is_two_files_or_a_substitute() -> None:
    weights = only("train", "--objective", "debiased")
    assert weights.by_hand.endswith("/pytorch-AdaIN") and weights.offline.startswith("--style-weights ")
    named = needed("train", "--objective", "debiased", "--style-weights", "vgg.pth", "decoder.pth")
    assert [one.file for one in named] == [Path("vgg.pth"), Path("decoder.pth")]
    assert only("train", "--objective", "debiased", "--vqgan-checkpoint", "q.ckpt").file == Path("q.ckpt")
    assert not needed("train", "--objective", "debiased", "--discretizer", "identity")


def test_a_discrete_vit_has_a_vqgan_of_its_own() -> None:
    words = ["--objective", "ce", "--model", "drvit_small_patch16_224", "--model-kwargs", "vqgan=q.ckpt"]
    assert only("train", *words).file == Path("q.ckpt")


def test_files_of_ones_own_are_named_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "x.pt"
    file.touch()
    assert only("validate", "--teacher", f"{CLIP}@{file}").find() == file
    assert only("validate", "--teacher", f"resnet50@{file}").find() == file
    assert [weights.file for weights in needed("validate", "--checkpoint", "a", str(file))] == [Path("a"), file]
    assert [weights.find() for weights in needed("validate", "--checkpoint", "a", str(file))] == [None, file]
    assert only("validate", "--onnx", str(file)).find() == file


def test_a_tokenizer_of_the_hub_is_needed_too() -> None:
    _, tokenizer = needed("validate", "--teacher", "clip/ViT-B-16-SigLIP/webli")
    assert isinstance(tokenizer.source, HubCache) and tokenizer.source.repository == "timm/ViT-B-16-SigLIP"
    assert not tokenizer.offline


def test_repositories_become_folders() -> None:
    clip = only("validate", "--teacher", "clip/hf-hub:org/model")
    assert isinstance(clip.source, HubFiles) and clip.source.whole and clip.offline == "--teacher clip/local-dir:{}"
    student = only("train", "--objective", "ce", "--model", "hf-hub:org/model@v1")
    assert isinstance(student.source, HubFiles) and (student.source.repository, student.source.revision) == (
        "org/model",
        "v1",
    )
    assert student.offline == "--model local-dir:{}"
    teacher = only("validate", "--teacher", "hf-hub:org/model")
    assert teacher.offline == "--teacher local-dir:{}"


def test_what_no_program_can_fetch_has_a_page() -> None:
    _, q = needed("generate", "--teacher", CLIP, "--vqgan-config", "imagenet-f16-1024")
    assert q.source is None and q.by_hand.startswith("https://heibox.") and q.offline == "--vqgan-checkpoint {}"


def test_stable_diffusion_is_a_folder_of_its_parts(tmp_path: Path) -> None:
    words = ["--teacher", CLIP, "--discretizer", "stable_diffusion", "--diffusion-model"]
    _, published = needed("generate", *words, "org/sd")
    assert isinstance(published.source, HubFiles) and {"unet/*.safetensors", "model_index.json"} <= set(
        published.source.patterns
    )
    assert needed("generate", *words, str(tmp_path))[1].file == tmp_path


def test_what_nobody_publishes_is_refused_as_by_the_script() -> None:
    for words in (["--teacher", "clip/ViT-L-15/openai"], ["--teacher", "resnet51"]):
        with pytest.raises(UsageError, match=words[1]):
            needed("validate", *words)


@pytest.mark.parametrize(
    ("address", "sha256"),
    [
        (f"https://x/clip/models/{'ab' * 32}/ViT-L-14.pt", "ab" * 32),
        ("https://x/resnet50-0676ba61.pth", "0676ba61"),
        ("https://x/models-20240101.pth", ""),  # a date
        ("https://x/B_16-i1k-300ep-res_224.npz", ""),
        ("https://x/model.pth", ""),
    ],
)
def test_a_hash_in_an_address_is_known_for_one(address: str, sha256: str) -> None:
    assert _sha256_in(address) == sha256
