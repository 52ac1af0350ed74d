"""Files of two sequences are paired by number, else by natural order."""

from __future__ import annotations

import pytest

from recon_cli.core.errors import InputError
from recon_cli.metrics.frame_names import frame_number, match_frames


def test_the_last_number_is_the_frame():
    assert frame_number("run2_000012.ply") == 12
    assert frame_number("mesh.ply") is None


def test_names_of_another_style_match_by_number():
    pairs = match_frames(["000001.ply", "000000.ply", "000010.ply"], ["000.obj", "001.obj", "010.obj"])
    assert pairs == [(0, "000000.ply", "000.obj"), (1, "000001.ply", "001.obj"), (10, "000010.ply", "010.obj")]


def test_names_without_numbers_match_by_order():
    assert match_frames(["a.ply", "b.ply"], ["000.ply", "001.ply"]) == [(0, "a.ply", "000.ply"), (1, "b.ply", "001.ply")]


def test_a_number_that_all_share_does_not_count():
    assert match_frames(["b_v2.ply", "a_v2.ply"], ["000.ply", "001.ply"])[0] == (0, "a_v2.ply", "000.ply")


def test_another_count_is_refused_with_both_counts():
    with pytest.raises(InputError, match=r"1 frame \(0.ply to 0.ply\), the reference 2 frames \(0.ply to 1.ply\)") as raised:
        match_frames(["0.ply"], ["0.ply", "1.ply"])
    assert "--frames" in (raised.value.hint or "")


def test_the_same_count_of_other_numbers_is_refused():
    with pytest.raises(InputError, match="same frames"):
        match_frames(["1.ply", "2.ply"], ["0.ply", "1.ply"])


def test_a_range_takes_the_frames_that_both_have():
    names = [f"{t:03d}.ply" for t in range(20)]
    assert [pair[0] for pair in match_frames(names[:12], names, frames=range(8, 11))] == [8, 9, 10]
    with pytest.raises(InputError, match=r"frame 12 \(3 of 5 asked for\) is missing from the prediction"):
        match_frames(names[:12], names, frames=range(10, 15))
    with pytest.raises(InputError, match="empty"):
        match_frames(names, names, frames=range(5, 5))


def test_an_empty_folder_is_refused():
    with pytest.raises(InputError, match="reference has no frames"):
        match_frames(["0.ply"], [])
