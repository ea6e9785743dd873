"""What becomes of memory that is freed: kept by the process, where the next step takes as much again."""

import ctypes
import os
import sys

# glibc's, from malloc.h: nothing is mapped by itself, nothing at the heap's end given back, and it grows by 64 MB
_OPTIONS = {-4: 0, -1: -1, -2: 64 << 20}
_USERS = ("MALLOC_", "GLIBC_TUNABLES")  # variables by which users decide


def keep_freed_memory() -> bool:
    """Let this process keep what it frees; return whether it does, since glibc alone has the switch.

    glibc gives blocks of 32 MB and more back to the system at once. Networks on a CPU free such blocks in every step
    and take them again, and the system hands them out page by page, cleared: a third of the time that goes into making
    EmojiNet's DAD set.
    """
    if not sys.platform.startswith("linux") or any(name.startswith(_USERS) for name in os.environ):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(mallopt(option, value) for option, value in _OPTIONS.items())
