from __future__ import annotations

import copy
import json
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recon_cli.core.cameras import Cameras
from recon_cli.core.errors import InputError
from recon_cli.io.cameras import camera_schema, read_camera_file, read_cameras, write_cameras

BOX = torch.tensor([[-1 / 3, 0.0, -2.5], [1e-9, 7.0, -2.0]], dtype=torch.float64)
S1 = Path(__file__).parents[2] / "../shared/data/phi_sft_s1/camera.json"


def rotation(angle: float) -> torch.Tensor:
    axis = torch.tensor([[0.0, -0.3, 0.5], [0.3, 0.0, -0.8], [-0.5, 0.8, 0.0]], dtype=torch.float64)
    return torch.linalg.matrix_exp(angle * axis)


@pytest.fixture
def cameras() -> Cameras:
    pose = torch.eye(4, dtype=torch.float64).repeat(2, 1, 1)
    pose[0, :3, :3], pose[1, :3, :3] = rotation(0.7), rotation(-2.1)
    pose[:, :3, 3] = torch.tensor([[0.1, -1 / 3, 2.0], [1e-30, 5.0, math.pi]], dtype=torch.float64)
    K = torch.tensor([[[971.522, 0.25, 962.634], [0.0, 944.575, 555.278], [0.0, 0.0, 1.0]]], dtype=torch.float64)
    return Cameras(
        K.repeat(2, 1, 1) / torch.tensor([[[1.0], [1.0], [1.0]], [[3.0], [7.0], [1.0]]]), pose, torch.tensor([[1920, 1080], [9, 4]])
    )


@pytest.fixture
def document(tmp_path, cameras) -> dict:
    write_cameras(tmp_path / "cameras.json", cameras, bounds=BOX)
    return json.loads((tmp_path / "cameras.json").read_text())


def test_cameras_come_back_bit_for_bit(tmp_path, cameras):
    path = tmp_path / "cameras.json"
    write_cameras(path, cameras, images=["images/a b.png", None], masks=[None, Path("masks/1.png")], times=[0.0, 1 / 30], bounds=BOX)
    read = read_camera_file(path)
    for name in ("K", "camera_from_world", "size"):
        assert torch.equal(getattr(read.cameras, name), getattr(cameras, name))
    assert read.cameras.names == ("000000", "000001")
    assert read.images == (tmp_path / "images/a b.png", None)
    assert read.masks == (None, tmp_path / "masks/1.png")
    assert read.times == (0.0, 1 / 30)
    assert read.bounds is not None
    assert torch.equal(read.bounds, BOX)


def test_bounds_may_be_left_out(tmp_path, cameras):
    write_cameras(tmp_path / "cameras.json", cameras)
    assert read_camera_file(tmp_path / "cameras.json").bounds is None


def test_a_plain_record_has_pixel_centres_at_integers(tmp_path):
    (tmp_path / "camera.json").write_text('{"width": 640.0, "height": 480, "fx": 500, "fy": 510.5, "cx": 319.5, "cy": 239.5}')
    camera = read_cameras(tmp_path / "camera.json")
    # The ray through the middle of the picture meets pixel (319.5, 239.5) in the file's convention and (320, 240) in this project's.
    pixels, depth = camera.project(torch.tensor([[0.0, 0.0, 2.0]], dtype=torch.float64))
    assert pixels.tolist() == [[[320.0, 240.0]]]
    assert depth.tolist() == [[2.0]]
    assert (camera.width, camera.height) == (640, 480)


@pytest.mark.data
@pytest.mark.skipif(not S1.exists(), reason="needs the real sequence S1 in ../shared/data")
def test_the_camera_of_a_real_sequence():
    camera = read_cameras(S1)
    assert camera.K[0].tolist() == [[971.522, 0.0, 962.634], [0.0, 944.575, 555.278], [0.0, 0.0, 1.0]]
    assert camera.size.tolist() == [[1920, 1080]]


# Each entry: where, what is put there (None deletes), and what the message says.
FAULTS = [
    (("format",), "colmap", "format is 'colmap'"),
    (("format",), None, "lacks 'format'"),
    (("version",), 2, "version is 2, expected 1"),
    (("version",), True, "version is True"),
    (("cameras",), [], "at least one camera"),
    (("cameras",), {}, "at least one camera"),
    (("cameras", 1), 7, r"cameras\[1\] is 7, expected an object"),
    (("extra",), 1, "unknown key 'extra'"),
    (("cameras", 0, "witdh"), 1, "unknown key 'witdh'"),
    (("cameras", 0, "k1"), 0.1, "unknown key 'k1'"),
    (("cameras", 1, "K"), None, r"cameras\[1\] lacks 'K'"),
    (("cameras", 0, "name"), "a/b", r"cameras\[0\].name"),
    (("cameras", 0, "name"), "..", r"cameras\[0\].name"),
    (("cameras", 0, "name"), "", r"cameras\[0\].name"),
    (("cameras", 0, "name"), "n" * 201, r"cameras\[0\].name"),
    (("cameras", 0, "width"), 0, "whole number of pixels"),
    (("cameras", 0, "width"), 1.5, "whole number of pixels"),
    (("cameras", 0, "height"), "480", "whole number of pixels"),
    (("cameras", 0, "height"), True, "whole number of pixels"),
    (("cameras", 0, "height"), 10**7, "whole number of pixels"),
    (("cameras", 0, "K", 0, 0), 0, r"cameras\[0\].K\[0\]\[0\] is 0, expected a positive number"),
    (("cameras", 0, "K", 1, 1), -3.0, "positive"),
    (("cameras", 0, "K", 1, 0), 0.1, r"K\[1\]\[0\] is 0.1, expected 0"),
    (("cameras", 0, "K", 2, 2), 2, r"K\[2\]\[2\] is 2, expected 1"),
    (("cameras", 0, "K", 0, 2), "x", r"K\[0\]\[2\] is 'x', expected a finite number"),
    (("cameras", 0, "K", 0, 2), False, "finite number"),
    (("cameras", 0, "K", 2), [0, 0], "3 rows of 3 numbers"),
    (("cameras", 0, "camera_from_world", 3), [0, 0, 0.1, 1], r"camera_from_world\[3\]"),
    (("cameras", 0, "camera_from_world"), [[1, 0, 0, 0]] * 3, "4 rows of 4 numbers"),
    (("cameras", 0, "image"), "", "relative to this file"),
    (("cameras", 0, "mask"), 3, "relative to this file"),
    (("cameras", 0, "time"), "noon", "finite number"),
    (("bounds",), [[0, 0, 0]], r"bounds is .*expected \[\[x0, y0, z0\]"),
    (("bounds", 1), [1, 2], r"bounds is .*expected \[\[x0, y0, z0\]"),
    (("bounds", 1, 2), "far", r"bounds\[1\]\[2\] is 'far', expected a finite number"),
]
# What a schema cannot say.
BEYOND_THE_SCHEMA = [
    (("cameras", 0, "camera_from_world", 0), [1, 2, 3, 4], "no rotation"),
    (("cameras", 0, "camera_from_world"), [[-1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], "mirrors"),
    (("cameras", 0, "camera_from_world"), [[2, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]], "no rotation"),
    (("cameras", 0, "image"), "../a.png", r"cameras\[0\]\.image \(view 000000\) is '\.\./a.png', expected a path in this file's folder"),
    (("cameras", 0, "mask"), "/masks/a.png", r"cameras\[0\]\.mask \(view 000000\) is '/masks/a.png'"),
    (("cameras", 1, "name"), "000000", r"cameras\[0\] and cameras\[1\] are both named '000000'"),
    (("cameras", 0, "K", 0, 2), 10**400, "finite number"),
    (("cameras", 0, "K", 0, 0), 1e300, "positive number|finite number"),
    (("bounds", 1, 0), -0.5, r"bounds\[1\]\[0\] is -0.5, expected more than -0.33"),
]


def changed(document: dict, place: tuple, value: object) -> dict:
    document = copy.deepcopy(document)
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    if value is None:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return document


@pytest.mark.parametrize(("place", "value", "words"), FAULTS + BEYOND_THE_SCHEMA)
def test_every_fault_is_named(tmp_path, document, place, value, words):
    (tmp_path / "bad.json").write_text(json.dumps(changed(document, place, value)))
    with pytest.raises(InputError, match=words) as caught:
        read_cameras(tmp_path / "bad.json")
    assert caught.value.path == str(tmp_path / "bad.json")
    assert caught.value.hint


def test_the_published_schema_agrees_with_the_reader(document, tmp_path):
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(camera_schema())
    validator = jsonschema.Draft202012Validator(camera_schema())
    assert validator.is_valid(document)
    full = changed(changed(changed(document, ("cameras", 0, "image"), "a.png"), ("cameras", 0, "mask"), "b.png"), ("cameras", 0, "time"), 3)
    assert validator.is_valid(full)
    (tmp_path / "full.json").write_text(json.dumps(full))
    assert len(read_cameras(tmp_path / "full.json")) == 2
    for place, value, _ in FAULTS:
        assert not validator.is_valid(changed(document, place, value)), place
    for place, value, _ in BEYOND_THE_SCHEMA:
        assert validator.is_valid(changed(document, place, value)), place


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"width": 4, "height": 4, "fx": 1, "fy": 1, "cx": 0}', "lacks 'cy'"),
        ('{"width": 4, "height": 4, "fx": -1, "fy": 1, "cx": 0, "cy": 0}', "fx is -1"),
        ('{"width": 4, "height": 4, "fx": 1, "fy": 1, "cx": 0, "cy": 0, "k1": 0.1}', "unknown key 'k1'"),
        ("[]", "the document is \\[\\], expected an object"),
        ("{}", "lacks 'format'"),
        ("not json", "is not JSON"),
    ],
)
def test_plain_records_and_others_with_faults(tmp_path, text, words):
    (tmp_path / "camera.json").write_text(text)
    with pytest.raises(InputError, match=words):
        read_cameras(tmp_path / "camera.json")


def test_cameras_that_a_file_cannot_hold(tmp_path, cameras):
    scaled = Cameras(cameras.K, cameras.camera_from_world * 2, cameras.size)
    for bad, arguments, words in ((scaled, {}, "camera_from_world"), (cameras, {"images": ["a"]}, "2 cameras but 1 images")):
        with pytest.raises(InputError, match=words):
            write_cameras(tmp_path / "cameras.json", bad, **arguments)
    assert not (tmp_path / "cameras.json").exists()


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3), lambda x: st.lists(x, max_size=4), max_leaves=5
)
PLACES = [place for place, *_ in FAULTS]


@settings(max_examples=100, deadline=None)
@given(place=st.sampled_from(PLACES), value=JSON)
def test_any_value_anywhere_is_read_or_refused(tmp_path_factory, place, value):
    folder = tmp_path_factory.mktemp("fuzz")
    pose = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    camera = {"width": 4, "height": 3, "K": [[5, 0, 2], [0, 5, 1.5], [0, 0, 1]], "camera_from_world": pose}
    cameras = [{"name": "a", **camera}, {"name": "b", **camera}]
    base = {"format": "recon-cameras", "version": 1, "cameras": cameras, "bounds": [[0, 0, 0], [1, 1, 1]]}
    (folder / "a.json").write_text(json.dumps(changed({**base, "extra": 1} if place == ("extra",) else fill(base), place, value or 0)))
    try:
        read = read_cameras(folder / "a.json")
    except InputError as error:
        read = error
    assert isinstance(read, InputError) or bool(torch.isfinite(read.K).all())


def fill(document: dict) -> dict:
    """The document with copies of its own, so that one camera's lists are not the other's."""
    return json.loads(json.dumps(document))
