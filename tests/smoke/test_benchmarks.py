"""The benchmarks run and say what they promise; nobody's test run depends on how fast they are."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import dad_set_index, first_second, generation, soft_targets, train_step, validate, views
from benchmarks.gpu import __main__ as gpu

SHORT = ["--preset", "tiny", "--device", "cpu", "--batches", "2", "--repeats", "1"]


@pytest.fixture(scope="module", params=["bfloat16", "float32"])
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a short run of the tiny preset measures."""
    out = tmp_path_factory.mktemp("benchmark") / "results.json"
    assert generation.main([*SHORT, "--amp-dtype", request.param, "--out", str(out)]) == 0
    measured: dict[str, Any] = json.loads(out.read_text())
    return measured


def test_generation_measures_both_loops(results: dict[str, Any]) -> None:
    for side in (results["straightforward"], results["ours"]):
        assert side["images_per_second"] > 0 and len(side["runs"]) == 1 and side["peak_bytes"] >= 0
    assert results["ratio"] == results["ours"]["runs"][0] / results["straightforward"]["runs"][0]
    assert set(results["matmul_rate"]) == {"float32", results["settings"]["amp_dtype"]}
    assert results["flops_per_image"] > 1e6 and results["weights_bytes"] > 1e5
    assert results["machine"]["torch"] == torch.__version__


def test_generation_shares_the_time_among_all_stages(results: dict[str, Any]) -> None:
    stages = results["stages"]
    work = {"encode and search", "decode", "attack", "verdicts", "encode files and write"}
    assert set(stages) == work | {"rest"} and all(stages[name] > 0 for name in work)


def test_the_loops_agree_in_fp32_and_differ_in_reduced_precision(results: dict[str, Any]) -> None:
    reduced = results["settings"]["amp_dtype"] != "float32"
    assert results["chain"]["images"] == 8 and results["each_step"]["images"] == 4
    assert (results["chain"]["codes_differ"] > 0) == reduced
    assert results["chain"]["pixel_difference"] < (255 if reduced else 0.1)
    assert reduced or results["chain"]["keep_differ"] == results["each_step"]["codes_differ"] == 0


def test_the_paper_s_code_search_stays_small() -> None:
    preset = generation.PRESETS["paper"]
    search = generation.check_code_search(preset, torch.device("cpu"))
    assert (search["latents"], search["codes"]) == (64 * 28 * 28, 16384)
    assert search["chunk_bytes"] < 256e6 and (search["measured_bytes"] or 0) < 256e6 < search["naive_bytes"]


def test_the_cost_of_a_step_is_split_and_compared_with_ce(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "results.json"
    flags = ["--preset", "tiny", "--repeats", "1", "--device", "cpu", "--out", str(out)]
    assert train_step.main([*flags, "--objectives", "ce", "dad", "dat"]) == 0
    assert logging.getLogger("dad").level == logging.INFO  # as setup_runtime left it: this process has other tests
    rows = json.loads(out.read_text())["objectives"]
    assert (
        set(rows) == {"ce", "dad", "dat"} and "| dad_dat " not in (said := capsys.readouterr().out) and "| dat " in said
    )
    assert rows["ce"]["teacher"] == 0 < rows["dad"]["teacher"] < rows["dad"]["seconds"]
    assert all(row["ratio"] > 0 and row["optimiser"] > 0 and row["student"] > 0 for row in rows.values())


def test_evaluation_is_compared_with_loops_that_find_the_same(tmp_path: Path) -> None:
    sizes = ["--small", "10", "--large", "12", "--img-size", "64", "--batch-size", "8", "--workers", "0"]
    assert validate.main([*sizes, "--repeats", "1", "--out", str(tmp_path / "results.json")]) == 0
    runs = json.loads((tmp_path / "results.json").read_text())["runs"]
    assert {name: run["images"] for name, run in runs.items()} == {"75 small folders": 750, "one large set": 12}
    assert all(run["ratio"] == run["ratios"][0] > 0 for run in runs.values())


@pytest.mark.slow
def test_the_benchmark_of_the_index_measures_both_ways(tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    assert dad_set_index.main(["--images", "30", "--folder", str(tmp_path), "--out", str(out)]) == 0
    runs = json.loads(out.read_text())["runs"]
    assert {"open, index", "open, markers", "a worker, arrays", "a worker, objects"} <= runs.keys()
    assert all(run["seconds"] > 0 for run in runs.values()) and list(tmp_path.iterdir()) == [out]


def test_what_reading_answers_saves_is_measured(tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    flags = ["--preset", "tiny", "--repeats", "1", "--device", "cpu", "--out", str(out)]
    assert soft_targets.main([*flags, "--objectives", "dad"]) == 0
    results = json.loads(out.read_text())["objectives"]["dad"]
    names = ("step_online", "step_recorded", "epoch_online", "epoch_recorded", "build", "loading")
    assert all(results[name] > 0 for name in names) and results["bytes_per_image"] == 2 * (2 * 32 + 5)


def test_the_first_second_is_held_against_the_packages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "results.json"
    line = "train.py --modle x"
    assert first_second.main(["--repeats", "1", "--lines", line, "--out", str(out)]) == 0
    runs = json.loads(out.read_text())["runs"]
    modules = {name: run["modules"] for name, run in runs.items()}
    assert modules["python -c pass"] < modules[line] < modules["python -c 'import torch, timm'"] / 3
    assert all(len(run["seconds"]) == 1 for run in runs.values()) and f"| `{line}` " in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_all_for_a_card_is_tried_on_a_cpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a card alone can tell is named, all else is run; the second call finds all done."""
    flags = ["--out", str(tmp_path), "--preset", "tiny", "--device", "cpu"]
    assert gpu.main(flags) == 0
    page = (tmp_path / "gpu.md").read_text()
    tables = [
        "| TFLOP/s",
        "| images/s ",
        "| other random starts",
        "| objective ",
        "| x ce | step, asks",
        "a bare loop on",
    ]
    assert all(table in page for table in tables) and "Not measured (skipped): needs a CUDA device" in page
    parts = json.loads((tmp_path / "gpu.json").read_text())["parts"]
    assert {part["status"] for name, part in parts.items() if name != "batches"} == {"done"}
    capsys.readouterr()
    assert gpu.main(flags) == 0 and capsys.readouterr().out.count("done before") == len(parts) - 1


def test_loading_two_views_is_compared_with_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "results.json"
    assert views.main(["--images", "8", "--batch-size", "4", "--repeats", "1", "--out", str(out)]) == 0
    measured = json.loads(out.read_text())
    for run in measured["runs"].values():
        assert run["one view"]["ratios"] == [1.0] and run["two views"]["seconds"] > 0
    assert min(measured["decoding"][view] for view in ("clean", "dad")) > 0
    assert "two views, --dad-cache ram" in capsys.readouterr().out
