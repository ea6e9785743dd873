"""From batches to a shard's samples: what is stored of each image, in which shard, and what stops a run."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from batches import SOURCES, make_generated

from dad.args import create_generate_parser
from dad.args.hparams import parse_args
from dad.errors import DataError
from dad.generation import recorder as recorder_module
from dad.generation.generator import Generated
from dad.generation.recorder import Fates, ShardRecorder, create_recorder, describe
from dad.images.sources import UNLABELLED
from dad.shards import DadSet, DadWriter, Ledger, decode_codes, decode_image


@pytest.fixture
def writer(tmp_path: Path) -> DadWriter:
    return DadWriter(tmp_path / "dad", {"class_list": "abc"}, SOURCES, shard_size=4)


def encode(generated: Generated, codes: bool = True, extension: str | None = "png") -> Fates:
    with ShardRecorder(None, codes, extension, 95) as recorder:
        return recorder.encode(SOURCES[: len(generated.keep)], generated)


def test_of_a_kept_image_codes_pixels_and_the_teachers_view_are_stored() -> None:
    sample = encode(make_generated()).samples[0]
    assert (sample.key, sample.label, set(sample.payloads)) == ("ant/2", 2, {"npy", "png"})
    assert (decode_codes(sample.payloads["npy"]) == 2).all()
    assert (decode_image(sample.payloads["png"]) == 20).all()
    probabilities = [torch.tensor([0.0, 0.0, 2.0]).softmax(0)[2].item(), torch.arange(3.0).softmax(0)[2].item()]
    assert list(sample.metadata.values()) == pytest.approx([*probabilities, 2 / 8])
    assert list(sample.metadata) == ["probability_before", "probability_after", "codes_changed"]


def test_of_a_rejected_image_what_the_teacher_saw_is_kept() -> None:
    rejected = encode(make_generated()).rejected
    assert set(rejected) == {"ant/0", "ant/1", "ant/3"} and {about["predicted"] for about in rejected.values()} == {2}
    assert rejected["ant/1"]["probability_after"] == pytest.approx(torch.arange(3.0).softmax(0)[1].item())


@pytest.mark.parametrize(
    ("codes", "extension", "held"), [(True, None, {"npy"}), (False, "jpg", {"jpg"}), (True, "webp", {"npy", "webp"})]
)
def test_only_what_is_asked_for_is_stored(codes: bool, extension: str | None, held: set[str]) -> None:
    fates = encode(make_generated(), codes, extension)
    assert set(fates.samples[0].payloads) == held
    assert fates.stored_bytes == sum(map(len, fates.samples[0].payloads.values()))


def test_without_a_codebook_there_are_no_codes_to_store_or_to_count() -> None:
    generated = make_generated(codes=None, codes_changed=torch.full((4,), torch.nan))
    assert set(encode(generated).samples[0].payloads) == {"png"}
    assert all(set(about) == {"probability_before", "probability_after"} for about in describe(SOURCES[:4], generated))


def test_a_shard_holds_what_was_added_since_the_last_one(writer: DadWriter) -> None:
    with ShardRecorder(writer, True, "png", 95) as recorder:
        recorder.add(SOURCES[:3], make_generated(3))
        recorder.add_unreadable({"ant/3": "cut"})
        assert recorder.commit(0) == Ledger(4, 1, 2, 1)
        recorder.add(SOURCES[4:7], make_generated(3, keep=torch.tensor([True, False, True])))
        recorder.add(SOURCES[7:], make_generated(1, keep=torch.tensor([True])))
        assert recorder.commit(1) == Ledger(4, 3, 1, 0)
    writer.finish()
    dad_set = DadSet.open(writer.root)
    assert list(dad_set.keys) == ["ant/2", "ant/4", "ant/6", "ant/7"]
    assert np.array_equal(decode_codes(dad_set.read(2, "npy")), [[2, 2], [2, 2]])


def test_a_failure_in_the_encoding_thread_comes_up_and_commits_nothing(writer: DadWriter) -> None:
    with ShardRecorder(writer, True, "bmp", 95) as recorder:
        recorder.add(SOURCES[:4], make_generated())
        with pytest.raises(KeyError, match="bmp"):
            recorder.commit(0)
    assert writer.missing() == [0, 1]


def test_only_a_few_batches_wait_for_encoding(writer: DadWriter) -> None:
    with ShardRecorder(writer, True, "png", 95) as recorder:
        for row in range(4):
            recorder.add(SOURCES[row : row + 1], make_generated(1))
            assert len(recorder._waiting) <= recorder_module._IN_FLIGHT
        assert recorder.commit(0) == Ledger(4, 0, 4, 0)


def test_more_unreadable_sources_than_allowed_stop_the_run(writer: DadWriter) -> None:
    with ShardRecorder(writer, True, "png", 95, max_failed=2) as recorder:
        recorder.add_unreadable({})
        recorder.add_unreadable({"ant/0": "cut", "ant/1": "cut"})
        with pytest.raises(
            DataError, match=r"3 sources cannot be read, e\.g\. ant/2 \(empty\); .* --max-failed \(now 2\)"
        ):
            recorder.add_unreadable({"ant/2": "empty"})


@pytest.mark.parametrize(
    ("words", "codes", "extension"),
    [
        ([], True, "jpg"),
        (["--store", "codes"], True, None),
        (["--store", "image", "--image-format", "webp"], False, "webp"),
    ],
)
def test_it_is_built_from_the_flags(words: list[str], codes: bool, extension: str | None) -> None:
    flags = [*words, "--image-quality", "80", "--max-failed", "3"]
    with create_recorder(parse_args(create_generate_parser(), flags)[0], None) as recorder:
        assert (recorder.codes, recorder.image_extension) == (codes, extension)
        assert (recorder.quality, recorder.max_failed) == (80, 3)


def test_where_the_teachers_own_choice_stands_in_for_a_label_it_is_told() -> None:
    sources = [replace(source, label=UNLABELLED) for source in SOURCES[:4]]
    labelled, own = describe(SOURCES[:4], make_generated()), torch.arange(4) % 3
    assert describe(sources, make_generated(labels=own)) == [
        {**about, "teacher_class": number % 3} for number, about in enumerate(labelled)
    ]


def test_what_the_teacher_was_not_asked_about_is_left_out() -> None:
    logits = make_generated().logits_before.clone()
    logits[[0, 2]] = torch.nan
    fates = encode(make_generated(logits_before=logits))
    assert list(fates.samples[0].metadata) == ["probability_after", "codes_changed"]  # of image 2
    assert "probability_before" not in fates.rejected["ant/0"] and "probability_before" in fates.rejected["ant/1"]


def test_pictures_are_encoded_by_several_threads_and_stay_with_their_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "_ENCODERS", 4)
    generated = make_generated(8, keep=torch.ones(8, dtype=torch.bool))
    samples = encode(generated).samples
    assert [sample.key for sample in samples] == [source.key for source in SOURCES]
    assert [int(decode_image(sample.payloads["png"])[0, 0, 0]) for sample in samples] == [10 * row for row in range(8)]
