"""Images, class lists, DAD set and soft targets: are they here, in the right layout, and of the same classes?"""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dad.doctor.findings import Finding, attempt, fail, ok, warn
from dad.evaluation.candidates import find_checkpoints
from dad.evaluation.image_sets import find_classes
from dad.images.classes import NO_CLASSES, ClassList, resolve_class_list, resolve_vocabulary
from dad.images.packed import PackedStrings
from dad.images.sources import SourceImage, class_folders, find_split, list_sources
from dad.images.timm_datasets import resolve_timm_dataset
from dad.objectives import load_objective
from dad.shards.manifest import read_manifest
from dad.soft_targets.reader import SoftTargets
from dad.teachers.clip import label_of
from dad.trained_classes import require_trained_classes
from dad.training.loaders import open_dad_set, resolve_classes
from dad.training.views import resolve_views
from dad.variants import find_folder, find_variants, list_image_set, load_folder_map, resolve_extra_sets
from dad.variants.table import VARIANTS
from dad.variants.variant import Variant


def find_training_data(args: Namespace, found: list[Finding]) -> tuple[ClassList | None, list[SourceImage]]:
    """Look at the class list and at the images of both splits of train.py; return the former and the training
    images."""
    classes = attempt("classes", lambda: resolve_classes(args), found)
    if classes is None:
        return None, []
    if resolve_timm_dataset(args):
        found.append(ok("data", f"--dataset {args.dataset}, which timm opens; {len(classes):,} classes"))
        return classes, []
    sources = _list_split(args.data_dir, args.train_split, classes, found)
    if args.val_split and classes:
        scored = _list_split(args.data_dir, args.val_split, classes, found)
        found += judge_splits(sources, scored, classes)
    return classes, sources


def find_source_data(args: Namespace, found: list[Finding]) -> tuple[ClassList | None, list[SourceImage]]:
    """Look at the class list and the source images of generate.py, and return them."""
    split = attempt("data", lambda: find_split(args.data_dir, args.train_split), found)
    if split is None:
        return None, []
    if args.unlabelled:
        classes = attempt("classes", lambda: resolve_vocabulary(args.class_map, args.class_names), found)
        return classes, _list_split(args.data_dir, args.train_split, NO_CLASSES, found)
    folders = attempt("data", lambda: class_folders(split), found)
    if folders is None:
        return None, []
    classes = attempt("classes", lambda: resolve_class_list(args.class_map, args.class_names, folders), found)
    return (None, []) if classes is None else (classes, _list_split(args.data_dir, args.train_split, classes, found))


def _list_split(data_dir: str, split: str, classes: ClassList, found: list[Finding]) -> list[SourceImage]:
    sources = attempt("data", lambda: list_sources(find_split(data_dir, split), classes), found)
    if sources is None:
        return []
    filled = len({source.label for source in sources})
    images = "1 image" if len(sources) == 1 else f"{len(sources):,} images"
    shown = f"of {filled:,} of the {len(classes):,} classes" if classes else "without labels"
    found.append(ok("data", f"{find_split(data_dir, split)}: {images} {shown}"))
    return sources


def judge_splits(trained: Sequence[SourceImage], scored: Sequence[SourceImage], classes: ClassList) -> list[Finding]:
    """Say whether there are classes that are scored and not trained on."""
    if not trained or not scored:
        return []
    untrained = {source.label for source in scored} - {source.label for source in trained}
    if not untrained:
        return []
    first = classes.folders[min(untrained)]
    said = f"{len(untrained)} classes are validated and not trained on, e.g. '{first}'"
    return [warn("classes", said, "is the training split whole?")]


def find_dad_set(args: Namespace, classes: ClassList, sources: Sequence[SourceImage]) -> list[Finding]:
    """Look at the DAD set of train.py: finished, of these classes and images, and of this teacher?"""
    found: list[Finding] = []
    objective = load_objective(args.objective)
    if not any(view.needs_dad_set for view in resolve_views(args.objective, objective.views)):
        return found
    dad_set = attempt("DAD set", lambda: open_dad_set(args.dad_dir, classes), found)
    if dad_set is None:
        return found
    keys = PackedStrings.pack(source.key for source in sources)
    paired = int((dad_set.positions_of(keys) >= 0).sum())
    said = f"{args.dad_dir}: {len(dad_set):,} images, made from {paired:,} of the {len(sources):,} training images"
    if sources and not paired:
        found.append(fail("DAD set", said, "it was made from other images; give --data-dir or --dad-dir of the same"))
        return found
    found.append(ok("DAD set", f"{said}, of this class list" if classes else said))
    made_with = str(read_manifest(Path(args.dad_dir))["settings"].get("teacher", "unknown"))
    asked = label_of(args.teacher) if args.teacher and objective.needs_teacher else ""
    if asked and asked != made_with:
        said = f"made with the teacher {made_with}, but --teacher is {asked}"
        found.append(warn("DAD set", said, "use one for both"))
    return found


def find_soft_targets(args: Namespace) -> list[Finding]:
    """Look at the soft targets that train.py reads."""
    found: list[Finding] = []
    objective = load_objective(args.objective)
    if not args.soft_targets or not objective.needs_teacher:
        return found
    targets = attempt("soft targets", lambda: SoftTargets(Path(args.soft_targets)).for_views(objective.views), found)
    if targets is not None:
        views = " and ".join(targets.names)
        found.append(ok("soft targets", f"{args.soft_targets}: {len(targets.whole)} virtual epochs of {views} images"))
    return found


def find_trained_classes(checkpoints: Sequence[str], classes: ClassList, new_head: bool = False) -> list[Finding]:
    """Compare the class list with those that checkpoints were trained with."""
    found: list[Finding] = []
    for path in checkpoints if classes else ():
        attempt("classes", lambda p=path: require_trained_classes(p, classes, p, new_head=new_head), found)  # type: ignore[misc]
    if checkpoints and classes and not found:
        found.append(ok("classes", f"{len(classes):,}, as {len(checkpoints)} checkpoints have them, or do not say"))
    return found


def find_test_sets(args: Namespace, found: list[Finding]) -> ClassList | None:
    """Look at the class list and the test sets of validate.py; return the former."""
    if resolve_timm_dataset(args):
        found.append(ok("data", f"--dataset {args.dataset}, which timm opens"))
        return attempt("classes", lambda: find_classes(args, True), found)
    classes = attempt("classes", lambda: find_classes(args, False), found)
    extra = attempt("data", lambda: resolve_extra_sets(args.extra_set, args.extra_set_groups), found)
    if classes is None or extra is None:
        return classes
    folder_map = attempt("data", lambda: load_folder_map(args.folder_map, classes), found)
    if folder_map is None:
        return classes
    extra = [(replace(variant, folder_map=folder_map), folder) for variant, folder in extra]
    sets: list[tuple[Variant, Path]] = []
    root = Path(args.data_dir or ".")
    if args.data_dir:
        looked = attempt("data", lambda: find_variants(root, args.variants, classes, folder_map), found)
        if looked is not None:
            sets, missing = looked
            names = ", ".join(variant.name for variant, _ in missing)
            found += [ok("data", f"not scored, since not there or not for these classes: {names}")] if missing else []
    val = find_folder(root, VARIANTS[0]) if args.data_dir else None
    for variant, folder in (*sets, *extra):
        images = attempt("data", lambda v=variant, f=folder: list_image_set(v, f, classes, val), found)  # type: ignore[misc]
        if images is not None:
            fine = ok("data", f"{variant.name}: {len(images):,} images in {folder}")
            found.append(warn("data", images.count_warning, "is it whole?") if images.count_warning else fine)
    found += find_trained_classes(attempt("weights", lambda: find_checkpoints(args), found) or [], classes)
    return classes
