"""Names near to one that nobody knows: a model, an optimiser, a flag."""

import difflib
import re
from collections.abc import Iterable


def near_names(word: str, names: Iterable[str], count: int = 3) -> list[str]:
    """Return up to `count` of `names`, the most likely meant first.

    Before names that merely look alike come those that differ in case or separators alone, that begin with the word, or
    are its parts spelt out (`vit_b_16`), and relatives of another size (`resnet81`).
    """
    known = sorted(names, key=lambda name: (len(name), name))
    plain = _plain(word)
    if not plain:
        return []
    similarity = difflib.SequenceMatcher(b=plain)
    found = [name for name in known if _plain(name) == plain]
    found += [name for name in known if _plain(name).startswith(plain)]
    found += [name for name in known if _spells_out(name, word)]
    relatives = [name for name in known if _without_numbers(name) == _without_numbers(word)]
    found += sorted(relatives, key=lambda name: -_ratio(similarity, name))
    if len(found) < count:
        found += difflib.get_close_matches(word.lower(), known, n=count)
    return list(dict.fromkeys(found))[:count]


def nearest_name(word: str, names: Iterable[str]) -> str:
    """Return the name that looks most like the word, or nothing if none does."""
    return next(iter(difflib.get_close_matches(word, names, n=1)), "")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _without_numbers(name: str) -> str:
    return re.sub(r"\d+", "#", name.lower().replace("-", "_"))


def _spells_out(name: str, word: str) -> bool:
    """Whether each part of `word` shortens a part of `name`, in order, the first one whole: of vit_base_patch16_224,
    vit_b_16."""
    first, *parts = re.split(r"[-_ /]", word.lower())
    own, *rest = name.split("_")
    if own != first or not parts:
        return False
    left = iter(rest)
    return all(any(_shortens(part, longer) for longer in left) for part in parts)


def _shortens(part: str, longer: str) -> bool:
    return longer.startswith(part) or (part.isdigit() and longer.endswith(part))


def _ratio(similarity: difflib.SequenceMatcher[str], name: str) -> float:
    similarity.set_seq1(_plain(name))
    return similarity.ratio()
