"""The picture of what the attack adds beyond Q: R, Stylized and C against epsilon, and what is in the DAD sets."""

from collections.abc import Callable, Mapping, Sequence

from dad.charts.svg import element, figure, label, ticks
from studies.emojinet.ladder import COLUMNS, SECOND_PASS, Rung, gain, rungs_of
from studies.emojinet.plot_parts import COLOURS, GUIDE, INK, LOOK, SOFT, ends_of, legend, signed
from studies.emojinet.statistics import Estimate
from studies.emojinet.study import DadSetFacts, Study

_TITLES = {"imagenet-r": "R", "imagenet-style": "Stylized", "imagenet-c": "C, as 100 - mCE"}
_SHARES: tuple[tuple[str, str, Callable[[DadSetFacts], float | None]], ...] = (
    ("kept", INK, lambda facts: facts.kept),
    ("codes changed", "#fff", lambda facts: facts.codes_changed),
)
# Widths and heights in pixels.
_LEFT = 46
_PANEL = 320
_GAP = 56
_HEIGHT = 190
_HEAD = 66
_BETWEEN = 76
_FOOT = 62
_APART = 0.6  # steps of the axis between the curve and what stands beside it


def attack_plot(study: Study) -> str:
    """Return as SVG, for each rung of the ladder, the paired difference to Q(Q(x)) in points with its 95 % interval;
    in a last panel what share of images was kept and of codes changed, where it is known. "" if no runs are there."""
    rungs = rungs_of(study)
    if SECOND_PASS not in [rung.method for rung in rungs]:
        return ""
    panels = [_gains(study, rungs, column) for column in COLUMNS]
    if any(rung.facts for rung in rungs):
        panels.append(_shares(rungs))
    parts = []
    for number, panel in enumerate(panels):
        row, place = divmod(number, 2)
        shift = f"translate({_LEFT + place * (_PANEL + _GAP):g} {_HEAD + row * (_HEIGHT + _BETWEEN):g})"
        parts.append(element("g", *panel, transform=shift))
    bottom = _HEAD + 2 * (_HEIGHT + _BETWEEN) - _BETWEEN
    width = _LEFT + 2 * _PANEL + _GAP + 20
    title = "What the attack adds beyond Q (paired difference to epsilon 0, 95 % interval)"
    parts += [label(12, 20, title, font_size=14, font_weight="bold", fill=INK)]
    parts += legend(study.records.students(), _LEFT, bottom + 54)
    note = "epsilon, not to scale; 0 is Q(Q(x)); Q(x) and several steps stand apart"
    parts.append(label(_LEFT + 110 * len(study.records.students()), bottom + 54, note, fill=SOFT))
    paper = element("rect", width=width, height=bottom + _FOOT, fill="#fff")
    return figure(width, bottom + _FOOT, title, paper, element("g", *parts, **LOOK))


def _gains(study: Study, rungs: Sequence[Rung], column: str) -> list[str]:
    found: dict[str, dict[str, Estimate]] = {}
    for student in study.records.students():
        if study.records.values(student, SECOND_PASS, column):
            gains = {rung.method: gain(study.records, student, rung, column) for rung in rungs}
            found[student] = {name: one for name, one in gains.items() if one} | {SECOND_PASS: Estimate(0.0, 0.0, 1)}
    ends = [end for row in found.values() for one in row.values() for end in (one.mean, *ends_of(one))]
    x_of, y_of = _x_places(rungs), _scale(min(0.0, *ends), max(0.0, *ends))
    parts = _axes(_TITLES[column], rungs, x_of, {tick: y_of(tick) for tick in ticks(min(ends), max(ends))}, signed)
    for number, student in enumerate(study.records.students()):
        nudge = 3 * (2 * number - len(study.records.students()) + 1)  # one student's mark beside the other's
        means = {name: (x_of[name] + nudge, y_of(one.mean)) for name, one in found.get(student, {}).items()}
        parts.append(_curve(rungs, means, COLOURS[number]))
        for name, (x, y) in means.items():
            whisker = [y_of(end) for end in ends_of(found[student][name])]
            parts += [element("line", x1=x, x2=x, y1=whisker[0], y2=whisker[1], stroke=COLOURS[number],
                              stroke_width=1.6)] if whisker else []  # fmt: skip
            parts.append(element("circle", cx=x, cy=y, r=4, fill=COLOURS[number], stroke="#fff"))
    return parts


def _shares(rungs: Sequence[Rung]) -> list[str]:
    x_of, y_of = _x_places(rungs), _scale(0.0, 100.0)
    ys = {tick: y_of(tick) for tick in ticks(0, 100)}
    parts = _axes("In the DAD set, %:", rungs, x_of, ys, lambda tick: f"{tick:g}")
    for number, (title, fill, share_of) in enumerate(_SHARES):
        places = {
            rung.method: (x_of[rung.method], y_of(100 * share))
            for rung in rungs
            if rung.facts and (share := share_of(rung.facts)) is not None
        }
        key = (120 + 70 * number, -20)
        parts += [_curve(rungs, places, INK), label(key[0] + 9, -16, title, fill=INK)]
        parts += [element("circle", cx=x, cy=y, r=3.5, fill=fill, stroke=INK) for x, y in [*places.values(), key]]
    return parts


def _x_places(rungs: Sequence[Rung]) -> dict[str, float]:
    """Return where each rung stands: one step after the other, what is no part of the curve further off."""
    places: dict[str, float] = {}
    at = 0.5
    for before, rung in zip([None, *rungs], rungs, strict=False):
        if before:
            at += 1 + _APART * (_is_of_curve(before) != _is_of_curve(rung))
        places[rung.method] = at
    return {name: place * _PANEL / (at + 0.5) for name, place in places.items()}


def _is_of_curve(rung: Rung) -> bool:
    return rung.epsilon is not None and rung.steps == 1


def _scale(low: float, high: float) -> Callable[[float], float]:
    return lambda value: _HEIGHT * (high - value) / ((high - low) or 1.0)


def _axes(
    title: str, rungs: Sequence[Rung], x_of: Mapping[str, float], ys: Mapping[float, float],
    text_of: Callable[[float], str],
) -> list[str]:  # fmt: skip
    parts = [label(0, -16, title, fill=INK)]
    for tick, y in ys.items():
        parts.append(element("line", x1=0, x2=_PANEL, y1=y, y2=y, stroke=GUIDE if tick else SOFT))
        parts.append(label(-8, y + 4, text_of(tick), text_anchor="end", fill=SOFT))
    return parts + [
        label(x_of[rung.method], _HEIGHT + 20, rung.name, text_anchor="middle", fill=SOFT) for rung in rungs
    ]


def _curve(rungs: Sequence[Rung], places: Mapping[str, tuple[float, float]], colour: str) -> str:
    points = [places[rung.method] for rung in rungs if _is_of_curve(rung) and rung.method in places]
    path = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
    return element("polyline", points=path, fill="none", stroke=colour, stroke_opacity=0.5)
