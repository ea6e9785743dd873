"""Which images of a folder are measured, and what is said of those that cannot be."""

import io
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.functional import to_tensor

from dad.analysis.folders import open_folder, sample_batches
from dad.errors import DataError
from dad.images.sources import SourceImage
from dad.shards import DadWriter, Sample


def write_image(path: Path, grey: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), (grey, grey, grey)).save(path)


def greys(images: Dataset[Tensor]) -> list[int]:
    return [round(float(images[number].mean()) * 255) for number in range(len(images))]


def write_dad_set(root: Path, extension: str = "png") -> None:
    sources = [SourceImage(f"ant/{number}", Path(f"ant/{number}.jpg"), 0) for number in range(3)]
    writer = DadWriter(root, {"class_list": "abc"}, sources, shard_size=2)
    for shard in (0, 1):
        samples = []
        for source in writer.sources_of(shard):
            content = io.BytesIO()
            Image.new("RGB", (4, 4), (10 * int(source.key[-1]),) * 3).save(content, "png")
            kept = {"probability_before": 0.75, "probability_after": 0.5, "codes_changed": 0.25}
            samples.append(Sample(source.key, 0, {extension: content.getvalue()}, kept))
        writer.commit(shard, samples, {}, {})
    writer.finish()


def test_class_folders_flat_folders_and_links_are_read_alike(tmp_path: Path) -> None:
    write_image(tmp_path / "classes" / "ant" / "0.png", 10)
    write_image(tmp_path / "classes" / "bee" / "1.PNG", 20)
    (tmp_path / "classes" / "README.txt").write_text("not an image")
    write_image(tmp_path / "flat" / "2.jpg", 30)
    (tmp_path / "classes" / "link").symlink_to(tmp_path / "flat")
    assert greys(open_folder(tmp_path / "classes", to_tensor)) == [10, 20, 30]
    assert greys(open_folder(tmp_path / "flat", to_tensor)) == [30]


def test_a_dad_set_is_read_without_its_preview(tmp_path: Path) -> None:
    write_dad_set(tmp_path)
    write_image(tmp_path / "preview.png", 255)
    assert greys(open_folder(tmp_path, to_tensor)) == [0, 10, 20]


def test_a_dad_set_that_is_not_finished_or_without_images_is_refused(tmp_path: Path) -> None:
    write_dad_set(tmp_path / "codes", extension="npy")
    with pytest.raises(DataError, match=r"holds codes only; python -m dad\.shards hydrate"):
        open_folder(tmp_path / "codes", to_tensor)
    (tmp_path / "codes" / "manifest.json").unlink()
    with pytest.raises(DataError, match="generation is not finished"):
        open_folder(tmp_path / "codes", to_tensor)


def test_a_sample_is_drawn_over_the_whole_folder_and_depends_on_the_seed_alone(tmp_path: Path) -> None:
    for number in range(30):
        write_image(tmp_path / f"{number:02d}.png", 8 * number)
    images = open_folder(tmp_path, to_tensor)
    counts, drawn = [], []
    for seed in (0, 0, 1):
        count, batches = sample_batches(images, num_batches=2, batch_size=5, seed=seed, workers=0)
        counts.append(count)
        drawn.append([round(float(image.mean()) * 255) for image in torch.cat(list(batches))])
    assert counts == [10, 10, 10] and drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == 10 and max(drawn[0]) > 120


def test_a_small_folder_is_taken_whole(tmp_path: Path) -> None:
    for number in range(7):
        write_image(tmp_path / f"{number}.png")
    count, batches = sample_batches(open_folder(tmp_path, to_tensor), 1000, 4, 0, 0)
    assert count == 7 and [len(batch) for batch in batches] == [4, 3]


@pytest.mark.parametrize("workers", [0, 1])
def test_an_unreadable_image_is_named(tmp_path: Path, workers: int) -> None:
    write_image(tmp_path / "good.png")
    (tmp_path / "ruined.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut")
    batches = sample_batches(open_folder(tmp_path, to_tensor), 1, 2, 0, workers)[1]
    with pytest.raises(DataError, match=r"ruined\.jpg: cannot be read as an image"):
        list(batches)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no images"):
        open_folder(tmp_path / "empty", to_tensor)
    with pytest.raises(DataError, match="no such folder"):
        open_folder(tmp_path / "other", to_tensor)


def test_links_that_lead_back_are_walked_once(tmp_path: Path) -> None:
    for number in range(3):
        write_image(tmp_path / "a" / f"{number}.png", 10 * number)
        (tmp_path / "a" / f"back{number}").symlink_to(tmp_path)
    assert greys(open_folder(tmp_path, to_tensor)) == [0, 10, 20]
