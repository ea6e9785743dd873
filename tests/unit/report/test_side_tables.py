"""The card's other tables: attacks, the paper's rows, settings."""

from collections.abc import Callable

from dad.report.paper import paper_tables
from dad.report.side_tables import attack_table, paper_table, provenance_table


def test_settings_that_all_share_stand_once(made_up: list[dict]) -> None:
    page = provenance_table(made_up)
    assert '<th scope="row">crop pct</th><td colspan="2">0.9</td>' in page
    assert '<th scope="row">mean</th><td colspan="2">0.5, 0.5, 0.5</td>' in page
    assert page.count("output/vitb_dad/model_best.pth.tar</td>") == 1


def test_sets_of_one_transform_are_told_together(made_up: list[dict]) -> None:
    variants = {name: {"transform": "Resize 8"} for name in ("imagenet", "mine")}
    table = provenance_table([{**made_up[0], "variants": {**variants, "other": {"transform": "Resize 9"}}}])
    assert '<th scope="row">images of ImageNet, mine</th><td colspan="1">Resize 8</td>' in table
    assert '<th scope="row">images of other</th><td colspan="1">Resize 9</td>' in table


def test_other_versions_of_some_sets_are_told(made_up: list[dict], text_of: Callable[[str], str]) -> None:
    old = {"versions": {"torch": "2.0", "timm": "1.0"}, "count": 1}
    variants = {"imagenet": {"count": 1}, "imagenet-r": old, "mine": old}
    result = {**made_up[0], "versions": {"torch": "2.1", "timm": "1.0"}, "variants": variants}
    assert "made with, R, mine torch 2.0" in text_of(provenance_table([result]))


def test_each_attack_of_each_model_has_a_row(made_up: list[dict], text_of: Callable[[str], str]) -> None:
    assert attack_table([{"model": "m", "variants": {}}]) == ""
    rows = text_of(attack_table(made_up)).split("vitb_")
    assert rows[2] == "ce PGD ImageNet L∞ 1/255 0.5/255 5 5,000 79.9 24.7 23.5–25.9 " and len(rows) == 1 + 6


def test_a_misprinted_average_is_struck_out_beside_the_right_one(made_up: list[dict]) -> None:
    table = paper_table(paper_tables()["10"], made_up)
    assert "<s>69.5</s>" in table and ">58.5</b>" in table
    assert table.index("vitb_dad") < table.index("Stable Diffusion") and table.count('class="ours"') == 2
