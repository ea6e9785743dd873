"""The model card: what the network is, how it is used, what it scores and what it learned from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from timm.models import model_entrypoint

from dad.export.card_data import UNSTATED, dataset_of, front_matter, scored_columns
from dad.export.onnx_graph import INPUT
from dad.export.record import Record
from dad.export.timm_folder import CONFIG
from dad.export.trained import Trained
from dad.markdown import format_rows
from dad.models.description import PREPROCESSING
from dad.report import average_natural, average_seven
from dad.report.columns import metrics_of
from dad.report.notes import notes_of
from dad.report.results import Result, has_imagenets_classes
from dad.report.table import INCOMPLETE, format_attacks, format_number
from dad.training.origin import Origin

PAPER = "https://arxiv.org/abs/2311.01441"
_METHOD = f"[Discrete Adversarial Distillation]({PAPER})"
_SETTINGS = ("discretizer", "attack_norm", "attack_eps", "attack_step_size", "attack_steps", "keep")


@dataclass(frozen=True, eq=False)
class Card:
    """What a card says.

    Attributes:
        place: how timm finds it: `hf_hub:USER/NAME`, or `local-dir:DIR`.
        record: of the folder; its licence is of the weights, as the hub spells it, and may be empty.
        results: what it scores, see `dad.export.scores`; may be empty.
    """

    place: str
    trained: Trained
    record: Record
    results: Sequence[Result] = ()

    def to_bytes(self) -> bytes:
        """Return the file, Markdown with front matter."""
        suffixes = [name.rpartition(".")[2] for name in self.record.files]
        formats = [suffix for suffix in dict.fromkeys(suffixes) if suffix in ("safetensors", "onnx")]
        matter = front_matter(self.record.name, self.record.licence, self.trained, formats, self.results)
        body = "\n\n".join(part for part in self._parts() if part)
        return f"---\n{matter.strip()}\n---\n\n{body}\n".encode(errors="backslashreplace")

    def _parts(self) -> Iterator[str]:
        description = self.trained.description
        yield f"# {self.record.name}"
        yield (
            f"An image classifier: {description.architecture}, {description.param_count:g} million parameters, "
            f"{len(self.trained.classes):,} classes; trained with the code of {_METHOD}."
        )
        yield "## Use"
        yield from _usage(self.place, description.architecture, self.record)
        yield _preprocessing(description.data_config)
        yield "## Scores"
        yield _scores(self.results)
        yield format_attacks(self.results)
        yield "\n".join(f"- {note}" for note in notes_of(self.results))
        yield "## Training"
        yield "\n".join(f"- {line}" for line in _training(self.trained))
        yield "## Files"
        yield _files(self.record)
        yield "## Licence"
        yield _licence(self.record.licence)


def _usage(place: str, architecture: str, record: Record) -> Iterator[str]:
    home = model_entrypoint(architecture).__module__
    more = "" if home.startswith("timm.") else f"\nimport {home}  # tells timm of {architecture}"
    if CONFIG in record.files:
        yield f"""```python
import timm{more}

model = timm.create_model("{place}", pretrained=True).eval()
transform = timm.data.create_transform(**timm.data.resolve_data_config({{}}, model=model))
probabilities = model(transform(image.convert("RGB"))[None]).softmax(-1)  # of a PIL image
```"""
    graphs = [name for name in record.files if name.endswith(".onnx")]
    if graphs:
        yield f"""```python
import onnxruntime

session = onnxruntime.InferenceSession("{graphs[-1]}")
(logits,) = session.run(None, {{"{INPUT}": batch}})  # float32 [B, 3, H, W], prepared as said below
names = session.get_modelmeta().custom_metadata_map["class_names"]  # JSON; so are mean, std, input_size, ...
```"""


def _preprocessing(config: Mapping[str, Any]) -> str:
    said = {name: config[name] for name in PREPROCESSING}
    shown = [f"{name} {' '.join(map(str, v)) if isinstance(v, (tuple, list)) else v}" for name, v in said.items()]
    return f"Images: RGB in [0, 1], {', '.join(shown)}. Classes, in order, are in the files' metadata."


def _scores(results: Sequence[Result]) -> str:
    """Return a table of sets by what was scored, top-1 in percent unless said otherwise; averages where the seven sets
    of the paper were scored, of ImageNet's classes."""
    if not results:
        return "None are stated. `validate.py` scores the checkpoint, and each file here by `--onnx`."
    rows = [["Set", "Images", *(str(result["name"]) for result in results)]]
    for column in scored_columns(results):
        first = next(result for result in results if column.scores(result))
        heading = dataset_of(column, first)[1] + column.heading.removeprefix(column.title)
        count = (column.scores(first) or {}).get("count")
        cells = [INCOMPLETE if column.is_incomplete(one) else format_number(column.value(one)) for one in results]
        rows.append([heading, "" if count is None else f"{count:,}", *cells])
    if all(has_imagenets_classes(result) for result in results):
        for title, average in (("Avg natural", average_natural), ("Avg", average_seven)):
            values = [average(metrics_of(result)) for result in results]
            rows += [[title, "", *map(format_number, values)]] if any(value is not None for value in values) else []
    return format_rows(rows)


def _training(trained: Trained) -> Iterator[str]:
    description = trained.description
    kind = "the moving average" if description.weights == "ema" else "the weights as training left them"
    yield f"Checkpoint {description.checkpoint_hash} (SHA-256, first 16 digits), {kind}"
    if "epochs" in trained.flags:
        yield f"Epochs: {trained.flags['epochs']}, seed {trained.flags.get('seed')}"
    yield from (f"With {name}: {value}" for name, value in description.about.get("trained_with", {}).items())
    for number, origin in enumerate(trained.origins):
        turn = f" (part {number + 1} of {len(trained.origins)})" if len(trained.origins) > 1 else ""
        yield from (line + turn for line in _origin(origin))
    if not trained.origins:
        yield "Objective, teacher and DAD set: not recorded in the checkpoint"


def _origin(origin: Origin) -> Iterator[str]:
    yield f"Objective: `{origin['objective']}`"
    if "flags" in origin:
        yield "Teacher and DAD set: not recorded, the checkpoint is of an earlier version"
        return
    teacher, dad_set = origin.get("teacher"), origin.get("dad_set")
    if teacher is None:
        yield "Teacher: none"
    else:
        yield f"Teacher: {teacher['teacher']}, weights {teacher.get('teacher_weights', 'unknown')}"
    if dad_set is None:
        yield "DAD set: none"
        return
    settings = dad_set["settings"]
    made = ", ".join(f"{name} {settings[name]}" for name in _SETTINGS if settings.get(name) is not None)
    yield (
        f"DAD set: fingerprint {dad_set['fingerprint']}, digest {dad_set['digest'][:16] or 'unknown'}, "
        f"{dad_set['images']:,} images ({made})"
    )


def _files(record: Record) -> str:
    rows = [["File", "SHA-256", "Compared with the network"]]
    for name, digest in record.files.items():
        check = record.checks.get(name)
        rows.append([name, digest[:16], "" if check is None else check["sentence"]])
    return "\n\n".join(filter(None, [format_rows(rows), record.calibration]))


def _licence(licence: str) -> str:
    stated = f"The weights: {licence}." if licence else f"None is stated ({UNSTATED})."
    return f"{stated} The images, the teacher and the discretiser that they come from have licences of their own."
