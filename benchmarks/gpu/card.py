"""The card itself: what it is, what it runs on, and the best rates of matrix products that it reaches.

python -m benchmarks.gpu.card --device cuda
"""

import hashlib
import re
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

import torch

from benchmarks.measures import DTYPES, machine, precisions_of, rates_of, write_results
from dad.environment import versions
from dad.errors import run_script
from dad.markdown import format_rows
from dad.runtime import require_device

ROOT = Path(__file__).parents[2]
_CODE = ("dad", "benchmarks", "emojinet")  # whose files a number depends on
_DRIVER = Path("/proc/driver/nvidia/version")


def main(argv: list[str] | None = None) -> int:
    """Look at the card, measure its rates and print them."""
    args = _parse(argv)
    require_device(args.device)
    device = torch.device(args.device)
    results: dict[str, Any] = {"identity": identify(device), "free_bytes": None}
    if device.type == "cuda":
        results["free_bytes"] = torch.cuda.mem_get_info(device)[0]  # before anything is put there: others may be on it
    if not args.look:
        results |= {"machine": machine(device), "rates": rates_of(device), "left_out": describe_left_out(device)}
        print(render(results))
    write_results(results, args.out)
    return 0


def identify(device: torch.device) -> dict[str, Any]:
    """Return what numbers depend on besides settings: the card, its driver, versions of packages and of this code."""
    card: dict[str, Any] = {"card": device.type, "capability": None, "memory_bytes": None, "driver": None}
    if device.type == "cuda":
        found = torch.cuda.get_device_properties(device)
        card = {
            "card": found.name, "capability": f"{found.major}.{found.minor}", "memory_bytes": found.total_memory,
            "driver": find_driver(),
        }  # fmt: skip
    cudnn: Any = torch.backends.cudnn
    card["cuda"], card["cudnn"] = torch.version.cuda, cudnn.version() if device.type == "cuda" else None
    return {**card, **versions(), "code": code_digest(ROOT)}


def find_driver() -> str:
    """Return the driver's version, or `unknown`."""
    try:
        asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        told = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True).stdout.split()
        if told:
            return told[0]
    except (OSError, subprocess.SubprocessError):
        pass
    try:
        found = re.search(r"NVRM version:.*?\s(\d+\.\d+(?:\.\d+)?)\s", _DRIVER.read_text(encoding="utf-8"))
    except OSError:
        found = None
    return found[1] if found else "unknown"


def code_digest(root: Path) -> str:
    """Return a hash of all files of Python that are measured or measure."""
    digest = hashlib.sha256()
    for path in sorted(path for folder in _CODE for path in (root / folder).rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def describe_left_out(device: torch.device) -> str:
    """Say in which precisions nothing is measured on a device, and why; empty if in none."""
    missing = [name for name in DTYPES if name not in precisions_of(device)]
    if not missing:
        return ""
    kind = "a CPU"
    if device.type == "cuda":
        kind = f"capability {'.'.join(map(str, torch.cuda.get_device_capability(device)))} (8.0 and above have them)"
    return f"Left out: {', '.join(missing)}, which {kind} has not, or only emulates."


def render(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    identity = results["identity"]
    versions_line = f"Versions: {', '.join(f'{key} {value}' for key, value in identity.items() if value is not None)}"
    if "rates" not in results:
        return versions_line
    rows = [["matrix products in", *results["rates"]]]
    rows.append(["TFLOP/s", *(f"{rate / 1e12:.3g}" for rate in results["rates"].values())])
    lines = [
        f"Machine: {', '.join(f'{key} {value}' for key, value in results['machine'].items())}",
        versions_line,
        "",
        format_rows(rows),
    ]
    if results["free_bytes"] is not None:
        free, whole = results["free_bytes"] / 1e9, identity["memory_bytes"] / 1e9
        lines += ["", f"Memory: {whole:.1f} GB, of which {free:.1f} GB were free at the start."]
    return "\n".join([*lines, *(["", results["left_out"]] if results["left_out"] else [])])


def _parse(argv: list[str] | None) -> Namespace:
    parser = ArgumentParser(prog="python -m benchmarks.gpu.card", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", metavar="NAME")
    parser.add_argument("--look", action="store_true", help="measure nothing")
    parser.add_argument("--out", metavar="FILE", help="write the numbers as JSON, too")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(run_script(main))
