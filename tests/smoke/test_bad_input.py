"""What a user gets wrong is said in one line that names the flag or file, before anything is written."""

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from _pytest.mark import ParameterSet
from safetensors.torch import save_file

import generate
import train
import validate
from dad.discretizers.vqgan import Vqgan, VqganConfig
from dad.errors import UserError
from dad.images.classes import load_class_list
from dad.images.sources import list_sources
from dad.shards import DadWriter, Sample, encode_codes, encode_image

MAINS = {"train": train.main, "generate": generate.main, "validate": validate.main}


def write_dad_set(root: Path, data: Path, class_map: Path, digest: str = "", codes: bool = False) -> DadWriter:
    """Write a DAD set of grey pictures but for its manifest."""
    classes = load_class_list(str(class_map))
    sources = list_sources(data / "train", classes)
    writer = DadWriter(root, {"class_list": digest or classes.digest}, sources, shard_size=100)
    grey = encode_image(np.full((32, 32, 3), 128, np.uint8), "png", 95)
    payloads = {"npy": encode_codes(np.zeros((2, 2), int))} if codes else {"png": grey}
    writer.commit(0, [Sample(source.key, source.label, payloads, {}) for source in sources], {}, {})
    return writer


@pytest.fixture(scope="session")
def bad(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of everything that can be wrong."""
    root = tmp_path_factory.mktemp("bad")
    shutil.copytree(world / "data", root / "hollow")
    for split in ("train", "val"):
        shutil.rmtree(root / "hollow" / split / "bear")
        (root / "hollow" / split / "bear").mkdir()
    (root / "text.pth").write_text("hello world\n")
    (root / "strangers.txt").write_text("ant\nbee\ncat\n")
    (root / "twice.txt").write_text("apple\napple\n")
    (root / "typo.yaml").write_text("weigth_decay: 0.1\nbatch-size: 3\n")
    (root / "timm.yaml").write_text("data: images\nlog_wandb: true\nfuser: ''\n")
    (root / "beside.yaml").write_text("class_names: no_slot.txt\n")
    (root / "no_slot.txt").write_text("a photo\n")
    save_file(Vqgan(VqganConfig(16, 4, 4, (1, 1, 1), ch=32, num_res_blocks=1)).state_dict(), root / "vqgan.safetensors")
    torch.save(timm.create_model("test_vit2", img_size=32, num_classes=9).state_dict(), root / "nine_classes.pth")
    torch.save(timm.create_model("test_resnet", num_classes=6).state_dict(), root / "other.pth")
    sets = {"other_classes": {"digest": "0123456789abcdef"}, "codes": {"codes": True}, "unfinished": {}}
    for name, settings in sets.items():
        writer = write_dad_set(root / name, world / "data", world / "classes.txt", **settings)
        if name != "unfinished":
            writer.finish()
    return root


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No flag of these commands is worth a download."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture
def commands(
    train_flags: list[str], generate_flags: list[str], teacher_flags: list[str], tmp_path: Path
) -> dict[str, list[str]]:
    """For each script a command that works; the last of two equal flags counts."""
    return {
        "train": [*train_flags, "--objective", "ce", "--epochs", "1"],
        "generate": generate_flags,
        "validate": [*teacher_flags, "--results-file", str(tmp_path / "results.json")],
    }


DAD = "--objective dad --dad-dir {bad}/"
CASES = [
    ("train", "--data-dir {bad}/nowhere", "--data-dir .*nowhere"),
    ("generate", "--data-dir {bad}/nowhere", "nowhere.*no such folder"),
    ("validate", "--data-dir {bad}/nowhere", "--data-dir .*nowhere"),
    ("train", "--data-dir ''", "--data-dir is needed"),
    ("generate", "--data-dir ''", "--data-dir is needed"),
    ("validate", "--data-dir ''", "--data-dir is needed"),
    ("train", "--data-dir {bad}/hollow", "bear: a class folder without images"),
    ("generate", "--data-dir {bad}/hollow", "bear: a class folder without images"),
    ("validate", "--data-dir {bad}/hollow", "bear: a class folder without images"),
    ("train", "--class-map {bad}/strangers.txt", "6 class folders are not in .*strangers.txt.*'apple'.*--class-map"),
    ("generate", "--class-map {bad}/strangers.txt", "6 class folders are not in .*strangers.txt.*'apple'.*--class-map"),
    ("validate", "--class-map {bad}/strangers.txt", "'apple'.*--class-map"),
    ("train", "--class-map {bad}/twice.txt", "--class-map .*twice.txt: 'apple' stands there twice"),
    ("train", "--class-map {bad}/nowhere.txt", "--class-map .*nowhere.txt: no such file"),
    ("train", "--val-split test", "--data-dir .*has no folder test"),
    ("train", "--config {bad}/typo.yaml", "typo.yaml: unknown key 'weigth_decay'; did you mean 'weight_decay'"),
    ("generate", "--config {bad}/typo.yaml", "typo.yaml: unknown key 'weigth_decay'"),
    ("validate", "--config {bad}/typo.yaml", "typo.yaml: unknown key 'weigth_decay'"),
    ("train", "--no-such-flag", "unrecognized arguments: --no-such-flag"),
    ("validate", "--amp false", "--amp takes no value, found 'false'; use --no-amp"),
    ("generate", "--weigth-decay 1 --shard-sise 3", "--shard-sise .did you mean '--shard-size'?"),
    ("generate", "stray", "'stray' is no folder, and the word without a flag is the data root"),
    (
        "train",
        "--config {bad}/timm.yaml",
        "timm.yaml: unknown key 'data'; did you mean 'data_dir'.*log_wandb.*report_to",
    ),
    ("train", "--config {bad}/beside.yaml", "beside.yaml: key 'class_names' names no_slot.txt, .*write .*/no_slot.txt"),
    ("train", "--seed -1", "--seed -1: it must be from 0 to"),
    ("generate", "--seed -1", "--seed -1: it must be from 0 to"),
    ("validate", "--seed -1", "--seed -1: it must be from 0 to"),
    ("train", "--epochs -1", "--epochs -1: it must be at least 1"),
    ("train", "--opt adahessian", "--opt adahessian: .*create_graph"),
    ("train", "--opt-betas 0.9", "--opt-betas 0.9: adamw takes 2 numbers"),
    ("train", "--opt-kwargs zzz=1", "--opt-kwargs zzz: adamw has no such setting"),
    (
        "train",
        "--batch-size 1 --model test_resnet --model-kwargs",
        "--batch-size: a batch norm would see 1 image at once",
    ),
    ("train", "--model mobilenetv3_small", "near: mobilenetv3_small_050, mobilenetv3_small_075, mobilenetv3_small_100"),
    ("train", "--objective kd --teacher resnet81", "--teacher resnet81: .*near: resnet18, .*<model>@<file>"),
    ("train", "--objective kd --teacher {bad}/nine_classes.pth", "write <model>@<file>, e.g. resnet50@.*nine_classes"),
    ("generate", "--keep most", "--keep: invalid choice: 'most'"),
    ("train", "--objective dat_dda", "no objective named 'dat_dda'.*known are .*ce, dad, dad_dat"),
    ("generate", "--discretizer vqgam", "no discretizer named 'vqgam': did you mean 'vqgan'"),
    ("train", "--objective dad --teacher ''", "--objective dad needs --teacher"),
    ("generate", "--teacher ''", "--teacher is needed"),
    ("train", "--objective kd --teacher clip/ViT-L-15/openai", "--teacher .*no model 'ViT-L-15'; near names: "),
    ("train", "--objective kd --teacher test_vit3000", "--teacher test_vit3000: timm has no such model"),
    ("train", "--objective kd --teacher test_vit2@{bad}/no.pth", "--teacher .*no.pth: no such file"),
    (
        "train",
        "--objective kd --teacher test_vit2",
        "test_vit2 has 1000 .* class list has 6; .*<model>@<file>",
    ),
    ("train", "--objective kd --teacher test_vit2@{bad}/nine_classes.pth", "--teacher .*nine_classes.pth .*6 classes"),
    ("generate", "--templates {bad}/no_slot.txt", "--templates .*no_slot.txt: every line needs one {}"),
    ("train", "--objective kd --img-size 48", "48 px images but the teacher was made for 32 px; .*--img-size 32"),
    ("train", "--objective dad", "--objective dad needs --dad-dir DIR"),
    ("train", DAD + "nowhere", "nowhere: generation is not finished"),
    ("train", DAD + "unfinished", "unfinished: generation is not finished"),
    ("train", DAD + "other_classes", "other_classes was made with another class list.*--class-map"),
    ("train", DAD + "codes", "--dad-dir .*codes holds codes alone.*--store codes,image"),
    ("train", "--model test_vit3000", "--model test_vit3000: timm has no such model"),
    ("train", "--model-kwargs nosuch=1", "--model-kwargs .*nosuch"),
    ("train", "--initial-checkpoint {bad}/no.pth", "--initial-checkpoint .*no.pth: no such file"),
    ("train", "--batch-size 7 --mixup 0.2", "--batch-size 7 is odd"),
    ("train", "--batch-size 37", "36 training images are fewer than one batch .--batch-size 37"),
    ("generate", "--vqgan-checkpoint {bad}/vqgan.safetensors", "--vqgan-checkpoint .* is not of --vqgan-config"),
    ("generate", "--vqgan-checkpoint {bad}/no.ckpt", "--vqgan-checkpoint .*no.ckpt: no such file"),
    ("generate", "--vqgan-checkpoint {bad}/text.pth", "--vqgan-checkpoint .*text.pth: "),
    ("generate", "--vqgan-config vq-f9", "--vqgan-config vq-f9: neither a file nor one of"),
    ("generate", "--discretizer identity", "--discretizer identity has no codes; use --store image"),
    ("generate", "--attack-eps -1", "--attack-eps -1: it must be at least 0"),
    ("validate", "--variants imagenet-q", "--variants: no test set named 'imagenet-q'; did you mean"),
    ("validate", "--checkpoint {bad}/no.pth", "--checkpoint .*no.pth: no such file"),
    ("validate", "--model test_vit2 --model-kwargs img_size=32 --checkpoint {bad}/nine_classes.pth", "6 classes"),
    *(
        (script, "--torchcompile nosuch", "--torchcompile nosuch: no such backend here; known are .*inductor")
        for script in MAINS
    ),
    ("train", "--torchcompile --torchcompile-mode fast", "--torchcompile-mode fast: known are default"),
    ("validate", "--torchcompile-mode default", "--torchcompile-mode default: it needs --torchcompile"),
    ("validate", "--results-file {bad}/text.pth/r.json", "cannot write .*r.json"),
    *((script, "--device toaster", "--device toaster: not available") for script in MAINS),
    ("train", "--eval-metric top-1", "--eval-metric top-1"),
    ("train", "--batch-size 0", "--batch-size"),
    ("train", "--epochs 0", "--epochs"),
    ("train", "--log-interval 0", "--log-interval"),
    ("train", "--grad-accum-steps 0", "--grad-accum-steps"),
    ("train", "--checkpoint-hist 0", "--checkpoint-hist"),
    ("train", "--cutmix-minmax 0.2", "--cutmix-minmax"),
    ("train", "--objective kd --kd-temperature 0", "--kd-temperature"),
    ("train", "--resume {bad}/no.pth", "no.pth: no such file"),
    ("train", "--resume {bad}/text.pth", "text.pth: damaged"),
    ("train", "--objective kd --teacher test_vit2@{bad}/text.pth", "--teacher .*text.pth"),
    ("generate", "--img-size 64", "--img-size 64.*32"),
    ("generate", "--batch-size 0", "--batch-size"),
    ("generate", "--shard-size 0", "--shard-size"),
    ("generate", "--random-start-prob 3", "--random-start-prob"),
    ("validate", "--checkpoint {bad}/text.pth", "text.pth: damaged"),
    ("validate", "--interpolation nosuch", "--interpolation nosuch: known are .*bicubic"),
    ("validate", "--crop-pct -1", "--crop-pct -1: it must be above 0"),
    ("validate", "--img-size 0", "--img-size .*at least 1"),
    ("validate", "--input-size 3 0 32", "--input-size.*at least 1"),
    ("validate", "--mean 0.5 0.5", "--mean 0.5 0.5: expected one number"),
    ("validate", "--std 0", "--std 0.0: .*above 0"),
    ("validate", "--img-size 64", "--img-size: --teacher is scored as it teaches.* --teacher-img-size"),
    ("validate", "--model-kwargs depth=2", "--model-kwargs: --teacher is scored as it teaches"),
    ("validate", "--use-ema", "--use-ema: .*--checkpoint, which is not given"),
    ("validate", "--class-map '' --class-names {bad}/strangers.txt", "--class-names .* needs --class-map"),
    ("validate", "--attack fgsm --model-dtype bfloat16", "--attack fgsm: .*float32"),
    ("validate", "--onnx {bad}/no.onnx", "--onnx .*no.onnx: no such file"),
    ("validate", "--onnx {bad}/text.pth", "--onnx .*text.pth: not a network that ONNX Runtime can read"),
    ("validate", "--onnx a.onnx --attack fgsm", "--attack fgsm: it needs a gradient, which --onnx has none of"),
    ("validate", "--onnx a.onnx --reparam", "--reparam: --onnx FILE is scored as it is"),
    ("validate", "--onnx a.onnx --model-dtype bfloat16", "--model-dtype bfloat16: --onnx FILE takes float32"),
    ("validate", "--split val --variants imagenet", "--variants imagenet: --split val"),
    ("validate", "--variants none", "--variants none: nothing is left to score; give --extra-set NAME=FOLDER"),
    ("validate", "--extra-set {bad}", "--extra-set .*: expected NAME=FOLDER"),
    ("validate", "--extra-set mine={bad}/nowhere", "--extra-set mine=.*nowhere: no such folder"),
    ("validate", "--extra-set imagenet-r={bad}", "--extra-set imagenet-r=.* a test set of the table"),
    ("validate", "--variants none --extra-set mine={bad}/hollow/val", "bear: a class folder without images"),
    ("validate", "--data-dir '' --attack fgsm --extra-set mine={bad}/hollow", "--data-dir is needed for --attack fgsm"),
    ("validate", "--data-dir '' --split val --extra-set mine={bad}/hollow", "--data-dir is needed for --split val"),
    ("validate", "--data-dir '' --variants imagenet --extra-set a={bad}/hollow", "--data-dir is needed for --variants"),
    ("validate", "--dataset wds/x --extra-set mine={bad}/hollow", "--extra-set needs image folders"),
    ("validate", "--dataset wds/x --folder-map {bad}/map.txt", "--folder-map needs image folders"),
    ("validate", "--folder-map {bad}/nowhere.txt", "--folder-map .*nowhere.txt: no such file"),
    (
        "validate",
        "--extra-set mine={bad}/hollow --extra-set-groups min",
        "--extra-set-groups min: .* did you mean 'mine'",
    ),
    ("validate", "--results-file {bad}/r.csv", "--results-file .*r.csv: scores are JSON, name it .*r.json"),
    ("train", "--opt nosuch", "--opt nosuch"),
    ("train", "--sched nosuch", "--sched nosuch"),
    ("train", "--aa nosuch", "--aa nosuch"),
    ("train", "--train-interpolation nosuch", "--train-interpolation nosuch: known are random, .*bicubic"),
    ("train", "--interpolation nosuch", "--interpolation nosuch: known are .*bicubic"),
    ("train", "--mean 0.5 0.5", "--mean 0.5 0.5: expected one number"),
    ("train", "--crop-pct 0", "--crop-pct 0: it must be above 0"),
    ("train", "--initial-checkpoint {bad}/text.pth", "--initial-checkpoint .*text.pth"),
    (
        "train",
        "--initial-checkpoint {bad}/other.pth",
        "--initial-checkpoint .*other.pth: not a checkpoint of this model",
    ),
    ("train", "--pretrained-path {bad}/other.pth", "--pretrained-path .*other.pth: not weights of this model"),
    ("train", "--model test_vit2.nosuch", "--model test_vit2.nosuch"),
    ("train", "--output {bad}/text.pth", "--output: .*text.pth is in its way"),
    ("generate", "--preview -1", "--preview"),
]
WITHOUT_CUDA = [(script, "--device cuda", "--device cuda: not available.*cpu") for script in MAINS]


def complain(script: str, argv: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run a script and return its exit code and what it says."""
    try:
        MAINS[script](argv)
    except UserError as error:
        return error.exit_code, str(error)
    except SystemExit as exit:
        return int(exit.code or 0), capsys.readouterr().err.splitlines()[-1]
    pytest.fail("the script did not complain")


def table() -> Iterator[ParameterSet]:
    """All cases, named by script and flags."""
    skip = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
    for cases, marks in ((CASES, ()), (WITHOUT_CUDA, skip)):
        yield from (pytest.param(*case, marks=marks, id=f"{case[0]} {case[1]}") for case in cases)


@pytest.mark.parametrize("script, words, message", list(table()))
def test_one_line_names_the_mistake_and_nothing_is_written(
    script: str, words: str, message: str, commands: dict[str, list[str]], bad: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    code, said = complain(script, [*commands[script], *shlex.split(words.format(bad=bad))], capsys)
    assert code in (2, 3) and re.search(message, said) and "\n" not in said
    assert {path.name for path in tmp_path.iterdir()} <= {"heads"}  # the zero-shot head, which any run may use


@pytest.mark.parametrize("script", MAINS)
def test_the_commands_work_without_the_mistakes(script: str, commands: dict[str, list[str]]) -> None:
    assert not MAINS[script](commands[script])
