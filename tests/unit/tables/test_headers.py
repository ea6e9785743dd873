"""What a recipe's first comment says."""

from pathlib import Path

import pytest

from dad.tables.headers import Place, eflop, expected_scores, places, read_commands, read_header

TEXT = """# Tables 1 and 2, row "DAT" of ResNet50; Table 8, row "ViT-B" above; Tables 1, 2 and 6, row "+ DAT": ViT-B/16,
# 300 epochs.
#     python -m dad.soft_targets build --config a.yaml
#     DAD_SCRIPT=x ./launch 8 --config a.yaml \\
#         --model-kwargs "a b"
# Expected (paper): ImageNet 81.5, C 44.7 mCE. Not measured by us.
# Cost: 3.5x plain training (Table 7). 300 epochs, about 0.5 EFLOP by estimate.
# Note: Table 3, row "no place".
objective: dat # Table 4
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "a.yaml").write_text(TEXT)
    return tmp_path / "a.yaml"


def test_fields_go_on_over_lines(recipe: Path) -> None:
    header = read_header(recipe)
    assert header["title"].endswith("ViT-B/16, 300 epochs.") and header["Note"] == 'Table 3, row "no place".'
    assert expected_scores(header) == {"ImageNet": "81.5", "C": "44.7"} and eflop(header) == "0.5"
    assert eflop({}) == ""


def test_rows_are_named_in_the_title_alone(recipe: Path) -> None:
    assert places(read_header(recipe)) == [
        Place("1", "DAT", "ResNet50"), Place("2", "DAT", "ResNet50"), Place("8", "ViT-B", "", "above"),
        Place("1", "+ DAT"), Place("2", "+ DAT"), Place("6", "+ DAT"),
    ]  # fmt: skip


def test_commands_are_words_and_go_on_behind_a_backslash(recipe: Path) -> None:
    assert read_commands(recipe) == [
        ["python", "-m", "dad.soft_targets", "build", "--config", "a.yaml"],
        ["DAD_SCRIPT=x", "./launch", "8", "--config", "a.yaml", "--model-kwargs", "a b"],
    ]
