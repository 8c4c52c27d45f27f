"""A disk that takes its time: a library that a program loads before its own, in which every flush waits first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_SOURCE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <time.h>

#define SLOW(name, parameters, arguments)                         \\
    int name parameters {                                         \\
        struct timespec wait = {0, MICROSECONDS * 1000L};         \\
        int (*real) parameters = dlsym(RTLD_NEXT, #name);         \\
        nanosleep(&wait, NULL);                                   \\
        return real arguments;                                    \\
    }

SLOW(fsync, (int file), (file))
SLOW(fdatasync, (int file), (file))
SLOW(syncfs, (int file), (file))
SLOW(msync, (void *start, size_t length, int flags), (start, length, flags))
"""


def slow_disk(folder: Path, milliseconds: float) -> dict[str, str]:
    """Return the variables with which each flush of a process is slower by so much; needs a C compiler."""
    source, library = folder / "slow_disk.c", folder / "slow_disk.so"
    source.write_text(_SOURCE)
    options = [f"-DMICROSECONDS={milliseconds * 1000:.0f}L", "-shared", "-fPIC", "-o", str(library), str(source)]
    try:
        subprocess.run(["cc", *options, "-ldl"], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"a slow disk needs a C compiler: {error}")
    return {"LD_PRELOAD": str(library)}
