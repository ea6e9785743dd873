"""One HTML page of what generation does to a few images: source | Q(x) | Q(x') | difference, with the teacher's top 3.

It is written before the first shard, so that a wrong normalisation or a wrong VQGAN is seen within a minute and not
after days.
"""

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from pathlib import Path

from torch import Tensor

from dad.files import Settings, write_atomically
from dad.generation.preview import Inspection
from dad.pixels import to_uint8
from dad.shards import encode_image
from dad.shards.strength import judge

_AMPLIFICATION = 8  # an attack in a ball of 0.1 moves Q's output by a few of 255 levels
_SIDE = 256  # CSS pixels that small images are enlarged to, by a whole number
_TOP = 3
_SUSPICIOUS = 1 / 5  # of the sources; a teacher that fits its data is right on most of them

_STYLE = """
:root { color-scheme: light dark; --page: #f4f5f7; --card: #fff; --ink: #1b1f24; --soft: #59636e; --line: #d5dae0;
  --bar: #a9b4c0; --good: #1a7f37; --bad: #c1121f; --warn: #fff1d6; }
@media (prefers-color-scheme: dark) { :root { --page: #0f1216; --card: #191e24; --ink: #e8ebef; --soft: #9aa5b1;
  --line: #333b45; --bar: #566270; --good: #4cc26a; --bad: #ff7b72; --warn: #46350f; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 76rem; background: var(--page); color: var(--ink);
  font: 0.9375rem/1.45 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { margin: 0 0 0.75rem; font-size: 1.5rem; }
h2 { margin: 0; font-size: 1rem; }
dl { display: flex; flex-wrap: wrap; gap: 0.5rem; margin: 0; }
dl div, article, .warning, details { background: var(--card); border: 1px solid var(--line); border-radius: 0.5rem; }
dl div { flex: 1 1 9.5rem; padding: 0.5rem 0.75rem; }
.soft { margin: 0.375rem 0 0; }
dt, .soft { color: var(--soft); font-size: 0.8125rem; }
dd { margin: 0; font-size: 1.25rem; font-weight: 600; font-variant-numeric: tabular-nums; }
header p { margin: 0.75rem 0 0.25rem; }
ul { margin: 0 0 0.75rem; padding-left: 1.25rem; max-width: 62rem; }
.warning { margin: 0.75rem 0; padding: 0.75rem 1rem; background: var(--warn); border: 2px solid var(--bad); }
article { margin-top: 1rem; padding: 0.75rem 1rem 1rem; }
.about { display: flex; flex-wrap: wrap; gap: 0 1.25rem; margin: 0.125rem 0 0.75rem; }
.good { color: var(--good); font-weight: 600; }
.bad { color: var(--bad); font-weight: 600; }
.row { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 1rem; }
@media (max-width: 44rem) { .row { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 1rem 0.75rem; } }
figure { margin: 0; }
figcaption { margin-bottom: 0.25rem; font-weight: 600; }
img { display: block; max-width: 100%; height: auto; border-radius: 0.25rem; }
.small { image-rendering: pixelated; }
figure table { table-layout: fixed; width: 100%; max-width: 16rem; }
table { border-collapse: collapse; margin-top: 0.375rem; font-size: 0.8125rem; }
caption { text-align: left; }
th, td { padding: 0.125rem 0; text-align: left; vertical-align: top; font-weight: inherit; }
figure td { width: 3.5rem; text-align: right; font-variant-numeric: tabular-nums; }
.bar { display: block; height: 0.25rem; margin: 0.125rem 0; border-radius: 0.125rem;
  background: linear-gradient(to right, var(--full, var(--bar)) var(--share), var(--line) 0); }
.good .bar { --full: var(--good); }
.bad .bar { --full: var(--bad); }
details { margin-top: 1rem; padding: 0.75rem 1rem; }
details th { padding-right: 1rem; color: var(--soft); overflow-wrap: normal; }
"""

_HINTS = """
<p>What would look wrong:</p>
<ul>
<li>a teacher that is wrong on the sources already: its normalisation or weights are wrong, or its classes are in
another order;</li>
<li>off colours, blocks or noise in Q(x) beside a good source: the VQGAN's configuration, weights or value range are
wrong;</li>
<li>a difference that is black everywhere, because nothing was attacked, or bright everywhere, because the attack is far
too strong: Q(x') is Q(x) with small changes here and there.</li>
</ul>"""


def write_gallery(path: Path, inspection: Inspection, class_names: Sequence[str], settings: Settings) -> None:
    """Write the page: one file without scripts, its images inline, and `settings` as a table at its end.

    Raises:
        DataError: the file cannot be written.
    """
    cards = "\n".join(_card(inspection, row, class_names) for row in range(len(inspection.keys)))
    page = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>DAD gallery</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>DAD gallery</h1>
{_summary(inspection)}
{_HINTS}
</header>
<main>
{cards}
</main>
{_settings_table(settings)}
</body>
</html>
"""
    write_atomically(path, page.encode(errors="backslashreplace"))


def _summary(inspection: Inspection) -> str:
    count = len(inspection.keys)
    numbers = {"kept": f"{int(inspection.keep.sum())} of {count}"}
    right = _right(inspection)
    for title, _, logits in inspection.stages[int(inspection.own_labels) :]:
        numbers[f"teacher on {title}"] = f"{int(inspection.right(logits).sum())} of {count} {right}"
    numbers["codes changed, on average"] = _share(inspection.codes_changed.mean())
    strength = inspection.strength
    label = {"Q(x)": strength.before, "Q(x')": strength.after, "Q(Q(x)), without attack": strength.alone}
    for title, probability in label.items():
        if probability is not None:
            numbers[f"probability of the label on {title}"] = f"{probability:.3f}"
    if strength.codes_alone is not None:
        numbers["codes changed without attack"] = f"{strength.codes_alone:.1%}"
    cells = [f"<div><dt>{escape(name)}</dt><dd>{number}</dd></div>" for name, number in numbers.items()]
    verdict = f'<p class="verdict"><strong>Attack:</strong> {escape(judge(strength))}.</p>'
    return f"<dl>{''.join(cells)}</dl>{_warning(inspection)}{verdict}"


def _share(codes_changed: Tensor) -> str:
    return "n/a (no codes)" if codes_changed.isnan() else f"{codes_changed:.1%}"


def _right(inspection: Inspection) -> str:
    """Return the word for what the teacher is where it gives the label."""
    return "as on x" if inspection.own_labels else "right"


def _warning(inspection: Inspection) -> str:
    logits = inspection.logits_discretized if inspection.own_labels else inspection.logits_source
    right, count = int(inspection.right(logits).sum()), len(inspection.keys)
    if right / count >= _SUSPICIOUS:
        return ""
    head = f"The teacher is right on only {right} of {count} sources."
    check = "that its classes are in the data's order (--class-map, --class-names)"
    if inspection.own_labels:
        head = f"The teacher says the same of Q(x) as of the source for only {right} of {count}."
        check = "Q's configuration and weights"
    return f"""
<p class="warning" role="alert"><strong>⚠ {head}</strong> Few or none
of the images would be kept. Check its weights, its normalisation, and {check} before you let it run.</p>"""


def _card(inspection: Inspection, row: int, class_names: Sequence[str]) -> str:
    key, label = inspection.keys[row], int(inspection.labels[row])
    kept = '<span class="good">✓ kept</span>' if inspection.keep[row] else '<span class="bad">✗ rejected</span>'
    changed = _share(inspection.codes_changed[row])
    figures = [
        _figure(title, key, images[row], _verdict(inspection, logits, row, class_names))
        for title, images, logits in inspection.stages
    ]
    label_of = "the teacher's own label" if inspection.own_labels else "label"
    difference = (inspection.adversarial[row] - inspection.discretized[row]).abs()
    levels = f"mean {255 * difference.mean():.1f}, largest {255 * difference.max():.1f} of 255 levels"
    note = f'<p class="soft">|Q(x\') − Q(x)|: {levels}</p>'
    figures.append(_figure(f"difference × {_AMPLIFICATION}", key, difference * _AMPLIFICATION, note))
    return f"""<article>
<h2>{escape(key)}</h2>
<p class="about"><span>{label_of}: <strong>{escape(class_names[label])}</strong></span>{kept}
<span>codes changed: {changed}</span></p>
<div class="row">{"".join(figures)}</div>
</article>"""


def _figure(title: str, key: str, pixels: Tensor, below: str) -> str:
    array = to_uint8(pixels).permute(1, 2, 0).numpy()
    height, width = array.shape[:2]
    factor = max(1, _SIDE // width)
    kind = ' class="small"' if factor > 1 else ""
    return f"""
<figure>
<figcaption>{escape(title)}</figcaption>
<img{kind} width="{width * factor}" height="{height * factor}" alt="{escape(f"{title}: {key}")}"
src="data:image/png;base64,{b64encode(encode_image(array, "png", 100)).decode()}">
{below}
</figure>"""


def _verdict(inspection: Inspection, logits: Tensor, row: int, class_names: Sequence[str]) -> str:
    """Return the teacher's first guesses for image `row`, by its logits on one of the stages, as a table with bars."""
    label, right = int(inspection.labels[row]), bool(inspection.right(logits)[row])
    top = logits[row].softmax(0).topk(min(_TOP, logits.shape[1]))
    guesses = list(zip(top.values.tolist(), top.indices.tolist(), strict=True))
    rows = []
    for rank, (probability, index) in enumerate(guesses):
        kind, sign = "", ""
        if index == label or (rank == 0 and right):
            kind, sign = "good", "✓ "
        elif rank == 0:
            kind, sign = "bad", "✗ "
        rows.append(
            f'<tr class="{kind}"><th scope="row">{sign}{escape(class_names[index])}'
            f'<span class="bar" style="--share:{probability:.1%}"></span></th><td>{probability:.1%}</td></tr>'
        )
    word, wrong = _right(inspection), "another" if inspection.own_labels else "wrong"
    word = f'<span class="good">✓ {word}</span>' if right else f'<span class="bad">✗ {wrong}</span>'
    return f"<table><caption>teacher: {word}</caption><tbody>{''.join(rows)}</tbody></table>"


def _settings_table(settings: Settings) -> str:
    rows = [
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(str(value))}</td></tr>' for name, value in settings.items()
    ]
    return f"<details><summary>Settings</summary><table><tbody>{''.join(rows)}</tbody></table></details>"
