"""The library as `pip install` gives it: built, installed into a fresh environment, and used away from the clone."""

import json
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
USE = """
import json
import sys
from pathlib import Path

import torch

import dad
from dad.args import create_train_parser
from dad.args.hparams import parse_args
from dad.objectives import load_objective
from dad.plugins import list_plugins
from dad.shards import DadSet
from dad.teachers import Teacher

config = {"mean": (0.5,) * 3, "std": (0.5,) * 3}
student = torch.nn.Linear(4, 3)
student.pretrained_cfg = config
teacher = Teacher(torch.nn.Linear(4, 3), config, {})
args, _ = parse_args(create_train_parser(), [])
task = load_objective("dad")(args, student, teacher, torch.device("cpu"))
dad_set = DadSet.open(Path(sys.argv[1]))
print(json.dumps({
    "file": dad.__file__,
    "weights": dict(task.weights),
    "objectives": list_plugins("objectives"),
    "keys": list(dad_set.keys),
    "bytes": [len(dad_set.read(index, "png")) for index in range(len(dad_set.keys))],
}))
"""


def build(project: Path, out: Path) -> None:
    """Build wheel and source archive with no network: the backend is a package of the tests' own environment."""
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", str(out)], cwd=project, check=True)


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built wheel and source archive."""
    out = tmp_path_factory.mktemp("dist")
    build(ROOT, out)
    return out


def wheel_of(dist: Path) -> Path:
    """The only wheel in a folder."""
    (wheel,) = dist.glob("*.whl")
    return wheel


def record(wheel: Path) -> list[str]:
    """The lines of a wheel's RECORD: name, hash and size of each file."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/RECORD"))
        return sorted(archive.read(name).decode().splitlines())


def names(wheel: Path) -> list[str]:
    """The files of a wheel, as its RECORD has them."""
    return [line.rsplit(",", 2)[0] for line in record(wheel)]


def test_the_wheel_has_the_library_alone_at_its_top(dist: Path) -> None:
    tops = {name.split("/")[0] for name in names(wheel_of(dist))}
    assert tops == {"dad", "discrete_adversarial_distillation-0.1.0.dist-info"}


def test_the_wheel_has_every_file_of_the_library(dist: Path) -> None:
    files = [path for path in (ROOT / "dad").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    expected = {path.relative_to(ROOT).as_posix() for path in files}
    assert "dad/py.typed" in expected
    assert {name for name in names(wheel_of(dist)) if name.startswith("dad/")} == expected


@pytest.mark.parametrize("licence", ["LICENSE", "NOTICE"])
def test_the_wheel_has_the_licences(dist: Path, licence: str) -> None:
    with zipfile.ZipFile(wheel_of(dist)) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(f"dist-info/licenses/{licence}"))
        assert archive.read(name) == (ROOT / licence).read_bytes()


def test_the_source_archive_builds_the_same_wheel(dist: Path, tmp_path: Path) -> None:
    (archive,) = dist.glob("*.tar.gz")
    shutil.unpack_archive(archive, tmp_path)
    (unpacked,) = tmp_path.iterdir()
    build(unpacked, tmp_path / "dist")
    assert record(wheel_of(tmp_path / "dist")) == record(wheel_of(dist))


@pytest.fixture(scope="module")
def python(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment with the wheel in it; heavy packages come from the tests' own."""
    folder = tmp_path_factory.mktemp("fresh") / "env"
    venv.create(folder, with_pip=True, symlinks=True)
    interpreter = folder / "bin" / "python"
    run(interpreter, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel_of(dist)))
    (place,) = folder.glob("lib/python*/site-packages")
    shared = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    (place / "heavy.pth").write_text("\n".join(shared) + "\n")  # searched after the environment's own packages
    return interpreter


def run(interpreter: Path, *words: str) -> str:
    """What a command prints; -I keeps the working folder, PYTHONPATH and the user's packages out of its path."""
    done = subprocess.run([str(interpreter), "-I", *words], cwd=interpreter.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def dad_set(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A copy of the golden DAD set, away from the clone."""
    return str(shutil.copytree(GOLDEN / "dad_set_v1", tmp_path_factory.mktemp("set") / "dad"))


def test_an_objective_is_built_and_a_dad_set_read(python: Path, dad_set: str) -> None:
    found = json.loads(run(python, "-c", USE, dad_set))
    assert Path(found["file"]).is_relative_to(python.parents[1])
    assert found["weights"] == {"ce": 1.0, "kd_clean": 0.5, "kd_dad": 0.5}
    assert {"ce", "dad", "kdiga"} <= set(found["objectives"])
    assert len(found["keys"]) == 4 and all(found["bytes"])


def test_a_report_is_printed_beside_the_paper_s_numbers(python: Path) -> None:
    printed = run(python, "-m", "dad.report", str(GOLDEN / "results_v2.json"), "--paper", "3")
    assert printed.startswith("| Model") and "Table 3" in printed


@pytest.mark.slow
def test_the_other_commands_are_there(python: Path, dad_set: str, tmp_path: Path) -> None:
    card = tmp_path / "card.html"
    run(python, "-m", "dad.report", str(GOLDEN / "results_v2.json"), "--html", "--out", str(card))
    assert "<style>" in card.read_text()
    assert "every file is as it was written" in run(python, "-m", "dad.shards", "verify", dad_set)
    assert "wasserstein" in run(python, "-m", "dad.analysis", "--help")
    assert "torchscript" in run(python, "-m", "dad.export", "--help")
