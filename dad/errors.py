"""What a user did wrong, as one line and an exit code.

A message names the flag or file, its value, and what would work. Scripts are entered through `run_script`, so that a
user sees that line and no traceback; anything that is not a `UserError` is our bug and keeps its traceback.
"""

import sys
from collections.abc import Callable


class UserError(Exception):
    """A mistake that the user can mend; `exit_code` is the process's exit status."""

    exit_code = 1


class UsageError(UserError):
    """Flags or YAML that make no sense."""

    exit_code = 2


class DataError(UserError):
    """Files that are missing, empty, damaged or of the wrong shape."""

    exit_code = 3


class SettingsError(UserError):
    """An artefact that was made with other settings than those asked for."""

    exit_code = 5


def run_script(main: Callable[[], int | None]) -> int:
    """Run a script's `main` and turn a `UserError` into one line on stderr and its exit code; Ctrl-C gives 130, as in a
    shell."""
    try:
        return main() or 0
    except UserError as error:
        # out of a DataLoader's worker comes a whole traceback as text, whose last line is "<type>: <message>"
        *before, line = [line for line in str(error).splitlines() if line.strip()] or [""]
        if before:
            line = line.partition(": ")[2]
        print(f"error: {line}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
