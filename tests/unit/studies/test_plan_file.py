"""The plan's digest changes with whatever decides, and nothing runs by another plan."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dad.errors import DataError, SettingsError
from studies.emojinet import methods, plan, plan_file
from studies.emojinet.plan_file import digest_of_plan, plan_bytes, require_plan, write_plan
from studies.emojinet.records import Record

CHOSEN = {"anchor": [3, 5]}


@pytest.fixture(autouse=True)
def at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands name their recipes from the project's root."""
    monkeypatch.chdir(Path(__file__).parents[3])


def record(digest: str) -> Record:
    """A run of a plan."""
    return Record("ce", "resnet", "", "", "ce", 0, 1, "", 1.0, 1.0, {}, digest)


def test_a_changed_recipe_is_another_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = plan_bytes(CHOSEN)
    write_plan(tmp_path / "plan.json", before, [])
    resolved = plan.resolved
    for module in (plan, plan_file):
        monkeypatch.setattr(module, "resolved", lambda path: resolved(path) | {"lr": 0.5})
    with pytest.raises(SettingsError, match=r"recipes\.recipes/resnet\.yaml\.lr"):
        require_plan(tmp_path / "plan.json", plan_bytes(CHOSEN))


def test_another_epsilon_other_images_and_other_seeds_are_other_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    plans = [plan_bytes(CHOSEN), plan_bytes({"anchor": [3, 6]})]
    monkeypatch.setitem(methods.DAD_SETS, "clip", methods.DadSetPlan("clip", 0.4))
    plans.append(plan_bytes(CHOSEN))
    fewer = replace(methods.CLAIMS, methods=tuple(method for method in methods.METHODS if method.name != "ard"))
    plans += [
        plan_bytes(CHOSEN, fewer),
        plan_bytes(CHOSEN, fewer, "cuda"),
        plan_bytes(CHOSEN, methods.ON_A_CARD, "cuda"),
    ]
    assert len({digest_of_plan(one) for one in plans}) == 6


def test_the_digest_is_that_of_the_file_and_the_same_every_time(tmp_path: Path) -> None:
    digest = write_plan(tmp_path / "plan.json", plan_bytes(CHOSEN), [])
    assert digest == digest_of_plan((tmp_path / "plan.json").read_bytes())
    assert require_plan(tmp_path / "plan.json", plan_bytes(CHOSEN)) == digest


def test_nothing_runs_without_a_plan(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no plan yet"):
        require_plan(tmp_path / "plan.json", b"{}")


def test_a_plan_with_records_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    digest = write_plan(path, plan_bytes(CHOSEN), [])
    with pytest.raises(SettingsError, match="resnet ce 0 is of another plan"):
        write_plan(path, plan_bytes({}), [record(digest)])
    assert write_plan(path, plan_bytes(CHOSEN), [record(digest)]) == digest


def test_the_plan_says_what_decides_the_claims() -> None:
    claims = json.loads(plan_bytes(CHOSEN))["rule"]["claims"]
    assert [one["number"] for one in claims] == list(range(1, 9))
    assert claims[1]["compared"] == ["resnet: dad - kd", "coatnet: dad - kd"]
