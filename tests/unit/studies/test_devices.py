"""The same runs on two kinds of device, side by side."""

from collections.abc import Callable

from studies.emojinet.__main__ import RESULTS
from studies.emojinet.devices import compare_devices
from studies.emojinet.records import Records, load_records


def test_runs_that_both_have_are_compared_by_column(make_records: Callable[..., Records]) -> None:
    ours = make_records({"ce": [11.0, 14.0], "kd": [30.0, 99.0]})
    others = make_records({"ce": [10.0, 16.0], "kd": [27.0], "dad": [50.0]})
    rows = {cells[0]: cells[1:] for line in compare_devices(ours, others).splitlines()[2:]
            if (cells := [cell.strip() for cell in line.strip("|").split("|")])}  # fmt: skip
    assert rows["ImageNet"][:3] == ["3", "18.3", "17.7"]
    assert rows["ImageNet"][3].startswith("+0.7 ±") and rows["ImageNet"][4:] == ["2.0", "6.0"]
    assert rows["C (mCE ↓)"][3].startswith("-0.7 ±")


def test_nothing_in_common_is_said(make_records: Callable[..., Records]) -> None:
    assert compare_devices(make_records({"ce": [1.0]}), make_records({"kd": [1.0]})) == "no run is in both"


def test_the_page_quotes_the_committed_runs() -> None:
    ours, others = (Records(load_records(place / "runs.json")) for place in (RESULTS / "cuda", RESULTS))
    shown = (RESULTS.parent / "README.md").read_text(encoding="utf-8").split("## On a card")[1]
    rows = [line.split("|")[1:7] for line in compare_devices(ours, others).splitlines()]
    assert all(row in [line.split("|")[1:7] for line in shown.splitlines()] for row in rows)
