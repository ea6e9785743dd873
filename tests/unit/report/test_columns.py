"""Which columns results have, and the paper's averages over them."""

import pytest

from dad.report.columns import Column, average_natural, average_seven, columns_of, metrics_of

SEVEN = ("imagenet", "imagenetv2", "imagenet-c", "imagenet-style", "imagenet-r", "imagenet-sketch", "imagenet-a")
DAD_VIT = dict(zip(SEVEN, (79.6, 69.9, 53.2, 22.4, 65.1, 46.1, 31.8), strict=True))


@pytest.mark.parametrize(
    ("r", "sketch", "a", "printed"),  # Table 1
    [
        (27.1, 17.3, 8.0, 17.5), (43.5, 31.7, 18.5, 31.2), (41.8, 29.4, 17.9, 29.7), (40.3, 29.4, 18.3, 29.3),
        (39.5, 29.2, 19.0, 29.2), (47.7, 36.8, 23.0, 35.8), (47.3, 34.8, 30.2, 37.4), (65.1, 46.1, 31.8, 47.7),
        (53.2, 39.3, 28.2, 40.2), (36.1, 24.0, 0.0, 20.0), (38.8, 25.5, 4.3, 22.9), (38.9, 23.8, 3.0, 21.9),
        (40.8, 28.4, 3.5, 24.2), (42.0, 27.3, 4.4, 24.6), (51.6, 35.8, 7.7, 31.7), (47.7, 33.3, 6.1, 29.0),
    ],
)  # fmt: skip
def test_the_natural_average_is_the_papers(r: float, sketch: float, a: float, printed: float) -> None:
    average = average_natural({"imagenet-r": r, "imagenet-sketch": sketch, "imagenet-a": a, "imagenet": 99.0})
    assert average == pytest.approx(printed, abs=0.0501)


@pytest.mark.parametrize(
    ("method", "scores", "printed"),
    [
        ("Table 3, KD", (78.6, 67.2, 61.5, 16.2, 51.5, 34.7, 16.0), 43.2),
        ("Table 3, DIST", (76.6, 63.9, 65.8, 12.7, 40.8, 26.9, 11.2), 38.0),
        ("Table 3, ARD", (80.1, 70.3, 52.1, 22.2, 55.6, 38.6, 27.3), 48.9),
        ("Table 3, RSLAD", (79.9, 69.3, 55.6, 20.8, 55.9, 39.8, 25.5), 47.9),
        ("Table 3, DAD", (79.6, 69.9, 53.2, 22.4, 65.1, 46.1, 31.8), 51.7),
        ("Table 4, ViT", (77.5, 65.7, 61.9, 17.7, 41.5, 16.4, 23.1), 40.0),
        ("Table 4, DAT", (83.1, 73.2, 43.6, 24.8, 55.2, 41.7, 36.7), 53.0),
        ("Table 4, DAD", (79.8, 70.9, 52.0, 23.4, 72.1, 51.2, 40.3), 55.1),
        ("Table 5, ViT-B from CLIP-RN101", (81.2, 69.3, 49.6, 17.3, 48.7, 34.5, 24.3), 46.5),
        ("Table 5, ViT-B from CLIP-ViT-L", (79.6, 69.9, 53.2, 22.4, 65.1, 46.1, 31.8), 51.7),
        ("Table 5, RN50 from –", (76.1, 63.2, 76.7, 7.4, 36.1, 24.0, 0.0), 32.9),
        ("Table 5, RN50 from ViT-B + DAT", (80.4, 68.8, 65.6, 8.5, 40.4, 29.6, 10.1), 38.9),
        ("Table 5, RN50 from DrViT-S", (78.5, 66.2, 67.4, 11.5, 42.0, 30.1, 5.5), 38.1),
        ("Table 5, RN50 from CLIP-RN101", (76.4, 64.5, 70.2, 9.6, 47.7, 32.2, 5.4), 37.9),
        ("Table 5, RN50 from CLIP-ViT-L", (75.7, 65.0, 67.4, 13.1, 51.6, 35.8, 7.7), 40.2),
        ("Table 5, ViT-S from –", (77.8, 66.0, 63.9, 12.0, 36.9, 25.3, 11.9), 38.0),
        ("Table 5, ViT-S from ViT-B + DAT", (77.8, 66.0, 67.1, 12.0, 36.9, 25.3, 11.9), 37.5),
        ("Table 5, ViT-S from CLIP-RN101", (73.4, 62.1, 65.2, 12.0, 38.8, 23.9, 9.0), 36.3),
        ("Table 5, ViT-S from CLIP-ViT-L", (73.8, 64.0, 63.1, 17.3, 52.9, 35.8, 18.0), 42.7),
        ("Table 5, RN34 from –", (66.5, 54.7, 94.5, 5.6, 32.4, 21.0, 3.0), 27.0),
        ("Table 5, RN34 from RN50 + AugMix", (68.9, 56.2, 82.9, 9.9, 37.2, 24.1, 1.8), 30.7),
        ("Table 5, RN34 from DrViT-S", (68.2, 55.6, 79.5, 10.5, 37.0, 23.0, 2.1), 31.0),
        ("Table 5, RN34 from ViT-B + DAT", (69.2, 56.6, 79.0, 11.0, 38.7, 25.0, 2.2), 32.0),
        ("Table 5, RN34 from CLIP-RN101", (65.4, 53.5, 85.3, 8.5, 42.5, 26.3, 2.5), 30.5),
        ("Table 5, RN34 from CLIP-ViT-L", (63.6, 53.7, 82.0, 11.7, 46.0, 29.1, 4.5), 32.4),
        ("Table 6, AugReg-ViT", (79.9, 67.9, 54.5, 16.6, 39.5, 29.2, 19.0), 42.5),
        ("Table 6, Pyramid AT", (81.7, 70.3, 45.0, 19.1, 47.7, 36.8, 23.0), 47.7),
        ("Table 6, DAT", (81.5, 70.8, 44.7, 23.1, 47.3, 34.8, 30.2), 49.0),
        ("Table 6, DAD", (80.2, 69.8, 53.0, 22.1, 51.7, 36.9, 24.6), 47.5),
    ],
)  # fmt: skip
def test_the_average_of_seven_is_the_papers(method: str, scores: tuple[float, ...], printed: float) -> None:
    assert average_seven(dict(zip(SEVEN, scores, strict=True))) == pytest.approx(printed, abs=0.0501)


@pytest.mark.parametrize("missing", SEVEN)
def test_an_average_needs_all_its_sets(missing: str) -> None:
    metrics = DAD_VIT | {missing: None}
    assert average_seven(metrics) is None
    assert average_seven({name: DAD_VIT[name] for name in SEVEN if name != missing}) is None
    assert (average_natural(metrics) is None) is (missing in ("imagenet-r", "imagenet-sketch", "imagenet-a"))


def test_the_seven_come_first_and_sets_that_no_row_has_last() -> None:
    variants = {name: {"top1": 50.0} for name in ("mine", "imagenet-d", "elsewhere", "imagenetv2")}
    names = [column.name for column in columns_of([{"model": "m", "variants": variants}])]
    assert names[:4] == ["imagenet", "imagenetv2", "imagenet-r", "imagenet-sketch"]
    assert names[7:] == ["imagenet-d", "elsewhere", "mine"]


def test_of_the_seven_own_data_have_what_was_scored(own: dict) -> None:
    assert [column.name for column in columns_of([own])] == ["phone"]
    own["variants"] |= {"imagenet": {"top1": 81.7}}
    assert [column.title for column in columns_of([own])] == ["Validation", "phone"]
    own["variants"] |= {"imagenet-r": {"top1": 60.0}}  # a world in ImageNet's shape
    assert [column.title for column in columns_of([own])] == ["ImageNet", "R", "phone"]
    ours = {"model": "m", "variants": {"imagenet": {"top1": 80.0}}}
    assert len(columns_of([own, ours])) == 8


@pytest.mark.parametrize(
    ("scores", "column"),
    [
        ({"top1": 50.0}, Column("mine", "mine", "top1")),
        ({"top1": 50.0, "mce": 70.0}, Column("mine", "mine", "mce")),  # of a file that does not say it
        ({"top1": 50.0, "mce": 70.0, "metric": "top1"}, Column("mine", "mine", "top1")),
        ({"top1": 50.0, "aupr": 7.0, "title": "Mine", "metric": "aupr"}, Column("mine", "Mine", "aupr")),
    ],
)
def test_a_set_that_no_row_has_is_as_its_scores_say(scores: dict, column: Column) -> None:
    assert columns_of([{"model": "m", "variants": {"mine": scores}}])[-1] == column


def test_the_table_decides_on_its_own_sets() -> None:
    scores = {"top1": 50.0, "title": "other", "metric": "top5"}
    columns = columns_of([{"model": "m", "variants": {"imagenet-d": scores}}])
    assert columns[-1] == Column("imagenet-d", "D", "top1")


def test_numbers_of_other_sets_are_not_compared_with_the_papers() -> None:
    metrics = metrics_of({"model": "m", "variants": {"fgsm": {"top1": 1.0}, "imagenet": {"top1": 2.0}}})
    assert metrics["imagenet"] == 2.0 and "fgsm" not in metrics


def test_an_incomplete_set_has_no_number() -> None:
    column = Column("imagenet-c", "C", "mce")
    result = {"model": "m", "variants": {"imagenet-c": {"mce": 70.0, "mce_interval": [69, 71], "complete": False}}}
    assert column.is_incomplete(result) and column.value(result) is None
    assert column.interval(result) == (69, 71) and column.heading == "C (mCE ↓)" and column.lower_is_better


def test_shape_bias_has_a_column_and_an_interval_of_its_own() -> None:
    scores = {"top1": 20.0, "metric": "shape_bias", "shape_bias": 25.0, "shape_bias_interval": [20.0, 31.0]}
    result = {"model": "resnet50", "variants": {"shape-bias": scores, "cue-conflict": {"top1": 21.0}}}
    columns = {column.name: column for column in columns_of([result])}
    assert (columns["shape-bias"].heading, columns["shape-bias"].value(result)) == ("Shape bias", 25.0)
    assert columns["shape-bias"].interval(result) == (20.0, 31.0) and columns["cue-conflict"].value(result) == 21.0


def test_further_numbers_of_own_sets_stand_beside_them_in_columns_of_their_own() -> None:
    grouped = {"title": "mine", "metric": "top1", "top1": 50.0, "own_top1": 60.0, "worst_group_top1": 10.0}
    plain = {"title": "mine", "metric": "top1", "top1": 40.0}
    results = [{"model": "m", "variants": {"mine": scores}} for scores in (grouped, plain)]
    columns = [column for column in columns_of(results) if column.name.startswith("mine")]
    assert [(column.heading, column.beside) for column in columns] == [
        ("mine", ""), ("mine (own classes)", "mine"), ("mine (worst group)", "mine")
    ]  # fmt: skip
    assert [[column.value(result) for column in columns] for result in results] == [[50, 60, 10], [40, None, None]]
    assert len({column.name for column in columns}) == 3


def test_a_part_of_a_set_comes_before_own_sets() -> None:
    variants = {"apples": {"top1": 1.0}, "imagenet-9": {"top1": 2.0, "part_of": "imagenet"}}
    assert [column.name for column in columns_of([{"model": "m", "variants": variants}])][-2:] == [
        "imagenet-9",
        "apples",
    ]
