"""nonfinite.tsv names the batches of skipped updates once, whatever part of a run is trained anew."""

from pathlib import Path

from dad.training.nonfinite import SkippedBatch, append_skipped, drop_skipped


def test_skipped_batches_of_a_part_that_is_trained_anew_are_dropped(tmp_path: Path) -> None:
    rows = [SkippedBatch(update, 0, update, 0, "loss", {"loss": float("nan")}, ("a/1",)) for update in (1, 2, 3)]
    append_skipped(tmp_path, rows[:2])
    append_skipped(tmp_path, rows[2:])
    drop_skipped(tmp_path, 2)
    head, *kept = (tmp_path / "nonfinite.tsv").read_text().splitlines()
    assert head.split("\t")[0] == "update" and [row.split("\t")[0] for row in kept] == ["1", "2"]
    (tmp_path / "nonfinite.tsv").write_text("")  # by a kill, before it was written in one piece
    drop_skipped(tmp_path, 2)
    append_skipped(tmp_path, rows[:1])
    assert (tmp_path / "nonfinite.tsv").read_text().splitlines() == [head, kept[0]]
    assert kept[0].endswith('{"loss": "nan"}\t["a/1"]')
