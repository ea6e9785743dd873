"""The report card in a real browser: it renders, says what results.json says, and fits wide and narrow windows."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Browser, find_browser
from PIL import Image

from dad.report.__main__ import main

GOLDEN = Path(__file__).parents[1] / "golden" / "results_v2.json"
SETS = ("imagenet", "imagenetv2", "imagenet-r", "imagenet-sketch", "imagenet-a", "imagenet-c", "imagenet-style")
OUTSIDE = """[...document.body.querySelectorAll('*')].filter(part => !part.closest('.scroll *')).map(part =>
  [part.tagName, part.getBoundingClientRect()]).filter(([, box]) => box.left < 0 || box.right > innerWidth).map(
  ([name, box]) => `${name} ${box.left} to ${box.right}`)"""
LETTERS = """Math.min(...[...document.querySelectorAll('svg text')].map(text =>
  parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a))"""
NAMES = """(widths => [Math.min(...widths), Math.max(...widths)])([...document.querySelectorAll(
  '.scroll th[scope=row]')].map(name => name.getBoundingClientRect().width))"""
CROSSING = """[...document.querySelectorAll('svg')].flatMap(chart => {
  const boxes = [...chart.querySelectorAll('.name')].map(name => [name.textContent, name.getBoundingClientRect()]);
  return boxes.flatMap(([one, a], i) => boxes.slice(i + 1).filter(([, b]) => a.left < b.right && b.left < a.right &&
    a.top + 1 < b.bottom && b.top + 1 < a.bottom).map(([other]) => `${one} x ${other}`)) })"""
ROWS = "[...document.querySelectorAll('%s')].map(row => [...row.children].map(cell => cell.innerText))"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = find_browser()
    if program is None:
        say = pytest.fail if os.environ.get("DAD_NEED_BROWSER") else pytest.skip
        say("no Chromium found; install it to see the report card rendered")
    browser = Browser(program, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The made-up results, with a picture for the first mistake of each set, and a long name."""
    folder = tmp_path_factory.mktemp("images")
    Image.effect_mandelbrot((300, 200), (-2, -1, 1, 1), 50).save(folder / "image.png")
    results: list[dict[str, Any]] = json.loads(GOLDEN.read_bytes())
    results[1]["name"] = "vit_base_patch16_clip_224.openai_ft_in12k_in1k"
    numbers = {"ece": 4.2, "brier": 0.31, "nll": 0.9}
    ratios = {"pose": {"count": 15_000, "top1": 80.0, "error_ratio": 0.9}}
    for number, result in enumerate(results):
        result["training"] = {"seed": number, "recipe": "one"}
        scores = result["variants"]["imagenet"]
        scores["calibration"] = {**numbers, "scaled": {**numbers, "temperature": 1.2, "count": 25_000}}
        scores["images"] = "the same"
        scores["imagenet_x"] = {"count": 46_110, "top1": 80.0, "factors": ratios}
    for scores in (scores for result in results for scores in result["variants"].values()):
        for mistake in scores.get("mistakes", ())[:1]:
            mistake["file"] = str(folder / "image.png")
    return results


@pytest.fixture(scope="module")
def long_card(results: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A card on which every name that a user chooses is long and has no place to break."""
    long, folder = "Pneumonoultramicroscopic" * 8, tmp_path_factory.mktemp("long")
    result = json.loads(json.dumps(results[0]))
    result |= {"name": long, "model": long, "checkpoint": f"/{long}/{long}.pth.tar"}
    result["class_names"] = dict.fromkeys(result["class_names"], long)
    result["variants"][long] = {**result["variants"]["imagenet"], "title": long}
    for scores in result["variants"].values():
        scores["per_class"] = {long: [1, 3], f"{long}2": [0, 3]}
        scores["mistakes"] = [{"file": f"/{long}.png", "label": long, "prediction": f"{long}2", "probability": 0.5}]
        scores["unreadable"] = [f"/{long}.png"]
    (folder / "results.json").write_text(json.dumps([result, results[1]]))
    main([str(folder / "results.json"), "--html", "--paper", "all", "--out", str(folder / "report.html")])
    return folder / "report.html"


@pytest.fixture(scope="module")
def card(results: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("card")
    (folder / "results.json").write_text(json.dumps(results))
    main([str(folder / "results.json"), "--html", "--paper", "all", "--out", str(folder / "report.html")])
    return folder / "report.html"


def shown(scores: dict[str, Any]) -> str:
    """What a cell says of the scores on one of the paper's sets: its number, and its interval below."""
    if "mce" in scores:
        return f"{scores['mce']:.1f}"
    return "{:.1f}\n{:.1f}–{:.1f}".format(scores["top1"], *scores["top1_interval"])


@pytest.mark.parametrize("names", ["card", "long_card"])
@pytest.mark.parametrize("width", [1280, 400])
def test_it_fits_the_window_without_an_error(
    browser: Browser, names: str, width: int, request: pytest.FixtureRequest
) -> None:
    browser.open(request.getfixturevalue(names), width)
    browser.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    assert browser.evaluate("innerWidth") == width
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate("document.body.scrollWidth") <= width
    assert browser.evaluate(OUTSIDE) == []
    assert browser.evaluate(LETTERS) >= 9  # pixels
    narrowest, widest = browser.evaluate(NAMES)
    assert narrowest > 80 and widest < width / 2  # they can be read, and stay in sight while the numbers scroll
    assert browser.errors == []


def test_the_table_says_what_the_results_say(browser: Browser, card: Path, results: list[dict[str, Any]]) -> None:
    browser.open(card, 1280)
    rows = browser.evaluate(ROWS % ".scores tbody tr")
    assert len(rows) == 2 * len(results)  # the paper's sets, and below them the others
    for result, row in zip(results, rows[: len(results)], strict=True):
        assert row[0] == result["name"]
        assert row[1:8] == [shown(result["variants"][name]) for name in SETS]
    assert [row[8:] for row in rows[:2]] == [["29.3", "42.5"], ["47.7", "51.7"]]


def test_calibration_factors_and_seeds_are_there(browser: Browser, card: Path) -> None:
    browser.open(card, 1280)
    browser.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    first = browser.evaluate(ROWS % '[aria-label="calibration and worst classes"] tbody tr')[0]
    assert first[:8] == ["ImageNet", "4.2", "0.310", "0.900", "1.20", "4.2", "0.310", "0.900"]
    assert browser.evaluate(ROWS % '[aria-label="ImageNet-X"] tbody tr')[0] == ["pose", "15,000", "0.90"]
    (seeds,) = browser.evaluate(ROWS % '[aria-label="several seeds"] tbody tr')
    assert seeds[1] == "0, 1" and seeds[2].startswith("79.8 ± 0.2")


def test_attacks_are_there_with_their_radius(browser: Browser, card: Path) -> None:
    browser.open(card, 1280)
    rows = browser.evaluate(ROWS % "[aria-label=attacks] tbody tr")
    assert rows[1] == ["vitb_ce", "PGD", "ImageNet", "L∞", "1/255", "0.5/255", "5", "5,000", "79.9", "24.7\n23.5–25.9"]


def test_pictures_are_decoded_and_charts_have_a_size(browser: Browser, card: Path) -> None:
    browser.open(card, 1280)
    images = browser.evaluate("[...document.images].map(image => [image.naturalWidth, image.naturalHeight])")
    assert len(images) == 2 * 16 - 1 and set(map(tuple, images)) == {(96, 64)}
    heights = browser.evaluate("[...document.querySelectorAll('svg')].map(chart => chart.clientHeight)")
    assert len(heights) == 2 * 4 + 5 and min(heights) > 100  # those of each model, and the scatters


@pytest.mark.parametrize("names", ["card", "long_card"])
@pytest.mark.parametrize("width", [1280, 400])
def test_no_name_beside_a_scatter_crosses_another(
    browser: Browser, names: str, width: int, request: pytest.FixtureRequest
) -> None:
    browser.open(request.getfixturevalue(names), width)
    assert browser.evaluate("document.querySelectorAll('svg .name').length") > 4 * 17  # the paper's and ours
    assert browser.evaluate(CROSSING) == []


def test_a_dark_page_has_light_letters(browser: Browser, card: Path) -> None:
    browser.open(card, 1280, dark=True)
    assert browser.evaluate("getComputedStyle(document.body).color") == "rgb(230, 231, 233)"
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(19, 21, 23)"


def test_an_error_on_a_page_would_be_noticed(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "wrong.html").write_text("<img src=gone.png><p style='width: 500px'>wide</p><script>oops()</script>")
    browser.open(tmp_path / "wrong.html", 400)
    assert browser.evaluate("document.documentElement.scrollWidth") > 400
    assert any("oops is not defined" in error for error in browser.errors)
    assert any("ERR_FILE_NOT_FOUND" in error for error in browser.errors)
    browser.errors.clear()
