"""The sample data are the bytes that they were when their figures were measured."""

from __future__ import annotations

import hashlib
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "sample_data"
SUMS = FOLDER / "SHA256SUMS"
LARGEST_BYTES = 2_000_000


def stated():
    return {name: sha for sha, name in (line.split("  ", 1) for line in SUMS.read_text().splitlines())}


def test_every_file_has_the_hash_of_the_list():
    found = {
        path.relative_to(FOLDER).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in FOLDER.rglob("*")
        if path.is_file() and path != SUMS
    }
    assert found == stated()


def test_the_list_is_what_sha256sum_reads():
    names = list(stated())
    assert names == sorted(names)
    assert len(names) > 10


def test_each_sample_is_small():
    for sample in FOLDER.iterdir():
        if sample.is_dir():
            assert sum(path.stat().st_size for path in sample.rglob("*") if path.is_file()) < LARGEST_BYTES
