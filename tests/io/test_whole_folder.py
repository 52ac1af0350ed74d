"""A folder appears whole or not at all, and nothing foreign is ever deleted."""

from __future__ import annotations

import os

import pytest

from recon_cli.core.errors import InputError
from recon_cli.io.whole_folder import check_new_folder, whole_folder

PICTURES = ("[0-9]*.png",)


def _fill(path, *, overwrite=False, text="new"):
    with whole_folder(path, overwrite=overwrite, contents=PICTURES) as folder:
        (folder / "000000.png").write_text(text)
        assert not (path / "000000.png").exists() or (path / "000000.png").read_text() != text


def _fail_halfway(path):
    with whole_folder(path, overwrite=True, contents=PICTURES) as folder:
        (folder / "000001.png").write_text("half")
        raise ZeroDivisionError


def test_the_folder_appears_at_the_end(tmp_path):
    _fill(tmp_path / "deep" / "frames")
    assert (tmp_path / "deep" / "frames" / "000000.png").read_text() == "new"
    assert os.listdir(tmp_path / "deep") == ["frames"]


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "frames").mkdir()
    _fill(tmp_path / "frames")
    assert os.listdir(tmp_path / "frames") == ["000000.png"]


@pytest.mark.parametrize("before", [False, True])
def test_a_failure_leaves_everything_as_it_was(tmp_path, before):
    if before:
        _fill(tmp_path / "frames", text="old")
    with pytest.raises(ZeroDivisionError):
        _fail_halfway(tmp_path / "frames")
    assert os.listdir(tmp_path) == (["frames"] if before else [])
    if before:
        assert os.listdir(tmp_path / "frames") == ["000000.png"]


def test_a_full_folder_is_refused_and_replaced_only_when_asked(tmp_path):
    _fill(tmp_path / "frames", text="old")
    with pytest.raises(InputError, match=r"is not empty: 1 entries, first 000000\.png") as raised:
        _fill(tmp_path / "frames")
    assert "--overwrite" in (raised.value.hint or "")
    assert (tmp_path / "frames" / "000000.png").read_text() == "old"
    _fill(tmp_path / "frames", overwrite=True)
    assert (tmp_path / "frames" / "000000.png").read_text() == "new"
    assert os.listdir(tmp_path) == ["frames"]


def test_a_folder_with_foreign_files_is_never_deleted(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match=r"it holds thesis\.tex, and this command makes only"):
        _fill(tmp_path, overwrite=True)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "frames").write_text("")
    with pytest.raises(InputError, match="is a file, expected a folder"):
        check_new_folder(tmp_path / "frames", overwrite=True, contents=PICTURES)


def test_an_unwritable_place_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match="cannot be written"),
        whole_folder(tmp_path / "file" / "frames", overwrite=False, contents=PICTURES),
    ):
        pass
