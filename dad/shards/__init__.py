"""The on-disk format of a DAD set: a folder whose making can be killed at any moment and continued.

    settings.json        what the set is made with, written first; a folder holds sets of one setting only
    listing.gz           keys and labels of all source images; listing.1.gz, ... of those that were added later
    environment.json     versions of the packages that the first run used
    shards/00000.tar     WebDataset layout, one sample a kept image: <key>.npy (codes), <key>.jpg|png|webp, <key>.json
    shards/00000.json    marker of that tar: hash, counts, where each payload lies, rejected and unreadable sources
    manifest.json        written when every shard is committed: settings, environment, ledger, hash of every other file
    index.bin            with it: what all markers say of the kept samples, mapped into memory by readers
    rejected.tsv         with it: every source that the teacher no longer gets right, and what it sees instead
    unreadable.tsv       with it: every source that could not be read, and why

Data first, marker last: a tar without a valid marker does not exist. Shard k is `sources[k * size : (k + 1) * size]`,
and a tar is a pure function of its samples, so any number of processes and any restart give the same files.

A set that is extended gains a segment: a list of its own, cut into shards of its own, which are numbered on. Nothing
that was there changes but settings.json, which names the lists, and what is written with the manifest (`layout.py`).
The order is new list first, then settings.json, then shards; the manifest still vouches for what was there before, and
gives way to the new one when all is made.
"""

from dad.shards.encoding import EXTENSION_OF, IMAGE_EXTENSIONS, decode_codes, decode_image, encode_codes, encode_image
from dad.shards.marker import Fate, Ledger, Marker, Sample, read_marker, shard_paths
from dad.shards.reader import DadSet, DamagedSampleError
from dad.shards.writer import DadWriter

__all__ = [
    "EXTENSION_OF",
    "IMAGE_EXTENSIONS",
    "DadSet",
    "DadWriter",
    "DamagedSampleError",
    "Fate",
    "Ledger",
    "Marker",
    "Sample",
    "decode_codes",
    "decode_image",
    "encode_codes",
    "encode_image",
    "read_marker",
    "shard_paths",
]
