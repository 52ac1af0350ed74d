from __future__ import annotations

import io
import struct
import sys
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.core.points import PointSet
from recon_cli.io.ply import read_ply_mesh, read_ply_points, write_ply_mesh, write_ply_points

S1 = Path(__file__).parents[2] / "../shared/data/phi_sft_s1"
ENCODINGS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
CODES = {"char": "b", "uchar": "B", "short": "h", "ushort": "H", "int": "i", "uint": "I", "float": "f", "double": "d"}


def ply(encoding: str, elements: list[tuple[str, list[str], list[tuple]]], *, ending: str = "\n") -> bytes:
    """A PLY file written number by number: elements are (name, property lines, records); a list is a tuple in its record."""
    lines = ["ply", f"format {encoding} 1.0", "comment made for a test, end_header", "obj_info nothing"]
    body = b""
    for name, properties, records in elements:
        lines += [f"element {name} {len(records)}", *(f"property {line}" for line in properties)]
        for record in records:
            words = []
            for line, value in zip(properties, record):
                kinds = line.split()[1:-1] if line.startswith("list") else line.split()[:1]
                values = [len(value), *value] if line.startswith("list") else [value]
                codes = [CODES[kinds[0]]] + [CODES[kinds[-1]]] * (len(values) - 1)
                if encoding == "ascii":
                    words += [repr(v) for v in values]
                else:
                    body += struct.pack(ENCODINGS[encoding] + "".join(codes), *values)
            if encoding == "ascii":
                body += (" ".join(words) + ending).encode()
    return (ending.join([*lines, "end_header"]) + ending).encode() + body


SQUARE = [(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (1.0, 1.0, 0.0), (0.0, 1.0, 0.5)]
XYZ = ["float x", "float y", "float z"]


def same(a: Mesh | PointSet, b: Mesh | PointSet) -> None:
    """Every tensor the same, in type, shape and bits."""
    for field in fields(a):
        first, second = getattr(a, field.name), getattr(b, field.name)
        assert (first is None) == (second is None), field.name
        if first is not None:
            assert first.dtype == second.dtype, field.name
            assert first.numpy().tobytes() == second.numpy().tobytes(), field.name


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_unknown_elements_and_properties_are_skipped(tmp_path, encoding, ending):
    data = ply(
        encoding,
        [
            ("material", ["list uchar int things", "double shine", "list ushort float more"], [((1, 2, 3), 0.5, ()), ((), 1.5, (0.25,))]),
            (
                "vertex",
                ["float x", "list uchar short junk", "float y", "double quality", "float z"],
                [(*v[:1], (7,) * k, v[1], 9.0, v[2]) for k, v in enumerate(SQUARE)],
            ),
            ("edge", ["int a", "int b"], [(0, 1), (1, 2)]),
            (
                "face",
                ["uchar flags", "list uchar int vertex_indices", "list uchar double other"],
                [(1, (0, 1, 2, 3), ()), (2, (2, 1, 0), (1.0, 2.0))],
            ),
            ("after", ["list int int stuff"], [((1,),)]),
        ],
        ending=ending,
    )
    (tmp_path / "a.ply").write_bytes(data)
    mesh = read_ply_mesh(tmp_path / "a.ply")
    assert mesh.vertices.tolist() == [list(v) for v in SQUARE]
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3], [2, 1, 0]]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("count_type", ["char", "uchar", "short", "ushort", "int", "uint"])
@pytest.mark.parametrize("index_type", ["char", "uchar", "short", "ushort", "int", "uint"])
def test_faces_of_every_type(tmp_path, encoding, count_type, index_type):
    for faces in ([(0, 1, 2), (0, 2, 3)], [(0, 1, 2, 3)], [(0, 1, 2), (0, 1, 2, 3)]):
        data = ply(
            encoding, [("vertex", XYZ, SQUARE), ("face", [f"list {count_type} {index_type} vertex_index"], [(face,) for face in faces])]
        )
        (tmp_path / "a.ply").write_bytes(data)
        expected = [list(t) for face in faces for t in ([face] if len(face) == 3 else [face[:3], (face[0], *face[2:])])]
        assert read_ply_mesh(tmp_path / "a.ply").faces.tolist() == expected


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_known_properties(tmp_path, encoding):
    kinds = [
        "double x",
        "double y",
        "double z",
        "float nx",
        "float ny",
        "float nz",
        "uchar red",
        "uchar green",
        "uchar blue",
        "float u",
        "float v",
    ]
    records = [(*v, 0.0, 0.0, 1.0, 255, 51, 0, v[0], v[1]) for v in SQUARE]
    (tmp_path / "a.ply").write_bytes(
        ply(encoding, [("vertex", kinds, records), ("face", ["list uchar int vertex_indices"], [((0, 1, 2, 3),)])])
    )
    mesh = read_ply_mesh(tmp_path / "a.ply")
    assert mesh.vertices.dtype == torch.float64
    assert mesh.normals.tolist() == [[0.0, 0.0, 1.0]] * 4
    assert torch.equal(mesh.colors, torch.tensor([[1.0, 0.2, 0.0]] * 4))
    assert mesh.uvs.tolist() == [list(v[:2]) for v in SQUARE]
    assert torch.equal(mesh.face_uvs, mesh.faces)


def test_texture_coordinates_of_corners_follow_the_triangles(tmp_path):
    corners = (0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0)
    other = (0.5, 0.5, 1.0, 0.0, 0.25, 0.75)
    faces = [((0, 1, 2, 3), corners), ((0, 1, 2), other)]
    data = ply("ascii", [("vertex", XYZ, SQUARE), ("face", ["list uchar int vertex_indices", "list uchar float texcoord"], faces)])
    (tmp_path / "a.ply").write_bytes(data)
    mesh = read_ply_mesh(tmp_path / "a.ply")
    pairs = np.array(corners).reshape(4, 2)
    expected = [pairs[[0, 1, 2]], pairs[[0, 2, 3]], np.array(other).reshape(3, 2)]
    np.testing.assert_array_equal(mesh.uvs[mesh.face_uvs].numpy(), np.array(expected, np.float32))
    assert len(mesh.uvs) == 6  # (1, 0) is shared


def random_mesh(dtype: torch.dtype, seed: int = 0, *, seams: bool = False) -> Mesh:
    random = np.random.default_rng(seed)
    values = [torch.from_numpy(random.normal(size=(20, 3))).to(dtype) for _ in range(3)]
    faces = torch.from_numpy(random.integers(0, 20, (31, 3)))
    uvs = torch.from_numpy(np.unique(random.uniform(size=(40 if seams else 20, 2)), axis=0)).to(dtype)
    face_uvs = torch.from_numpy(np.r_[np.arange(40), random.integers(0, 40, 53)].reshape(31, 3)) if seams else faces
    return Mesh(values[0], faces, uvs=uvs, face_uvs=face_uvs, colors=values[1].abs().clamp(max=1), normals=values[2])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("seams", [True, False])
def test_a_mesh_comes_back_bit_for_bit(tmp_path, dtype, binary, seams):
    mesh = random_mesh(dtype, seams=seams)
    write_ply_mesh(tmp_path / "a.ply", mesh, binary=binary)
    same(read_ply_mesh(tmp_path / "a.ply"), mesh)
    cloud = PointSet(mesh.vertices, normals=mesh.normals, colors=mesh.colors)
    same(read_ply_points(tmp_path / "a.ply"), cloud)
    write_ply_points(tmp_path / "b.ply", cloud, binary=binary)
    same(read_ply_points(tmp_path / "b.ply"), cloud)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3), st.booleans(), st.booleans())
def test_any_finite_numbers_come_back(tmp_path_factory, numbers, single, binary):
    path = tmp_path_factory.mktemp("ply") / "a.ply"
    with np.errstate(over="ignore"):
        points = np.array([numbers]).astype(np.float32 if single else np.float64)
    if np.isfinite(points).all():
        write_ply_points(path, PointSet(torch.from_numpy(points)), binary=binary)
        assert read_ply_points(path).points.numpy().tobytes() == points.tobytes()


def test_byte_colours_stay_bytes(tmp_path):
    colors = torch.arange(256).repeat(3, 1).T.float() / 255
    cloud = PointSet(torch.zeros(256, 3), colors=colors)
    write_ply_points(tmp_path / "a.ply", cloud)
    assert b"property uchar red" in (tmp_path / "a.ply").read_bytes()
    same(read_ply_points(tmp_path / "a.ply"), cloud)


def test_the_standard_streams(monkeypatch):
    class Stream:
        def __init__(self, data: bytes = b"") -> None:
            self.buffer = io.BytesIO(data)

    mesh = random_mesh(torch.float64)
    monkeypatch.setattr(sys, "stdout", Stream())
    write_ply_mesh("-", mesh)
    monkeypatch.setattr(sys, "stdin", Stream(sys.stdout.buffer.getvalue()))
    same(read_ply_mesh("-"), mesh)


def test_the_format_as_other_programs_write_it(tmp_path):
    trimesh = pytest.importorskip("open3d")
    mesh = random_mesh(torch.float64)
    write_ply_mesh(tmp_path / "a.ply", mesh)
    other = trimesh.io.read_triangle_mesh(str(tmp_path / "a.ply"))
    np.testing.assert_array_equal(np.asarray(other.vertices), mesh.vertices.numpy())
    np.testing.assert_array_equal(np.asarray(other.triangles), mesh.faces.numpy())
    for text in (True, False):
        trimesh.io.write_triangle_mesh(str(tmp_path / "b.ply"), other, write_ascii=text)
        np.testing.assert_allclose(read_ply_mesh(tmp_path / "b.ply").vertices.numpy(), mesh.vertices.numpy(), rtol=1e-5)


@pytest.mark.data
@pytest.mark.skipif(not S1.exists(), reason="needs the real sequence S1 in ../shared/data")
def test_real_point_clouds():
    cloud = read_ply_points(S1 / "ground_truth/000.ply")
    assert cloud.points.shape == (34862, 3)
    assert cloud.points.dtype == torch.float32
    assert 0.5 < float(cloud.points[:, 2].mean()) < 2.5
    with pytest.raises(InputError, match="point cloud of 34862 points and no faces"):
        read_ply_mesh(S1 / "ground_truth/000.ply")


FACE = ("face", ["list uchar int vertex_indices"], [((0, 1, 2),)])
HEAD = b"ply\nformat ascii 1.0\nelement vertex 1\n"
BAD = {
    "no ply": (b"solid cube", "expected a PLY file"),
    "no end": (b"ply\nformat ascii 1.0\nelement vertex 3\n", "no end_header"),
    "one line": (b"ply format ascii", "on a line of its own"),
    "no format": (b"ply\nelement vertex 0\nend_header\n", "names no format"),
    "odd format": (b"ply\nformat text 1.0\nend_header\n", "line 2 of the PLY header is 'format text 1.0'"),
    "odd version": (b"ply\nformat ascii 2.0\nend_header\n", "version 1.0"),
    "odd word": (HEAD + b"propperty float x\nend_header\n", "line 4 .* expected format"),
    "odd type": (HEAD + b"property half x\nend_header\n", "property TYPE NAME"),
    "list of float length": (HEAD + b"property list float int a\nend_header\n", "whole-number type"),
    "early property": (b"ply\nformat ascii 1.0\nproperty float x\nend_header\n", "line 3"),
    "negative count": (b"ply\nformat ascii 1.0\nelement vertex -1\nend_header\n", "element NAME COUNT"),
    "element twice": (HEAD + b"element vertex 1\nend_header\n", "each element once"),
    "property twice": (HEAD + b"property float x\nproperty float x\nend_header\n", "once"),
    "no vertices": (ply("ascii", [("vertex", XYZ, [])]), "has no vertices"),
    "no positions": (ply("ascii", [("vertex", ["float x"], [(1.0,)])]), "properties x, y, z"),
    "points": (ply("ascii", [("vertex", XYZ, SQUARE), ("face", ["list uchar int vertex_indices"], [])]), "point cloud of 4 points"),
    "strips": (
        ply("ascii", [("vertex", XYZ, SQUARE), ("tristrips", ["list int int vertex_indices"], [((0, 1, 2),)])]),
        "tristrips are not read",
    ),
    "nan": (ply("ascii", [("vertex", XYZ, [*SQUARE[:2], (0.0, float("nan"), 0.0)]), FACE]), "vertex 2 has a NaN or infinite coordinate"),
    "infinite": (ply("binary_big_endian", [("vertex", XYZ, [*SQUARE[:2], (0.0, float("inf"), 0.0)]), FACE]), "vertex 2 has a NaN"),
    "overflow": (ply("ascii", [("vertex", XYZ, [(1e300, 0.0, 0.0), *SQUARE[:2]]), FACE]), "vertex 0 has a NaN or infinite"),
    "negative": (ply("ascii", [("vertex", XYZ, SQUARE), ("face", FACE[1], [((0, 1, 2),), ((0, 1, -1),)])]), "face 1 refers to vertex -1"),
    "range": (
        ply("binary_little_endian", [("vertex", XYZ, SQUARE), ("face", FACE[1], [((0, 1, 4),)])]),
        "vertex 4, but the vertices are 0 to 3",
    ),
    "unsigned": (
        ply("binary_little_endian", [("vertex", XYZ, SQUARE), ("face", ["list uchar uint vertex_index"], [((0, 1, 2**32 - 1),)])]),
        "vertex 4294967295",
    ),
    "line": (ply("ascii", [("vertex", XYZ, SQUARE), ("face", FACE[1], [((0, 1, 2),), ((0, 1),)])]), "face 1 has 2 corners"),
    "word": (ply("ascii", [("vertex", XYZ, SQUARE), FACE]).replace(b"0.5", b"half"), "line 15 holds 'half', expected a number"),
    "long word": (ply("ascii", [("vertex", XYZ, SQUARE), FACE]).replace(b"0.5", b"1" * 99), "expected a number"),
    "fraction": (ply("ascii", [("vertex", XYZ, SQUARE), ("face", FACE[1], [((0, 1, 1.5),)])]), "1.5, which is no int32"),
    "float index": (
        ply("binary_little_endian", [("vertex", XYZ, SQUARE), ("face", ["list uchar float vertex_index"], [((0.0, 1.0, 2.0),)])]),
        "floating",
    ),
    "negative length": (ply("ascii", [("vertex", XYZ, SQUARE), FACE]).replace(b"\n3 0 1 2", b"\n-3 0 1 2"), "list of length -3"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "words"), BAD.values(), ids=BAD)
def test_faults_are_named(tmp_path, data, words):
    (tmp_path / "a.ply").write_bytes(data)
    with pytest.raises(InputError, match=words) as caught:
        read_ply_mesh(tmp_path / "a.ply")
    assert caught.value.path == str(tmp_path / "a.ply")
    assert caught.value.hint


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("faces", [[(0, 1, 2)] * 9, [(0, 1, 2), (0, 1, 2, 3)] * 4])
def test_every_cut_is_noticed(tmp_path, encoding, faces):
    data = ply(encoding, [("vertex", XYZ, SQUARE), ("face", FACE[1], [(face,) for face in faces])])
    # The last number of a text file may lose digits unseen, so it stays whole or goes.
    for length in range(0, len(data) - 2):
        (tmp_path / "a.ply").write_bytes(data[:length])
        with pytest.raises(InputError):
            read_ply_mesh(tmp_path / "a.ply")
    (tmp_path / "a.ply").write_bytes(data[: len(data) - 3])
    with pytest.raises(InputError, match=r"announces \d records of face, but the (bytes|numbers) that follow hold at most \d"):
        read_ply_mesh(tmp_path / "a.ply")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("huge", [10**9, 2**31, 10**17])
def test_a_huge_count_in_a_tiny_file_takes_no_memory(tmp_path, encoding, huge):
    square = ply(encoding, [("vertex", XYZ, SQUARE), FACE])
    empty = b"ply\nformat " + encoding.encode() + b" 1.0\nelement nothing %d\nelement vertex 1\nend_header\n" % huge
    for data in (
        square.replace(b"element vertex 4", b"element vertex %d" % huge),
        square.replace(b"element face 1", b"element face %d" % huge),
        empty,
    ):
        (tmp_path / "a.ply").write_bytes(data)
        with pytest.raises(InputError, match=r"announces|properties x, y, z"):
            read_ply_mesh(tmp_path / "a.ply")


def test_a_huge_list_in_a_tiny_file_takes_no_memory(tmp_path):
    for order, encoding in ((">", "binary_big_endian"), ("<", "binary_little_endian")):
        head = ply(encoding, [("vertex", XYZ, SQUARE), ("face", ["list uint int vertex_indices"], [])]).replace(
            b"element face 0", b"element face 1"
        )
        (tmp_path / "a.ply").write_bytes(head + struct.pack(order + "I", 2**32 - 1) + b"\0" * 40)
        with pytest.raises(InputError, match="announces 1 records of face"):
            read_ply_mesh(tmp_path / "a.ply")
    (tmp_path / "a.ply").write_bytes(ply("ascii", [("vertex", XYZ, SQUARE), FACE]).replace(b"\n3 0 1", b"\n4000000000 0 1"))
    with pytest.raises(InputError, match="announces 1 records of face"):
        read_ply_mesh(tmp_path / "a.ply")


SEEDS = [
    ply(encoding, [("vertex", [*XYZ, "uchar red", "uchar green", "uchar blue"], [(*v, 1, 2, 3) for v in SQUARE]), ("face", FACE[1], faces)])
    for encoding in ENCODINGS
    for faces in ([((0, 1, 2),), ((0, 2, 3),)], [((0, 1, 2),), ((0, 1, 2, 3),)])
]


@settings(max_examples=300, deadline=None)
@given(
    seed=st.sampled_from(SEEDS),
    edits=st.lists(st.tuples(st.integers(0, 1000), st.binary(min_size=1, max_size=4)), max_size=4),
    cut=st.none() | st.integers(0, 1000),
)
def test_damaged_files_raise_input_errors_or_read(tmp_path_factory, seed, edits, cut):
    data = bytearray(seed)
    for place, value in edits:
        data[place % len(data) : place % len(data) + len(value)] = value
    path = tmp_path_factory.mktemp("fuzz") / "a.ply"
    path.write_bytes(data if cut is None else data[: cut % len(data)])
    for read in (read_ply_mesh, read_ply_points):
        with suppress(InputError):
            read(path)


@pytest.mark.slow
def test_a_million_vertices_are_quick(tmp_path):
    import time

    mesh = Mesh(torch.rand(1_000_000, 3), torch.randint(0, 1_000_000, (2_000_000, 3)))
    write_ply_mesh(tmp_path / "a.ply", mesh)
    start = time.process_time()
    read = read_ply_mesh(tmp_path / "a.ply")
    assert time.process_time() - start < 2.0  # 0.2 s on an idle core
    same(read, mesh)
