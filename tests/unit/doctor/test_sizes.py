"""A recipe that leaves sizes to the data is looked at with those that a run would take."""

from pathlib import Path

import pytest

from dad.args.scripts import parse_of_any
from dad.args.sizing import open_names, sizes_for_training
from dad.doctor.__main__ import main
from dad.doctor.sizes import fill_in


def test_the_images_are_counted_as_a_run_would(world: Path) -> None:
    words = ["--config", "hparams/own_ce.yaml", "--data-dir", str(world / "data"), "--epochs", "3"]
    call, (found,) = fill_in(parse_of_any("doctor", "", words, lambda parser: None))
    assert call.args.epochs == 3 and call.args.batch_size == sizes_for_training(36)["batch_size"]
    assert "--size-to-data takes --warmup-epochs 4, --batch-size 8, --img-size 64" in str(found)


@pytest.mark.parametrize("recipe", ["own_ce", "own_dad", "own_generate"])
def test_without_images_the_rest_is_looked_at_all_the_same(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--config", f"hparams/{recipe}.yaml", "--data-dir", "/nowhere", "--device", "cpu"]
    call, found = fill_in(parse_of_any("doctor", "", words, lambda parser: None))
    assert not open_names(call.args) and not found
    assert main(words) == 4
    assert "--data-dir /nowhere: no such folder" in capsys.readouterr().out
