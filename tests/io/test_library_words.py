from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from recon_cli.io.library_words import library_words


def test_the_lines_are_caught_and_the_streams_come_back(capfd):
    sys.stderr.write("before\n")
    with library_words() as words:
        print("printed")
        os.write(2, b"native\n")
    os.write(2, b"after\n")
    print("result")
    assert words == ["native", "printed"]
    assert capfd.readouterr() == ("result\n", "before\nafter\n")


def test_an_error_passes_with_the_lines_known(capfd):
    caught: list[list[str]] = []

    def fail() -> None:
        with library_words() as words:
            caught.append(words)
            os.write(2, b"why\n")
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert caught == [["why"]]
    assert capfd.readouterr() == ("", "")


def test_threads_wait_for_each_other(capfd):
    def work(index: int) -> list[str]:
        with library_words() as words:
            os.write(2, f"{index}\n".encode())
        return words

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(50))) == [[str(index)] for index in range(50)]
    os.write(2, b"after\n")
    assert capfd.readouterr() == ("", "after\n")
