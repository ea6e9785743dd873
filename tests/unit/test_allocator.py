"""Memory that is freed and taken again."""

import os
import subprocess
import sys

import pytest

_FAULTS = """
import resource
from dad.allocator import keep_freed_memory

kept = {call}

def take():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytearray(64 << 20)[::4096] = bytes(16384)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

first = take()
print(kept, min(take() for _ in range(5)) * 10 < first)
"""


@pytest.mark.skipif(
    not hasattr(os, "confstr") or "glibc" not in (os.confstr("CS_GNU_LIBC_VERSION") or ""), reason="glibc"
)
@pytest.mark.parametrize(
    ("call", "variables", "said"),
    [
        ("keep_freed_memory()", {}, "True True"),
        ("None", {}, "None False"),  # what it is good for
        ("keep_freed_memory()", {"MALLOC_ARENA_MAX": "2"}, "False False"),  # the user decides
    ],
)
def test_it_is_kept_and_not_fetched_page_by_page_again(call: str, variables: dict[str, str], said: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, "-c", _FAULTS.replace("{call}", call)]
    done = subprocess.run(command, env={**environment, **variables}, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == said
