"""ImageNet-X: what is unusual about each validation image, as people saw it (Idrissi et al. 2023).

The annotations come with the package imagenet-x, whose files are read without importing it: it would bring pandas and
SciPy along. They are for non-commercial use (CC BY-NC 4.0), and no part of this project.
"""

import csv
import json
import logging
from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

# In the order of the package's own list.
FACTORS = (
    *("pose", "background", "pattern", "color", "smaller", "shape", "partial_view", "subcategory", "texture", "larger"),
    *("darker", "object_blocking", "person_blocking", "style", "brighter", "multiple_objects"),
)
_logger = logging.getLogger(__name__)
_PACKAGE = "imagenet_x"
_TOP, _PROTOTYPES = "imagenet_x_val_top_factor.jsonl", "prototypical_paths.csv"


@lru_cache(maxsize=1)
def annotated_factors() -> Mapping[str, tuple[str, ...]]:
    """Return the factor that sets a validation image apart most, by the file's name without suffix; of a few there is
    none. Prototypes, by which annotators judged the others, are left out. Empty if the package is not installed, and,
    with a warning, if its files are others than are known.
    """
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return {}
    folder = Path(next(iter(spec.submodule_search_locations))) / "annotations"
    try:
        with (folder / _PROTOTYPES).open(encoding="utf-8", newline="") as file:
            prototypes = {row["file_name"] for row in csv.DictReader(file)}
        with (folder / _TOP).open(encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        return {
            row["file_name"].rpartition(".")[0]: tuple(factor for factor in FACTORS if row[factor])
            for row in rows
            if row["file_name"] not in prototypes
        }
    except (OSError, KeyError, ValueError) as error:
        _logger.warning(
            "%s: not readable as imagenet-x 0.0.7 has it (%r); pip install imagenet-x==0.0.7", folder, error
        )
        return {}
