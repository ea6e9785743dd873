"""validate.py against an evaluation on timm's own parts, in the order of timm's script: the same top-1, top-5 and loss,
to the last digit that it prints."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from timm import create_model
from timm.data import create_dataset, create_loader, resolve_data_config
from timm.layers import apply_test_time_pool
from timm.utils import AverageMeter, accuracy

import validate
from dad.args import create_validate_parser
from dad.args.hparams import parse_args

CASES = {
    "as the model's config says": "",
    "without the prefetcher": "--no-prefetcher",
    "in workers": "--workers 2",
    "squashed": "--crop-mode squash --img-size 96",
    "another look": "--mean 0.3 --std 0.2 --interpolation bilinear --crop-pct 0.7",
    "the size of training": "--use-train-size",
    "trimmed": "--crop-border-pixels 3 --img-size 64",
    "pooled over larger images": "--test-pool --img-size 192",
    "bfloat16": "--amp --amp-dtype bfloat16",
    "bfloat16 weights": "--model-dtype bfloat16 --img-size 64",
    "channels last": "--channels-last --fast-norm",
}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """Weights alone, so that architecture and look come from flags and timm."""
    torch.manual_seed(3)
    model = create_model("test_resnet", num_classes=6)
    torch.nn.init.normal_(model.fc.weight, std=0.5)
    torch.save({"state_dict": model.state_dict()}, tmp_path / "weights.pth")
    return tmp_path / "weights.pth"


@torch.inference_mode()
def timm_scores(words: list[str], dataset: Any, valid: list[int] | None = None, prefetch: bool = True) -> list[str]:
    args = parse_args(create_validate_parser(), words)[0]
    model = create_model("test_resnet", num_classes=6, checkpoint_path=args.checkpoint[0])
    config = resolve_data_config(vars(args), model=model, use_test_size=not args.use_train_size)
    model, pooled = apply_test_time_pool(model, config) if args.test_pool else (model, False)
    dtype = getattr(torch, args.model_dtype or "float32")
    model.to(dtype).eval()
    loader = create_loader(
        dataset, input_size=config["input_size"], batch_size=args.batch_size, interpolation=config["interpolation"],
        mean=config["mean"], std=config["std"], num_workers=args.workers, crop_mode=config["crop_mode"],
        crop_pct=1.0 if pooled else config["crop_pct"], crop_border_pixels=args.crop_border_pixels, img_dtype=dtype,
        use_prefetcher=prefetch and not args.no_prefetcher, device=torch.device("cpu"),
    )  # fmt: skip
    meters = [AverageMeter(), AverageMeter(), AverageMeter()]
    for images, target in loader:
        with torch.autocast("cpu", torch.bfloat16, enabled=args.amp):
            output = model(images)
            output = output if valid is None else output[:, valid]
            loss = torch.nn.functional.cross_entropy(output, target)
        for meter, value in zip(meters, (*accuracy(output.detach(), target, topk=(1, 5)), loss), strict=True):
            meter.update(float(value), len(images))
    return [f"{meter.avg:.4f}" for meter in meters]


def our_scores(words: list[str], tmp_path: Path, name: str) -> list[str]:
    assert validate.main([*words, "--results-file", str(tmp_path / "results.json")]) == 0
    scores = json.loads((tmp_path / "results.json").read_text())["variants"][name]
    return [f"{scores[key]:.4f}" for key in ("top1", "top5", "loss")]


@pytest.mark.parametrize("case", CASES)
def test_a_plain_folder_scores_as_timms_script(case: str, checkpoint: Path, world: Path, tmp_path: Path) -> None:
    words = ["--data-dir", str(world / "data"), "--class-map", str(world / "classes.txt"), "--model", "test_resnet"]
    words += ["--checkpoint", str(checkpoint), "-b", "5", "-j", "0", "--device", "cpu", *CASES[case].split()]
    dataset = create_dataset("", root=str(world / "data"), split="validation")
    expected = timm_scores(words, dataset)
    compared = slice(2 if "--model-dtype" in words else 3)  # timm's script takes that loss in bfloat16 too
    assert our_scores(words, tmp_path, "imagenet")[compared] == expected[compared]
    assert len(set(expected)) == 3


def write_shards(folder: Path, source: Path, sizes: tuple[int, ...]) -> None:
    """Write the images below `source` into WebDataset shards, labelled by class number."""
    images = sorted(source.glob("*/*.png"))
    labels = {name: number for number, name in enumerate(sorted(path.name for path in source.iterdir()))}
    folder.mkdir()
    for shard, size in enumerate(sizes):
        with tarfile.open(folder / f"val-{shard}.tar", "w") as tar:
            for path in images[sum(sizes[:shard]) : sum(sizes[:shard]) + size]:
                jpeg = io.BytesIO()
                Image.open(path).save(jpeg, "JPEG", quality=95)
                for suffix, content in (("jpg", jpeg.getvalue()), ("cls", str(labels[path.parent.name]).encode())):
                    member = tarfile.TarInfo(f"{path.stem}.{suffix}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize(("workers", "valid"), [(0, None), (2, None), (0, [0, 1, 2, 3, 4, 5])])
def test_wds_shards_score_as_timms_script(
    workers: int, valid: list[int] | None, checkpoint: Path, world: Path, tmp_path: Path
) -> None:
    write_shards(tmp_path / "wds", world / "data" / "val", (7, 5))
    split = "val-{0..1}.tar|12"
    words = ["--dataset", "wds/tiny", "--data-dir", str(tmp_path / "wds"), "--split", split, "--num-classes", "6"]
    words += ["--model", "test_resnet", "--checkpoint", str(checkpoint), "-b", "5", "-j", str(workers)]
    words += ["--device", "cpu", "--img-size", "64"]
    if valid:
        (tmp_path / "valid.txt").write_text("\n".join(map(str, valid)))
        words += ["--valid-labels", str(tmp_path / "valid.txt")]
    dataset = create_dataset("wds/tiny", root=str(tmp_path / "wds"), split=split, batch_size=5, seed=42)
    assert our_scores(words, tmp_path, f"wds/tiny ({split})") == timm_scores(words, dataset, valid)
