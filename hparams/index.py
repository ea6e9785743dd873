"""Write the tables of hparams/README.md from the headers of the recipes: python -m hparams.index"""

from collections.abc import Iterable
from pathlib import Path

from dad.tables.headers import expected_scores, read_header

FOLDER = Path(__file__).parent
README = FOLDER / "README.md"
BEGIN = "<!-- begin of the index, written by index.py -->\n"
END = "<!-- end of the index -->\n"
SCORES = ("ImageNet", "V2", "C", "Stylized", "R", "Sketch", "A")
GROUPS = {
    "vitb": "ViT-B/16",
    "vits": "ViT-S/16",
    "rn50": "ResNet-50",
    "rn34": "ResNet-34",
    "generate": "DAD sets",
    "own": "Your own pictures",
    "emojinet": "EmojiNet",
}


def build_index() -> str:
    """Return the tables, one a group of recipes."""
    recipes = sorted(FOLDER.glob("*.yaml"))
    sections = [
        f"### {title}\n\n{_table([path for path in recipes if path.stem.split('_')[0] == group], group)}"
        for group, title in GROUPS.items()
    ]
    return "\n".join(sections)


def _table(recipes: Iterable[Path], group: str) -> str:
    headers = {path.stem: read_header(path) for path in recipes}
    rows: list[tuple[str, ...]]
    if group in ("own", "emojinet"):  # not of the paper, so there is nothing to compare with
        rows = [("Recipe", "What")]
        rows += [(f"`{stem}`", header["title"]) for stem, header in headers.items()]
    else:
        scores: tuple[str, ...] = SCORES
        if group == "generate":
            scores = ()  # a DAD set has none: the students trained on it do
        rows = [("Recipe", "Table and row", "What", *scores, "Not stated by the paper, chosen here")]
        rows += [_row(stem, header, scores) for stem, header in headers.items()]
    rows.insert(1, tuple("---:" if title in SCORES else "---" for title in rows[0]))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(stem: str, header: dict[str, str], scores: Iterable[str]) -> tuple[str, ...]:
    place, _, what = header["title"].rstrip(".").partition(": ")
    numbers = expected_scores(header)
    open_points = header["Not stated by the paper"].rstrip(".")
    return (f"`{stem}`", place, what, *(numbers.get(name, "") for name in scores), open_points)


def main() -> None:
    """Replace what stands between the marks."""
    before, rest = README.read_text(encoding="utf-8").split(BEGIN)
    README.write_text(before + BEGIN + build_index() + END + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
