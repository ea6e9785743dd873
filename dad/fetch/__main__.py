"""Fetch every weight that a recipe needs, on a node that has a network, for nodes that have none.

python -m dad.fetch --config hparams/vitb_dad.yaml --list
python -m dad.fetch --config hparams/vitb_dad.yaml --to /data/weights
"""

from dad.ahead import refuse_ahead

if __name__ == "__main__":  # before what takes seconds to import
    refuse_ahead(__file__, "resolve_args")

import shlex
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from pathlib import Path

from dad.args.scripts import ANY, ASK, SCRIPTS, Call, parse_of_any
from dad.args.switches import Switch
from dad.errors import DataError, UsageError, run_script
from dad.fetch.needed import Weights, find_needed
from dad.fetch.record import RECORD, read_record
from dad.fetch.sources import HubCache

_COMMANDS = {name: f"python {name}.py" for name in SCRIPTS} | {ASK: "python -m dad.soft_targets build"}
_UNKNOWN = "not known here"


def main(argv: list[str] | None = None) -> int:
    """List or fetch what a recipe needs."""
    call = resolve_args(argv)
    args = call.args
    root = Path(args.to).absolute() if args.to else Path("DIR")
    needed = find_needed(call.script, args)
    if not needed:
        print("no weights are needed: the student starts from scratch, and no teacher is asked")
        return 0
    places: dict[Weights, Path] = {}
    for weights in needed:
        place = weights.find() if weights.file is not None else _place(weights, root, fetch=not args.list)
        if place is not None:
            places[weights] = place
        print("\n".join(_describe(weights, place, root)), flush=True)
    print("\n".join(_advise(call, needed, places, root)))
    return 0 if args.list or len(places) == len(needed) else DataError.exit_code


def resolve_args(argv: list[str] | None) -> Call:
    """Return the flags; refuse a command line that is wrong, whatever the files hold."""
    words = sys.argv[1:] if argv is None else argv
    call = parse_of_any("python -m dad.fetch", __doc__.partition("\n")[0], words, _add_own)
    if call.script == ANY:
        raise UsageError(
            "--config FILE is needed: the recipe whose weights are wanted, or its flags with --script NAME"
        )
    if not call.args.to and not call.args.list:
        raise UsageError("--to DIR is needed: where the weights go; or --list, which only says what they are")
    return call


def _add_own(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("Fetching")
    group.add_argument("--to", default=None, type=str, metavar="DIR", help="where the weights go")
    group.add_argument("--list", default=False, action=Switch, help="say what is needed, and fetch nothing")


def _place(weights: Weights, root: Path, fetch: bool) -> Path | None:
    """Return where published weights are below `root`, once they are."""
    if weights.source is None:
        return None
    return weights.source.fetch(root) if fetch else weights.source.find_below(root)


def _describe(weights: Weights, place: Path | None, root: Path) -> Iterator[str]:
    """Yield lines on weights: what they are for, where they are, whose and which."""
    yield f"{weights.role}  {weights.flag}"
    if weights.file is not None:
        yield f"    a place of your own: {'it is here' if place else 'nothing is there'}"
        return
    if weights.source is None:
        by_hand = f"; fetch it by hand from {weights.by_hand}" if weights.by_hand else ""
        yield f"    no program can fetch it{by_hand}, and name it: {_name(weights, None)}"
        return
    yield f"    from {weights.source.describes}"
    cached = None if place else weights.source.find()
    yield f"    {f'here: {place}' if place else f'in a cache: {cached}' if cached else 'not here'}"
    known = _known(place, root)
    sha256 = known.get("sha256") or weights.source.sha256
    yield f"    SHA-256: {sha256 or _UNKNOWN}; licence: {known.get('licence') or weights.licence or _UNKNOWN}"


def _known(place: Path | None, root: Path) -> dict[str, str]:
    """Return what the record says of a file; of a folder only the licence, since hashes are of files."""
    if place is None:
        return {}
    record = read_record(root)
    if place.is_file() and place.is_relative_to(root):
        return record.get(place.relative_to(root).as_posix(), {})
    inside = [about for name, about in record.items() if (root / name).is_relative_to(place)]
    return {"sha256": f"of each file in {root / RECORD}", "licence": inside[0].get("licence", "")} if inside else {}


def _advise(call: Call, needed: Sequence[Weights], places: dict[Weights, Path], root: Path) -> Iterator[str]:
    """Yield what to type where there is no network."""
    flags = [_name(weights, places.get(weights)) for weights in needed if weights.offline]
    yield "\non nodes without a network:"
    yield "    export HF_HUB_OFFLINE=1"
    if any(isinstance(weights.source, HubCache) for weights in needed):
        yield f"    export HF_HOME={shlex.quote(str(root))}"
    recipe = ["--config", shlex.quote(call.config)] if call.config else []
    yield " ".join([f"    {_COMMANDS[call.script]}", *recipe, *flags, "..."])


def _name(weights: Weights, place: Path | None) -> str:
    return weights.offline.format(shlex.quote(str(place)) if place else "FILE")


if __name__ == "__main__":
    sys.exit(run_script(main))
