"""Look at this machine, and at everything that a run needs, before it starts.

python -m dad.doctor
python -m dad.doctor --config hparams/vitb_dad.yaml --data-dir /data/imagenet --dad-dir /data/imagenet-dad
"""

from dad.ahead import refuse_ahead

if __name__ == "__main__":  # before what takes seconds to import
    refuse_ahead(__file__, "resolve_args")

import logging
import sys
from argparse import ArgumentParser

from dad.args.scripts import Call, parse_of_any
from dad.doctor.examine import examine
from dad.doctor.findings import Finding, Level, exit_code
from dad.errors import run_script


def main(argv: list[str] | None = None) -> int:
    """Print every finding; return 4 if a run would fail."""
    logging.basicConfig(level=logging.ERROR)  # what scripts tell by the way is no finding
    findings = []
    for finding in examine(resolve_args(argv)):
        print(finding, flush=True)
        findings.append(finding)
    print(_summary(findings))
    return exit_code(findings)


def resolve_args(argv: list[str] | None) -> Call:
    """Return the flags; refuse a command line that is wrong, whatever the files hold."""
    words = sys.argv[1:] if argv is None else argv
    return parse_of_any("python -m dad.doctor", __doc__.partition("\n")[0], words, _add_own)


def _add_own(parser: ArgumentParser) -> None:
    """The doctor has no flags of its own."""


def _summary(findings: list[Finding]) -> str:
    failing, doubtful = (sum(finding.level == level for finding in findings) for level in (Level.FAIL, Level.WARN))
    if not failing and not doubtful:
        return "\nall is well"
    return f"\n{failing} would fail, {doubtful} to be looked at"


if __name__ == "__main__":
    sys.exit(run_script(main))
