"""Which folder a run writes to, and which checkpoint it continues from."""

import re
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from toy_run import ToyRun

from dad.runtime import Runtime
from dad.training.checkpoint_saver import LAST
from dad.training.run_folder import find_resume, resolve_experiment, resolve_folder

Flags = Callable[..., Namespace]


def test_auto_finds_the_last_checkpoint_of_the_run(stopped: ToyRun, flags: Flags, cpu: Runtime, tmp_path: Path) -> None:
    here = ("--output", tmp_path, "--experiment")
    assert find_resume(flags(*here, "run", "--resume", "auto"), cpu) == str(stopped.folder / LAST)
    assert find_resume(flags(*here, "other", "--resume", "auto"), cpu) == ""
    assert find_resume(flags(*here, "run", "--resume", "some.pth"), cpu) == "some.pth"
    assert find_resume(flags(*here, "run"), cpu) == ""


def test_without_a_name_the_folder_is_named_by_time_model_and_size(flags: Flags) -> None:
    args = flags("--model", "hf_hub:timm/x")
    assert re.fullmatch(r"20\d{6}-\d{6}-timm_x-224", resolve_experiment(args, "", 224))
    args.experiment = resolve_experiment(flags("--experiment", "group/run"), "", 224)
    assert resolve_folder(args) == Path("output/train/group/run")
