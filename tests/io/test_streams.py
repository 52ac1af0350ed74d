from __future__ import annotations

import io
import os
import sys
import threading

import pytest

from recon_cli.core.errors import InputError
from recon_cli.io.streams import deliver_bytes, existing_file, read_bytes


class Stream:
    def __init__(self, data: bytes = b"") -> None:
        self.buffer = io.BytesIO(data)


def test_the_dash_is_the_standard_streams(monkeypatch):
    monkeypatch.setattr(sys, "stdin", Stream(b"input"))
    monkeypatch.setattr(sys, "stdout", Stream())
    assert read_bytes("-", expected="bytes") == b"input"
    deliver_bytes("-", b"output")
    assert sys.stdout.buffer.getvalue() == b"output"
    with pytest.raises(InputError, match="standard input is empty, expected a mesh"):
        read_bytes("-", expected="a mesh")


def test_files_that_are_not_there(tmp_path):
    (tmp_path / "template.obj").write_bytes(b"v")
    with pytest.raises(InputError, match="does not exist, expected an OBJ file") as caught:
        existing_file(tmp_path / "tempalte.obj", expected="an OBJ file")
    assert "template.obj" in caught.value.hint
    with pytest.raises(InputError, match="does not exist"):
        existing_file(tmp_path / "no" / "folder", expected="a file")
    with pytest.raises(InputError, match="is a folder"):
        existing_file(tmp_path, expected="a file")
    with pytest.raises(InputError, match="cannot be read"):
        existing_file(tmp_path / "a\0b", expected="a file")
    (tmp_path / "empty").touch()
    with pytest.raises(InputError, match="is empty"):
        read_bytes(tmp_path / "empty", expected="a file")


def test_bytes_come_back(tmp_path):
    deliver_bytes(tmp_path / "a", b"\0\1\2")
    assert read_bytes(tmp_path / "a", expected="bytes") == b"\0\1\2"


def test_a_pipe_loses_no_byte(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(b"all of it"))
    writer.start()
    assert read_bytes(pipe, expected="bytes") == b"all of it"
    writer.join(timeout=10)
