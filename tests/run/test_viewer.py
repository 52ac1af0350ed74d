import base64

import numpy as np
import pytest

from recon_cli.run.viewer import MeshSequence, pack_sequence, split_seams

FACES = np.array([[0, 1, 2], [0, 2, 3]])


def sequence(frames: int = 5, **more) -> MeshSequence:
    positions = np.random.default_rng(0).normal(size=(frames, 4, 3))
    return MeshSequence(positions=positions, faces=FACES, eye=(0.0, 0.0, 0.0), up=(0.0, -1.0, 0.0), fps=25.0, **more)


def unpack(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype=kind)


def test_positions_come_back_to_a_step_of_the_box():
    shown = sequence()
    record = pack_sequence(shown, max_bytes=10**6)
    low, high = np.array(record["low"]), np.array(record["high"])
    back = low + unpack(record["positions"], "<u2").reshape(5, 4, 3) / 65535 * (high - low)
    assert np.abs(back - shown.positions).max() <= (high - low).max() / 65535
    assert unpack(record["triangles"], "<u4").reshape(-1, 3).tolist() == FACES.tolist()
    assert record["stride"] == 1


def test_a_seam_splits_a_vertex_and_keeps_every_corner():
    uvs = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.5, 0.5]])
    face_uvs = np.array([[0, 1, 2], [4, 2, 3]])
    shown = sequence(uvs=uvs, face_uvs=face_uvs, texture_jpeg=b"\xff\xd8\xff")
    vertex, triangles, drawn_uvs = split_seams(shown)
    assert len(vertex) == 5
    assert vertex[triangles].tolist() == FACES.tolist()
    assert np.array_equal(drawn_uvs[triangles], uvs[face_uvs])
    record = pack_sequence(shown, max_bytes=10**6)
    assert record["texture"].startswith("data:image/jpeg;base64,")
    assert record["vertices"] == 5


@pytest.mark.parametrize(("frames", "max_bytes", "stride"), [(10, 10 * 4 * 6, 1), (10, 10 * 4 * 6 - 1, 2), (100, 10 * 4 * 6, 10)])
def test_long_sequences_keep_every_nth_frame_within_the_limit(frames, max_bytes, stride):
    record = pack_sequence(sequence(frames), max_bytes=max_bytes)
    assert record["stride"] == stride
    assert len(base64.b64decode(record["positions"])) <= max_bytes
    assert record["frames"] == -(-frames // stride)


def test_values_are_scaled_to_their_own_top_and_still_values_do_not_divide_by_zero():
    values = np.linspace(0.0, 3.0, 20).reshape(5, 4)
    record = pack_sequence(sequence(values=values, values_label="force", values_unit="N"), max_bytes=10**6)
    levels = unpack(record["values"], "u1").reshape(5, 4)
    assert levels[0, 0] == 0
    assert levels[-1, -1] == 255
    assert (record["valuesLabel"], record["valuesUnit"], record["valuesTop"]) == ("force", "N", pytest.approx(3.0, rel=0.01))
    still = pack_sequence(sequence(values=np.zeros((5, 4)), values_label="force", values_unit="N"), max_bytes=10**6)
    assert not unpack(still["values"], "u1").any()


def test_colours_follow_the_vertices_they_belong_to():
    colors = np.array([[0.0, 0.5, 1.0], [1.0, 0.0, 0.0], [2.0, -1.0, 0.2], [0.0, 0.0, 0.0]])
    record = pack_sequence(sequence(1, colors=colors), max_bytes=10**6)
    assert unpack(record["colors"], "u1").reshape(4, 3).tolist() == [[0, 128, 255], [255, 0, 0], [255, 0, 51], [0, 0, 0]]
    uvs = np.zeros((5, 2))
    split = sequence(1, colors=colors, uvs=uvs, face_uvs=np.array([[0, 1, 2], [4, 2, 3]]))
    drawn = unpack(pack_sequence(split, max_bytes=10**6)["colors"], "u1").reshape(-1, 3)
    assert drawn[0].tolist() == drawn[1].tolist() == [0, 128, 255]
    assert len(drawn) == 5
