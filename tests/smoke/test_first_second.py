"""What can be said without torch, timm and open_clip, which take seconds to import, is said before they are there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SLOW = {"torch", "torchvision", "timm", "open_clip", "taming", "transformers", "diffusers", "tensorboard", "pandas"}
TOOLS = ("analysis", "doctor", "export", "fetch", "report", "shards", "soft_targets", "tables")
SCRIPTS = ("train.py", "generate.py", "validate.py")
GIVEN = "--data-dir . --dad-dir /nowhere/set --teacher t --discretizer identity"
CASES = [
    *((f"{script} --help", 0, "") for script in SCRIPTS),
    ("train.py --modle x", 2, "unrecognized arguments: --modle (did you mean '--model'?)"),
    ("train.py --print-config", 0, ""),
    ("train.py --config bad.yaml", 2, "unknown key 'epoch'; did you mean 'epochs'?"),
    ("train.py --epochs -1", 2, "--epochs -1: it must be at least 1"),
    ("train.py --objective kdd", 2, "no objective named 'kdd': did you mean 'kd'?"),
    ("train.py", 2, "--objective dad needs --teacher SPEC"),
    ("train.py --objective dat --data-dir .", 2, "--discretizer vqgan needs --vqgan-checkpoint FILE"),
    ("train.py --objective dist --dist-temperature 0", 2, "--dist-temperature 0: it must be above 0"),
    ("train.py --objective ce --bn-passes separate", 2, "has nothing to separate; ard, dad, dad_dat"),
    ("train.py --objective ce --unlabelled", 2, "needs labels; feature, feature_clean do not"),
    ("train.py --objective ce --data-dir . --report-to none tensorboard", 2, "none stands alone"),
    ("train.py --objective ce --data-dir /nowhere", 3, "--data-dir /nowhere: no such folder"),
    ("train.py --objective ce --data-dir /nowhere --size-to-data", 3, "--data-dir /nowhere: no such folder"),
    ("generate.py --attack-norm l3", 2, "invalid choice: 'l3' (choose from"),
    (f"generate.py {GIVEN} --shard-range 3", 2, "--shard-range 3: expected A:B"),
    (f"generate.py {GIVEN}", 3, "--data-dir . has no folder train or training"),
    ("validate.py", 2, "nothing to score"),
    ("validate.py --pretrained --data-dir /nowhere", 3, "--data-dir /nowhere: no such folder"),
    ("validate.py --pretrained --data-dir . --variants imagenet-q", 2, "no test set named 'imagenet-q'"),
    ("validate.py --pretrained --data-dir . --attack pdg", 2, "no such attack; did you mean pgd?"),
    *((f"dad.{tool} --help", 0, "") for tool in TOOLS),
    ("dad.shards repair . --seeed 1", 2, "unrecognized arguments: --seeed (did you mean '--seed'?)"),
    ("dad.soft_targets build --objective ce", 2, "--objective ce asks no teacher; soft targets are for those that do"),
    ("dad.doctor --modle x", 2, "unrecognized arguments: --modle (did you mean '--model'?)"),
    ("dad.fetch", 2, "--config FILE is needed"),
    ("dad.export x --to y --int8", 2, "--int8 is of an ONNX file"),
    ("dad.tables 3 --images 0", 2, "--images 0: it must be 1 or more"),
    ("dad.analysis wasserstein --reference . --folders a=.", 2, "a network without training tells nothing"),
    ("dad.report none.json --csv --paper 3", 2, "CSV has no room for the paper's tables"),
    ("validate.py --data-dir . --checkpoint none.pth", 3, "--checkpoint none.pth: no such file"),
]


@pytest.mark.parametrize(("line", "code", "says"), CASES, ids=[line for line, *_ in CASES])
def test_it_is_answered_before_anything_slow_is_imported(line: str, code: int, says: str, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("epoch: 3\n")
    script, *words = line.split()
    program = [str(ROOT / script)] if script.endswith(".py") else ["-m", script]
    command = [sys.executable, "-X", "importtime", *program, *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    imported = set(re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE))
    assert done.returncode == code and says in done.stderr
    assert "dad" in imported and not imported & SLOW
