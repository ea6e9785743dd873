"""Test sets: a table of them, which are there, and what is right for each of their images.

Scores go wrong silently where a class index comes from a folder's position: ImageNet-A and -R hold 200 folders, and
ImageNet-V2's are numbers, which sort as text into another order. Here an index comes from the folder's name only, and a
tree from which a wrong number would follow is refused.
"""

from dad.variants.building import list_image_set
from dad.variants.extra import resolve_extra_sets
from dad.variants.finding import find_folder, find_variants, unknown_folders
from dad.variants.folder_map import load_folder_map
from dad.variants.image_set import ImageSet

__all__ = [
    "ImageSet",
    "find_folder",
    "find_variants",
    "list_image_set",
    "load_folder_map",
    "resolve_extra_sets",
    "unknown_folders",
]
