"""What a library says by itself, kept away from the streams of the process, which belong to results and to our own errors."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO

_STDERR = 2
# The streams belong to the whole process: two that turned them aside at once would put them back in the wrong order.
_TURNED_ASIDE = threading.Lock()


@contextmanager
def library_words() -> Iterator[list[str]]:
    """Turn Python's standard output and the native standard error aside; the list holds their lines at the end."""
    words: list[str] = []
    with _TURNED_ASIDE, tempfile.TemporaryFile() as said, redirect_stdout(StringIO()) as printed:
        sys.stderr.flush()
        saved = os.dup(_STDERR)
        try:
            os.dup2(said.fileno(), _STDERR)
            yield words
        finally:
            sys.stderr.flush()
            os.dup2(saved, _STDERR)
            os.close(saved)
            said.seek(0)
            words += said.read().decode(errors="replace").splitlines() + printed.getvalue().splitlines()
