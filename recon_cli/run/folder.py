"""The folder of one run: what was asked for, what happened, what came out.

``recipe.yaml``, ``command.txt``, ``versions.json`` and ``run.json`` say how it was made; ``log.jsonl`` and ``metrics.jsonl`` what happened;
``out/`` holds the result and ``report.html`` shows it. ``DONE`` or ``FAILED`` appears when it ends; with neither, it can be resumed.
"""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import shutil
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal

from recon_cli.core.errors import InputError, ReconError, StoppedError
from recon_cli.io.atomic import write_bytes, write_error
from recon_cli.io.records import append_line, read_json, write_json
from recon_cli.run.versions import versions

FORMAT = "recon-run"
RECORD, COMMAND, LOCK, DONE, FAILED = "run.json", "command.txt", ".lock", "DONE", "FAILED"
OWN_NAMES = (
    DONE,
    FAILED,
    RECORD,
    "recipe.yaml",
    COMMAND,
    "versions.json",
    "log.jsonl",
    "metrics.jsonl",
    "report.html",
    "checkpoints",
    "out",
)
"""All that a run writes and may therefore remove; any other name in the folder belongs to somebody else."""

Plan = Literal["start", "resume", "replace"]


def plan_run(path: Path, *, overwrite: bool = False, resume: bool = True, fresh: bool = False, fingerprint: str = "") -> Plan:
    """What a run into ``path`` would do with what is there, without touching it.

    Args:
        path: the folder; it need not exist.
        overwrite: whether a finished run may be replaced, and other people's files written beside.
        resume: whether an unfinished run of the same fingerprint is gone on with.
        fresh: whether an unfinished run is thrown away.
        fingerprint: stands for recipe and inputs; runs of different ones are never mixed.

    Raises:
        InputError: the folder holds something that these switches do not allow to be replaced.
    """
    if str(path) == "-":
        raise InputError("a run cannot go to stdout; expected a folder", path=path, hint="choose another -o")
    if path.exists() and not path.is_dir():
        raise InputError("is a file; expected a folder, or a name that is free", path=path, hint="choose another -o")
    record = _record_of(path)
    if record is None:
        if _is_occupied(path) and not overwrite:
            raise InputError(
                "holds files but no run; expected an empty or new folder",
                path=path,
                hint="choose another -o, or --overwrite to write beside them",
            )
        return "start"
    if (path / DONE).exists():
        if not overwrite:
            raise InputError(f"holds a finished run{_of_command(path)}", path=path, hint="--overwrite to replace it, or choose another -o")
        return "replace"
    return _plan_unfinished(path, record, replace=overwrite or fresh, resume=resume and not fresh, fingerprint=fingerprint)


def _plan_unfinished(path: Path, record: Mapping[str, Any], *, replace: bool, resume: bool, fingerprint: str) -> Plan:
    same = bool(fingerprint) and record.get("fingerprint") == fingerprint
    if resume and same:
        return "resume"
    if replace or _has_failed_at_once(path):
        return "replace"
    whose = _of_command(path)
    seen = f"an unfinished run{whose}" if same else f"an unfinished run{whose} with another recipe or other inputs"
    hint = "--resume to go on with it, or --fresh to start over" if same else "--fresh to start over, or choose another -o"
    raise InputError(f"holds {seen}", path=path, hint=hint)


class RunFolder:
    """One run's folder, locked against other processes until it is closed.

    As a context manager it records how the run ended: an exception leaves ``FAILED``, except that a run that was stopped from outside stays
    unfinished. ``finish`` must be called for ``DONE``.

    Attributes:
        path: the folder.
        resumed: whether an unfinished run is being gone on with.
    """

    def __init__(self, path: Path, *, lock: IO[str], resumed: bool, fingerprint: str) -> None:
        self.path, self.resumed = path, resumed
        self._lock: IO[str] | None = lock
        self._start = time.monotonic()
        before = _record_of(path) or {}
        self._record: dict[str, Any] = {"format": FORMAT, "version": 1, "fingerprint": fingerprint, "status": "running", "started": _now()}
        if resumed:
            self._record |= {"started": before.get("started", _now()), "resumed": int(before.get("resumed", 0)) + 1}
        self._save_record()

    @classmethod
    def create(
        cls, path: str | Path, *, overwrite: bool = False, resume: bool = True, fresh: bool = False, fingerprint: str = ""
    ) -> RunFolder:
        """Make the folder, or take over the one that is there; see ``plan_run`` for the switches.

        Raises:
            InputError: it cannot be written, another process writes it, or it holds what may not be replaced.
        """
        path = Path(path)
        switches: dict[str, Any] = {"overwrite": overwrite, "resume": resume, "fresh": fresh, "fingerprint": fingerprint}
        if _record_of(path) is None:
            plan_run(path, **switches)  # before the lock, which is a file in somebody else's folder if this refuses
        lock = _locked(path)
        try:
            plan = plan_run(path, **switches)
            _remove(path, OWN_NAMES if plan == "replace" else (FAILED,) if plan == "resume" else ())
            folder = cls(path, lock=lock, resumed=plan == "resume", fingerprint=fingerprint)
            for inner in (folder.out, folder.checkpoints):
                inner.mkdir(exist_ok=True)
        except OSError as error:
            lock.close()
            raise write_error(path, error) from error
        except BaseException:
            lock.close()
            raise
        return folder

    @property
    def out(self) -> Path:
        """Where the results go."""
        return self.path / "out"

    @property
    def checkpoints(self) -> Path:
        """Where states to resume from go."""
        return self.path / "checkpoints"

    @property
    def report(self) -> Path:
        """The page that a person opens."""
        return self.path / "report.html"

    def write_header(self, recipe_text: str, command: Sequence[str] | str, seed: int, device: str) -> None:
        """Record what was asked for: the resolved recipe, the command line, versions, seed and device."""
        line = command if isinstance(command, str) else shlex.join(command)
        self._write_text("recipe.yaml", recipe_text)
        self._write_text(COMMAND, f"{line}\n")
        write_json(self.path / "versions.json", versions())
        self._record |= {"seed": seed, "device": str(device)}
        self._save_record()

    def log(self, record: Mapping[str, Any]) -> None:
        """Append to ``log.jsonl``, with the time."""
        append_line(self.path / "log.jsonl", {"time": _now(), **record})

    def metric(self, record: Mapping[str, Any]) -> None:
        """Append numbers to ``metrics.jsonl``."""
        append_line(self.path / "metrics.jsonl", dict(record))

    def finish(self) -> None:
        """Mark the run as done and let go of the folder."""
        self._end("done")
        self._write_text(DONE, f"{_now()}\n")
        self.close()

    def fail(self, error: BaseException) -> None:
        """Mark the run as failed with the error's text and let go of the folder; results written so far stay."""
        text = str(error) if isinstance(error, ReconError) else f"{type(error).__name__}: {error}"
        self._end("failed", error=text)
        self._write_text(FAILED, f"{text}\n")
        self.close()

    def close(self) -> None:
        """Let go of the folder without saying how the run ended."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._lock is None or error is None:
            self.close()
            return
        try:
            if isinstance(error, StoppedError | KeyboardInterrupt):
                self._end("stopped")
            else:
                self.fail(error)
        except (ReconError, OSError):
            pass  # the disk is full, say: the first error is the one to tell
        finally:
            self.close()

    def _end(self, status: str, **more: str) -> None:
        self._record |= {"status": status, "ended": _now(), "seconds": round(time.monotonic() - self._start, 3), **more}
        self._save_record()

    def _save_record(self) -> None:
        write_json(self.path / RECORD, self._record)

    def _write_text(self, name: str, text: str) -> None:
        write_bytes(self.path / name, text.encode())


def _record_of(path: Path) -> dict[str, Any] | None:
    """The folder's ``run.json``, or None where it is no run folder."""
    try:
        record = read_json(path / RECORD)
    except InputError:
        return None
    return record if isinstance(record, dict) and record.get("format") == FORMAT else None


def _of_command(path: Path) -> str:
    """Words for the command whose run a folder holds, such as " of recon npm train"; nothing where it does not say."""
    try:
        words = [word for word in shlex.split((path / COMMAND).read_text()) if not word.startswith("-")]
    except (OSError, ValueError):
        return ""
    named = " ".join(words[:3])
    return f" of {named}" if re.fullmatch(r"recon [a-z]+ [a-z-]+", named) else ""


def _has_failed_at_once(path: Path) -> bool:
    """Whether a run failed before it kept anything: its folder is free for what mends the error."""
    checkpoints = path / "checkpoints"
    return (path / FAILED).exists() and not (checkpoints.is_dir() and any(checkpoints.iterdir()))


def _is_occupied(path: Path) -> bool:
    return path.is_dir() and any(name != LOCK for name in os.listdir(path))


def _locked(path: Path) -> IO[str]:
    """Hold the folder's lock file; the system lets go of it when the process ends, however that happens."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = (path / LOCK).open("a")
    except OSError as error:
        raise write_error(path, error) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise InputError("another process is writing this run", path=path, hint="wait for it, or choose another -o") from error
    return lock


def _remove(path: Path, names: Sequence[str]) -> None:
    for name in names:
        inner = path / name
        if inner.is_dir() and not inner.is_symlink():
            shutil.rmtree(inner)
        else:
            inner.unlink(missing_ok=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
