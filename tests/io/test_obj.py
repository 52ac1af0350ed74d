from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.io.images import write_image
from recon_cli.io.obj import read_obj_mesh, read_obj_points

S1 = Path(__file__).parents[2] / "../shared/data/phi_sft_s1"
MESHES = Path(__file__).parents[2] / "../shared/data/meshes"

CUBE = """# a cube of mixed faces
o cube
v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
v 0 0 1
v 1 0 1
v 1 1 1
v 0 1 1
vt 0 0
vt 1 0
vt 1 1
vt 0 1
f 1/1 4/4 3/3 2/2
f 5/1 6/2 7/3
f 5/1 7/3 8/4
f 1/1 2/2 6/3 5/4
f 2/1 3/2 7/3 6/4
f 3/1 4/2 8/3 7/4
f 4/1 1/2 5/3 8/4
"""


def read(folder: Path, text: str | bytes, **options: bool) -> Mesh:
    (folder / "a.obj").write_bytes(text.encode() if isinstance(text, str) else text)
    return read_obj_mesh(folder / "a.obj", **options)


def volume(mesh: Mesh) -> float:
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    return float((a * torch.linalg.cross(b, c)).sum() / 6)


def test_a_cube(tmp_path):
    mesh = read(tmp_path, CUBE)
    assert volume(mesh) == pytest.approx(1.0)
    assert mesh.vertices.dtype == torch.float64
    assert mesh.vertices.shape == (8, 3)
    assert mesh.faces.shape == (12, 3)
    assert mesh.uvs.shape == (4, 2)
    assert mesh.faces[:2].tolist() == [[0, 3, 2], [0, 2, 1]]
    assert mesh.face_uvs[:2].tolist() == [[0, 3, 2], [0, 2, 1]]


@pytest.mark.parametrize("change", ["crlf", "cr", "tabs", "comments", "continued", "blank"])
def test_the_same_cube_in_other_clothes(tmp_path, change):
    expected = read(tmp_path, CUBE)
    text = {
        "crlf": CUBE.replace("\n", "\r\n"),
        "cr": CUBE.replace("\n", "\r"),
        "tabs": CUBE.replace(" ", "\t  "),
        "comments": CUBE.replace("\n", " # of a line \\\n"),
        "continued": CUBE.replace("/1 ", "/1 \\\n  ").replace("v 1 ", "v \\\r\n1 "),
        "blank": "\n\n" + CUBE.replace("\n", "\n  \n") + "\ns off\ng side left\nl 1 2 3\np 1\nvp 0.5\n",
    }[change]
    mesh = read(tmp_path, text)
    for name in ("vertices", "faces", "uvs", "face_uvs"):
        assert torch.equal(getattr(mesh, name), getattr(expected, name))


def test_negative_indices_count_from_where_they_stand(tmp_path):
    text = "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nf -3/-3 -2/-2 -1/-1\nv 0 0 1\nvt 1 1\nf -1/-1 -3/2 2/-4\n"
    mesh = read(tmp_path, text)
    assert mesh.faces.tolist() == [[0, 1, 2], [3, 1, 1]]
    assert mesh.face_uvs.tolist() == [[0, 1, 2], [3, 1, 0]]


NORMALS = "vn 0 0 1\nvn 0 0 -1\nvn 1 0 0\n"
TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\n"


@pytest.mark.parametrize(
    ("face", "has_uvs", "normals"),
    [
        ("f 1 2 3", False, None),
        ("f 1/1 2/1 3/1", True, None),
        ("f 1//1 2//2 3//3", False, [[0, 0, 1], [0, 0, -1], [1, 0, 0]]),
        ("f 1/1/3 2/1/3 3/1/1", True, [[1, 0, 0], [1, 0, 0], [0, 0, 1]]),
        ("f 1/1/ 2/1/ 3/1/", True, None),
        ("f 1/ 2/ 3/", False, None),
        ("f 1//1 2//1 3//1\nf 3//2 2//1 1//1", False, None),
        ("f 1//1 2//1 3", False, None),
        ("fo 1/1 2/1 3/1", True, None),
    ],
)
def test_every_form_of_a_corner(tmp_path, face, has_uvs, normals):
    mesh = read(tmp_path, TRIANGLE + "vt 0.5\n" + NORMALS + face)
    assert mesh.faces[0].tolist() == [0, 1, 2]
    assert (mesh.uvs is not None) == has_uvs
    if has_uvs:
        assert mesh.uvs.tolist() == [[0.5, 0.0]]
    assert (mesh.normals.tolist() if mesh.normals is not None else None) == normals


def test_vertex_colours_and_weights(tmp_path):
    mesh = read(tmp_path, "v 0 0 0 1 0 0.5\nv 1 0 0 0 1 0.25 1\nv 0 1 0 0 0 0\nf 1 2 3")
    assert mesh.colors.tolist() == [[1, 0, 0.5], [0, 1, 0.25], [0, 0, 0]]
    assert read_obj_points(tmp_path / "a.obj").colors.tolist() == mesh.colors.tolist()
    assert read(tmp_path, "v 0 0 0 1.0\nv 1 0 0\nv 0 1 0\nf 1 2 3").colors is None


def test_seams_keep_their_own_coordinates(tmp_path):
    mesh = read(
        tmp_path, TRIANGLE + "v 1 1 0\nvt 0 0\nvt 0.5 0\nvt 0 1\nvt 0.6 0\nvt 1 1\nvt 0.6 1\nvt 0.9 0.9\nf 1/1 2/2 3/3\nf 2/4 4/5 3/6"
    )
    assert mesh.uvs.shape == (7, 2)  # the last is used by no face and kept
    assert mesh.face_uvs.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_concave_polygons_keep_their_area_and_their_uvs(tmp_path):
    corners = [(0, 0), (4, 0), (4, 3), (2, 1), (0, 3)]
    text = "".join(f"v {x} {y} 0\n" for x, y in corners) + "".join(f"vt {x / 4} {y / 4}\n" for x, y in corners)
    mesh = read(tmp_path, text + "f 1/1 2/2 3/3 4/4 5/5")
    assert torch.equal(mesh.uvs[mesh.face_uvs] * 4, mesh.vertices[mesh.faces][..., :2])
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    areas = torch.linalg.cross(b - a, c - a)[:, 2] / 2
    assert (areas > 0).all()
    assert float(areas.sum()) == pytest.approx(8.0)


@pytest.fixture
def textured(tmp_path):
    """A folder with a triangle, its library and its picture."""
    red = np.zeros((2, 3, 3), np.uint8)
    red[0, 0] = [255, 0, 51]
    (tmp_path / "the textures").mkdir()
    write_image(tmp_path / "the textures" / "red one.png", red)
    write_image(tmp_path / "blue.png", red[..., ::-1])
    (tmp_path / "a lib.mtl").write_text("newmtl red\nKd 1 1 1\nmap_Kd the textures/red one.png\nnewmtl plain\nKd 1 0 0\n")
    return tmp_path


TEXTURED = "mtllib a lib.mtl\n" + TRIANGLE + "vt 0 0\nvt 1 0\nvt 0 1\nusemtl red\nf 1/1 2/2 3/3\n"


def test_the_texture_comes_along(textured):
    mesh = read(textured, TEXTURED)
    assert mesh.texture.shape == (2, 3, 3)
    assert torch.equal(mesh.texture[0, 0], torch.tensor([255, 0, 51]).float() / 255)
    assert read(textured, TEXTURED.replace("usemtl red", "usemtl plain")).texture is None
    assert read(textured, TEXTURED.replace("usemtl red\n", "")).texture is None
    assert read(textured, TEXTURED + "usemtl plain\nf 3/3 2/2 1/1\n").texture is not None


def test_several_libraries(textured):
    (textured / "b.mtl").write_text("newmtl blue\nmap_Kd blue.png\n")
    (textured / "c.mtl").write_text("newmtl other\nmap_Kd none.png\n")
    text = TEXTURED.replace("mtllib a lib.mtl", "mtllib c.mtl b.mtl\nmtllib a lib.mtl").replace("usemtl red", "usemtl blue")
    assert read(textured, text).texture[0, 0, 2] == 1.0
    with pytest.raises(InputError, match=r"uses 2 textures .*'blue', 'red'.*expected one"):
        read(textured, text + "usemtl red\nf 3/3 2/2 1/1")


def test_missing_textures_and_libraries_are_named(textured):
    (textured / "the textures" / "red one.png").unlink()
    with pytest.raises(InputError, match=r"a lib\.mtl: material 'red' names the texture .*red one\.png.* does not exist") as caught:
        read(textured, TEXTURED)
    assert caught.value.path == str(textured / "a lib.mtl")
    assert read(textured, TEXTURED, geometry_only=True).uvs is None
    (textured / "the textures" / "red one.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"red one\.png: cannot be read as a picture"):
        read(textured, TEXTURED)
    with pytest.raises(InputError, match=r"a\.obj: usemtl names the material 'rde'"):
        read(textured, TEXTURED.replace("usemtl red", "usemtl rde"))
    (textured / "a lib.mtl").unlink()
    with pytest.raises(InputError, match=r"a\.obj: mtllib names .*a lib\.mtl.* does not exist"):
        read(textured, TEXTURED)


BAD = {
    "nan": (TRIANGLE.replace("v 1 0 0", "v 1 nan 0") + "f 1 2 3", "line 2 holds 'nan', expected a finite number"),
    "infinite uv": (TRIANGLE + "vt 0 1e999\nf 1/1 2/1 3/1", "line 4 holds '1e999', expected a finite number"),
    "word": (TRIANGLE.replace("v 1 0 0", "v 1 zero 0") + "f 1 2 3", "line 2 holds 'zero', expected a number"),
    "underscore": (TRIANGLE.replace("v 1 0 0", "v 1_0 0 0") + "f 1 2 3", "line 2 holds '1_0', expected a number"),
    "long": (TRIANGLE.replace("v 1 0 0", "v " + "1" * 80 + " 0 0") + "f 1 2 3", "line 2 holds '1111"),
    "short": (TRIANGLE.replace("v 1 0 0", "v 1 0") + "f 1 2 3", "line 2: v has 2 numbers, expected 3 or 4 or 6 or 7"),
    "long normal": (TRIANGLE + "vn 0 0 1 1\nf 1//1 2//1 3//1", "line 4: vn has 4 numbers, expected 3"),
    "colours": (TRIANGLE.replace("v 1 0 0", "v 1 0 0 1 1 1") + "f 1 2 3", "line 1: a vertex without colour"),
    "byte colours": (TRIANGLE.replace("0\n", "0 255 0 0\n") + "f 1 2 3", r"line 1: the colour \[255.0, 0.0, 0.0\], expected values in"),
    "zero": (TRIANGLE + "f 0 1 2", "line 4: the corner '0' points at number 0 of 3 vertices, which are counted from 1"),
    "range": (TRIANGLE + "f 1 2 4", "line 4: the corner '4' points at number 4 of 3 vertices"),
    "before": (TRIANGLE + "f 1 2 -4", "line 4: the corner '-4' points at number -4 of 3 vertices"),
    "uv range": (TRIANGLE + "vt 0 0\nf 1/1 2/1 3/2", "line 5: the corner '3/2' points at number 2 of 1 texture coordinates"),
    "fraction": (TRIANGLE + "f 1 2 3.5", "line 4: the corner '3.5' expected whole numbers"),
    "huge": (TRIANGLE + "f 1 2 99999999999999999999", "line 4: the corner '9+' expected whole numbers"),
    "empty": (TRIANGLE + "f 1 2 /3", "line 4: the corner '/3' lacks the index of a vertex"),
    "line": (TRIANGLE + "f 1 2 3\nf 1 2", "line 5: a face of 2 corners"),
    "mixed": (TRIANGLE + "vt 0 0\nf 1/1 2/1 3/1\nf 1 2 3", "line 6: a face without texture coordinates"),
    "continued": (TRIANGLE + "f 1 \\\n2 \\\n9\n", "line 4: the corner '9'"),
    "points": (TRIANGLE, "3 vertices and no faces"),
    "nothing": ("# nothing\n", "has no vertices"),
    "other": ("\x00\x01binary", "line 1: .* is no OBJ statement"),
    "numbers": ("1 2 3\n", "line 1: '1 2 3' is no OBJ statement"),
}


@pytest.mark.parametrize(("text", "words"), BAD.values(), ids=BAD)
def test_faults_are_named_with_their_line(tmp_path, text, words):
    with pytest.raises(InputError, match=words) as caught:
        read(tmp_path, text)
    assert caught.value.path == str(tmp_path / "a.obj")
    assert caught.value.hint


@settings(max_examples=200, deadline=None)
@given(
    edits=st.lists(
        st.tuples(st.integers(0, 1000), st.binary(min_size=1, max_size=3) | st.sampled_from([b"\\\n", b"/", b" -", b"\nf 1"])), max_size=5
    ),
    cut=st.none() | st.integers(0, 1000),
)
def test_damaged_files_raise_input_errors_or_read(tmp_path_factory, edits, cut):
    data = bytearray(("mtllib a.mtl\nusemtl m\n" + CUBE).encode())
    for place, value in edits:
        data[place % len(data) : place % len(data) + len(value)] = value
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "a.mtl").write_text("newmtl m\nKd 1 1 1\n")
    with suppress(InputError):
        read(folder, bytes(data if cut is None else data[: cut % len(data)]))


@pytest.mark.data
@pytest.mark.skipif(not S1.exists(), reason="needs the real sequence S1 in ../shared/data")
def test_a_real_template():
    mesh = read_obj_mesh(S1 / "template.obj")
    assert mesh.vertices.shape == (1024, 3)
    assert mesh.faces.shape == (2 * 961, 3)
    assert mesh.vertices[0].tolist() == [-0.713166, -0.153658, 1.274754]
    assert mesh.texture.shape == (1080, 1920, 3)
    assert mesh.face_uvs is not None


@pytest.mark.data
@pytest.mark.skipif(not MESHES.exists(), reason="needs the meshes in ../shared/data")
def test_real_meshes_enclose_a_volume():
    for name, vertices in (("spot_low_resolution", 829), ("koala_low_resolution", 3560), ("human_man", 6890)):
        mesh = read_obj_mesh(MESHES / f"{name}.obj", geometry_only=True)
        assert len(mesh.vertices) == vertices
        assert volume(mesh) > 0
        # Watertight: each directed edge has its opposite.
        edges = torch.cat([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
        assert {tuple(edge) for edge in edges.tolist()} == {tuple(edge) for edge in edges.flip(1).tolist()}


@pytest.mark.slow
def test_a_large_mesh_takes_seconds(tmp_path):
    vertices = "".join(f"v {k} {k % 7} 0.5\n" for k in range(200_000))
    faces = "".join(f"f {k} {k + 1} {k + 2}\n" for k in range(1, 199_000))
    start = time.process_time()
    assert read(tmp_path, vertices + faces).faces.shape == (198_999, 3)
    assert time.process_time() - start < 8  # 1 s on an idle core
