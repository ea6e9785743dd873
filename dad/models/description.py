"""What a file that ships a network says of itself: all that has to be known to use it, as strings beside its weights.

ONNX, safetensors and TorchScript each have room for strings alone, so everything else is written as JSON.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dad.errors import DataError
from dad.images.classes import ClassList

PREPROCESSING = ("input_size", "mean", "std", "interpolation", "crop_pct", "crop_mode")
_FORMAT = "1"  # raise it when an old reader would misread what is written


@dataclass(frozen=True)
class Description:
    """A network, its classes and its images.

    Attributes:
        architecture: timm's name.
        data_config: how it wants its images; `PREPROCESSING` of what `timm.data.resolve_data_config` returns.
        weights: which ones of the checkpoint: `ema` or `state_dict`.
        checkpoint_hash: see `dad.checkpoints.file_digest`.
        param_count: in millions.
        precision: of its arithmetic, `float32` or `int8`.
        about: what else is told, as plain data.
    """

    architecture: str
    classes: ClassList
    data_config: Mapping[str, Any]
    weights: str
    checkpoint_hash: str
    param_count: float
    precision: str = "float32"
    about: Mapping[str, Any] = field(default_factory=dict)

    def to_strings(self) -> dict[str, str]:
        """Return it by name, for a file's metadata."""
        words = {name: str(getattr(self, name)) for name in _WORDS}
        others = {
            "num_classes": len(self.classes),
            "class_names": self.classes.folders,
            "class_descriptions": self.classes.names,
            "param_count": self.param_count,
            "about": dict(self.about),
            **{name: self.data_config[name] for name in PREPROCESSING},
        }
        return {"description_format": _FORMAT, **words, **{name: json.dumps(value) for name, value in others.items()}}

    @classmethod
    def of_strings(cls, strings: Mapping[str, str], source: str) -> "Description":
        """Return what `to_strings` has written; `source` says where, for messages.

        Raises:
            DataError: there is no description in it, or one that a newer version has written.
        """
        found = strings.get("description_format")
        if found is None:
            raise DataError(
                f"{source}: it does not say how it wants its images; python -m dad.export writes files that do"
            )
        if found != _FORMAT:
            raise DataError(f"{source}: its description is of format {found}, this version reads {_FORMAT}; update it")
        try:
            read = {name: json.loads(strings[name]) for name in (*PREPROCESSING, *_OTHERS)}
            classes = ClassList(tuple(read["class_names"]), tuple(read["class_descriptions"]))
            config = {name: tuple(value) if isinstance(value := read[name], list) else value for name in PREPROCESSING}
            words = {name: strings[name] for name in _WORDS}
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{source}: its description is damaged ({error}); export it anew") from error
        return cls(classes=classes, data_config=config, param_count=read["param_count"], about=read["about"], **words)


_WORDS = ("architecture", "weights", "checkpoint_hash", "precision")
_OTHERS = ("class_names", "class_descriptions", "param_count", "about")
