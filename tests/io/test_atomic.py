from __future__ import annotations

import errno
import os
import resource
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from recon_cli.core.errors import InputError
from recon_cli.io import atomic
from recon_cli.io.atomic import atomic_path, check_output_folder, write_bytes


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_the_file_appears_only_at_the_end(tmp_path):
    target = tmp_path / "mesh.ply"
    with atomic_path(target) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".ply"
        temporary.write_bytes(b"whole")
        assert not target.exists()
    assert target.read_bytes() == b"whole"
    assert names(tmp_path) == ["mesh.ply"]


def fail_in_the_middle(path: Path, failure: type[BaseException]) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"half")
        raise failure


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, FileNotFoundError])
def test_nothing_remains_of_a_failure(tmp_path, failure):
    (tmp_path / "old.txt").write_bytes(b"old")
    for name in ("old.txt", "new.txt"):
        with pytest.raises(failure):
            fail_in_the_middle(tmp_path / name, failure)
    assert names(tmp_path) == ["old.txt"]
    assert (tmp_path / "old.txt").read_bytes() == b"old"


def test_parents_are_made_and_new_files_obey_the_umask(tmp_path):
    target = tmp_path / "a" / "b" / "c.txt"
    previous = os.umask(0o027)
    try:
        write_bytes(target, b"x")
    finally:
        os.umask(previous)
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_mode_of_a_replaced_file_and_symbolic_links_are_kept(tmp_path):
    target, link = tmp_path / "real.txt", tmp_path / "link.txt"
    target.write_bytes(b"old")
    target.chmod(0o604)
    link.symlink_to(target)
    write_bytes(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o604


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    pipe, received = tmp_path / "pipe.ply", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    write_bytes(pipe, b"through the pipe")
    reader.join(timeout=10)
    assert received == [b"through the pipe"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    write_bytes("/dev/null", b"gone")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.parametrize(("code", "words"), [(errno.ENOSPC, "full"), (errno.EDQUOT, "quota"), (errno.EIO, "disk reports")])
def test_failures_while_writing_name_the_file_and_a_way_out(tmp_path, code, words):
    with pytest.raises(InputError, match=words) as caught, atomic_path(tmp_path / "a.txt"):
        raise OSError(code, os.strerror(code))
    assert caught.value.path == str(tmp_path / "a.txt")
    assert caught.value.hint
    assert names(tmp_path) == []


def test_a_failing_fsync_leaves_nothing(tmp_path, monkeypatch):
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(InputError, match="disk is full"):
        write_bytes(tmp_path / "a.txt", b"x")
    assert names(tmp_path) == []


def test_the_size_limit_of_the_process(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(InputError, match="size limit"):
            write_bytes(tmp_path / "a.txt", b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert names(tmp_path) == []


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of 64 KiB, where this process may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("mounting a tmpfs needs more rights than this process has")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_fills(tiny_disk):
    write_bytes(tiny_disk / "small.bin", b"x" * 1000)
    with pytest.raises(InputError, match="disk is full") as caught:
        write_bytes(tiny_disk / "large.bin", os.urandom(200_000))
    assert "free some space" in caught.value.hint
    assert names(tiny_disk) == ["small.bin"]


def test_names_that_cannot_be(tmp_path):
    with pytest.raises(InputError, match="too long"):
        write_bytes(tmp_path / ("n" * 300), b"x")
    write_bytes(tmp_path / ("n" * 251 + ".ply"), b"x")
    with pytest.raises(InputError, match="is a folder"):
        write_bytes(tmp_path, b"x")
    with pytest.raises(InputError, match="cannot be written"):
        write_bytes(tmp_path / "a\0b", b"x")
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(InputError, match="part of the path is a file"):
        write_bytes(tmp_path / "file" / "below.txt", b"x")


def test_a_folder_without_permission(tmp_path, monkeypatch):
    def refuse(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(atomic.os, "open", refuse)
    with pytest.raises(InputError, match="no permission"):
        write_bytes(tmp_path / "a.txt", b"x")


def test_output_folders(tmp_path):
    folder = check_output_folder(tmp_path / "x" / "y")
    assert folder.is_dir()
    assert names(folder) == []
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(InputError, match="is a file, expected a folder"):
        check_output_folder(tmp_path / "file")
    with pytest.raises(InputError, match="cannot be written"):
        check_output_folder(tmp_path / "file" / "below")
    with pytest.raises(InputError, match="cannot be written"):
        check_output_folder("/proc/nowhere")
