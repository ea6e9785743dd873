"""What happened to the sources, class by class."""

import shutil
from pathlib import Path

import pytest
from tiny_set import GOLDEN_V1, SETTINGS, make_set, open_writer

from dad.errors import DataError
from dad.images.sources import UNLABELLED, SourceImage
from dad.shards import DadWriter, Sample
from dad.shards.manifest import OWN_LABELS
from dad.shards.stats import collect_stats, format_stats


def make(root: Path, keys: dict[str, int]) -> None:
    """A set of one shard: keys that end in k are kept, in r rejected, others unreadable."""
    sources = [SourceImage(key, Path("x"), label) for key, label in sorted(keys.items())]
    writer = DadWriter(root, SETTINGS, sources, shard_size=10)
    metadata = {"probability_before": 0.5, "probability_after": 0.25}
    kept = [Sample(source.key, source.label, {"png": b"x"}, metadata) for source in sources if source.key[-1] == "k"]
    rejected = {key: {**metadata, "probability_after": 0.05, "predicted": 1} for key in keys if key[-1] == "r"}
    writer.commit(0, kept, rejected, {key: "cut" for key in keys if key[-1] not in "kr"})
    writer.finish()


def test_totals_count_every_source_and_average_over_every_image_made(tmp_path: Path) -> None:
    make_set(tmp_path)
    everything = collect_stats(tmp_path)["all"]
    assert {name: everything[name] for name in ("sources", "kept", "rejected", "unreadable")} == {
        "sources": 10, "kept": 4, "rejected": 3, "unreadable": 3,
    }  # fmt: skip
    assert everything["keep_rate"] == pytest.approx(4 / 7)  # an unreadable source was never judged
    assert everything["probability_after"] == pytest.approx((4 * 0.5 + 3 * 0.25) / 7)
    assert everything["codes_changed"] == 0.25  # rejects of the tiny set do not say


def test_classes_go_by_their_folder(tmp_path: Path) -> None:
    make(tmp_path, {"ant/1k": 0, "ant/2r": 0, "bee/1r": 1, "cat/1u": 2})
    stats = collect_stats(tmp_path)
    assert {name: summary["keep_rate"] for name, summary in stats["classes"].items()} == {
        "ant": 0.5, "bee": 0.0, "cat": None,
    }  # fmt: skip
    assert stats["settings"]["teacher"] == SETTINGS["teacher"]
    assert stats["classes"]["cat"]["probability_before"] is None


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        ({"1k": 0, "2k": 1}, {"0", "1"}),
        ({"a/1k": 0, "b/2k": 0, "c/3k": 1}, {"0", "c"}),
        ({"000/1k": 0, "000/2k": 1, "c/3k": 2}, {"0", "1", "c"}),  # a folder of several classes names none of them
    ],
)
def test_classes_without_a_folder_of_their_own_go_by_their_index(tmp_path: Path, keys, names) -> None:
    make(tmp_path, keys)
    assert set(collect_stats(tmp_path)["classes"]) == names


def test_the_table_begins_with_the_lowest_keep_rates(tmp_path: Path) -> None:
    make(tmp_path, {"ant/1k": 0, "bee/1k": 1, "bee/2r": 1, "cat/1r": 2})
    lines = format_stats(collect_stats(tmp_path)).partition("\n\n")[0].splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["all", "cat", "bee", "ant"]
    assert format_stats(collect_stats(tmp_path), rows=1).splitlines()[2:4] == [lines[2], lines[3]]
    cells = [cell.strip() for cell in lines[4].strip("|").split("|")]
    assert cells == ["bee", "2", "1", "1", "0", "0.500", "–", "0.500", "0.150"]


def test_an_unfinished_set_and_one_of_format_1_are_refused(tmp_path: Path) -> None:
    open_writer(tmp_path / "new")
    with pytest.raises(DataError, match="not finished"):
        collect_stats(tmp_path / "new")
    shutil.copytree(GOLDEN_V1, tmp_path / "old")
    with pytest.raises(DataError, match=r"listing\.gz: no such file; it belongs to every DAD set since format 2"):
        collect_stats(tmp_path / "old")


def test_sources_without_labels_go_by_the_class_that_the_teacher_saw(tmp_path: Path) -> None:
    sources = [SourceImage(key, Path("x"), UNLABELLED) for key in ("a/1", "a/2", "b/3", "c")]
    writer = DadWriter(tmp_path, {**SETTINGS, "labels": OWN_LABELS}, sources, shard_size=10)
    about = {"probability_before": 0.5, "probability_after": 0.25}
    kept = [Sample(key, UNLABELLED, {"png": b"x"}, {**about, "teacher_class": 7}) for key in ("a/1", "b/3")]
    writer.commit(0, kept, {"a/2": {**about, "predicted": 7, "teacher_class": 2}}, {"c": "cut"})
    writer.finish()
    stats = collect_stats(tmp_path)
    assert {name: (group["kept"], group["rejected"]) for name, group in stats["classes"].items()} == {
        "7": (2, 0), "2": (0, 1), "none": (0, 0),
    }  # fmt: skip
    assert stats["all"]["sources"] == 4 and "teacher's class" in format_stats(stats)


def test_a_mean_over_some_images_says_over_how_many(tmp_path: Path) -> None:
    sources = [SourceImage(f"ant/{number}", Path("x"), 0) for number in range(4)]
    writer = DadWriter(tmp_path, SETTINGS, sources, shard_size=4)
    after = [{"probability_after": number / 4} for number in range(4)]
    kept = [Sample(source.key, 0, {"png": b"x"}, about) for source, about in zip(sources, after, strict=True)]
    kept[2] = Sample("ant/2", 0, {"png": b"x"}, {"probability_before": 0.75, "probability_after": 0.5})
    writer.commit(0, kept, {}, {})
    writer.finish()
    stats = collect_stats(tmp_path)
    everything = stats["all"]
    assert (everything["probability_before"], everything["seen_before"], everything["after_there"]) == (0.75, 1, 0.5)
    assert everything["probability_after"] == 0.375 and "p before: of 1 of 4 images" in format_stats(stats)
    assert stats["strength"]["before"] == 0.75 and "0.750 on Q(x) (by 1 images)" in format_stats(stats)
