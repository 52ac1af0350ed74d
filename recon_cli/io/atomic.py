"""Files that appear whole or not at all.

A writer works on a hidden sibling of its target, which is flushed to the disk and renamed over the target at the end; whatever goes wrong
before that leaves the target as it was.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from recon_cli.core.errors import InputError

PathText = str | os.PathLike[str]

_REASONS: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ("the disk is full", "free some space or write to another disk"),
    errno.EDQUOT: ("the disk quota is used up", "free some space or write to another disk"),
    errno.EFBIG: ("the file would pass the size limit of this process or file system", "raise it (`ulimit -f`) or write to another disk"),
    errno.EROFS: ("the file system is read-only", "write to another folder"),
    errno.EACCES: ("no permission to write here", "change the permissions or write to another folder"),
    errno.EPERM: ("no permission to write here", "change the permissions or write to another folder"),
    errno.ENAMETOOLONG: ("the name is too long for this file system", "choose a shorter name"),
    errno.EEXIST: ("a part of the path is a file, not a folder", "write to another folder"),
    errno.ENOTDIR: ("a part of the path is a file, not a folder", "write to another folder"),
    errno.EISDIR: ("is a folder, expected a file to write", "give a file name"),
    errno.ELOOP: ("the path is a loop of symbolic links", "write to another folder"),
    errno.EIO: ("the disk reports an input/output error", "check the disk or write to another one"),
    errno.ENOENT: ("the folder vanished while writing", "write to a folder that stays"),
}
# Only these say, wherever they are raised, that it was the output that failed.
OUTPUT_FAILURES = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})


def write_error(path: PathText, error: OSError) -> InputError:
    """The error to raise when writing ``path`` failed: what went wrong and what to try."""
    reason, hint = _REASONS.get(error.errno or 0, (error.strerror or str(error), "write to another folder"))
    return InputError(f"cannot be written: {reason}", path=path, hint=hint)


@contextmanager
def atomic_path(path: PathText) -> Iterator[Path]:
    """A temporary path with the suffix of ``path``; renamed to it when the block ends well, deleted when it does not.

    Missing parent folders are made. A symbolic link is followed, the mode of a file that is replaced is kept, and a pipe or device
    (``/dev/stdout``) receives the finished bytes instead of being replaced.

    Raises:
        InputError: the disk is full, or the place is not writable.
    """
    target = _target(path)
    if target.exists() and not target.is_file():
        with _device_path(target) as temporary:
            yield temporary
        return
    temporary = _create_sibling(path, target)
    try:
        with _told_as(path):
            yield temporary
        try:
            _finish(temporary, target)
        except OSError as error:
            raise write_error(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_bytes(path: PathText, data: bytes | bytearray | memoryview) -> None:
    """Write a whole file atomically.

    Raises:
        InputError: the disk is full, or the place is not writable.
    """
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write(data)


def check_output_folder(path: PathText) -> Path:
    """Make ``path`` and its parents and prove by writing that files can be made in it.

    Raises:
        InputError: a file is in the way, or the folder is not writable.
    """
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise InputError("is a file, expected a folder", path=path, hint="choose another output folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{secrets.token_hex(6)}"
        try:
            probe.write_bytes(b"\0")
        finally:
            probe.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        raise write_error(path, _as_os_error(error)) from error
    return folder


def _target(path: PathText) -> Path:
    try:
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    except (OSError, ValueError) as error:
        raise write_error(path, _as_os_error(error)) from error
    return target


def _as_os_error(error: OSError | ValueError) -> OSError:
    # pathlib answers a NUL character in a path with a ValueError.
    return error if isinstance(error, OSError) else OSError(errno.EINVAL, str(error))


def _create_sibling(path: PathText, target: Path) -> Path:
    # The name is short so that a target whose own name just fits does not fail; the target's length is proved by lstat.
    sibling = target.with_name(f".{secrets.token_hex(6)}{target.suffix[:8]}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            os.lstat(target)
        os.close(os.open(sibling, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except (OSError, ValueError) as error:
        raise write_error(path, _as_os_error(error)) from error
    return sibling


def _finish(temporary: Path, target: Path) -> None:
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())
    if target.exists():
        os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
    os.replace(temporary, target)
    # The rename itself is made durable too; file systems that cannot sync a folder say so and lose nothing else.
    with suppress(OSError):
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def _told_as(path: PathText) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in OUTPUT_FAILURES:
            raise write_error(path, error) from error
        raise


@contextmanager
def _device_path(target: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder) / f"output{target.suffix}"
        temporary.touch()
        with _told_as(target):
            yield temporary
            with open(temporary, "rb") as source, open(target, "wb") as sink:
                shutil.copyfileobj(source, sink)
