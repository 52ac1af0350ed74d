"""`recon mvs run` as a process of its own, with what it took."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PER_MEGABYTE = 1024 if sys.platform != "darwin" else 1024**2  # ru_maxrss is in kilobytes on Linux, in bytes on macOS


@dataclass(frozen=True)
class Cost:
    """What a run took.

    Attributes:
        seconds: wall time.
        cpu_seconds: of all threads.
        memory: peak resident set [MB].
        code: exit code.
    """

    seconds: float
    cpu_seconds: float
    memory: float
    code: int


def timed_run(scene: Path, out: Path, flags: Sequence[str]) -> Cost:
    """Reconstruct a scene into a run folder."""
    program = [sys.executable, "-c", "from recon_cli.cli.app import main; main()", "mvs", "run"]
    start = time.monotonic()
    process = subprocess.Popen([*program, str(scene), "-o", str(out), "-q", *flags], stdout=subprocess.DEVNULL)
    # The usage of this child alone: what getrusage says of all children is the largest of all runs so far.
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - start
    return Cost(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / _PER_MEGABYTE, process.returncode)
