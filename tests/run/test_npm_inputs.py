from dataclasses import replace

import numpy as np
import pytest
import torch

from recon_cli.core.cameras import Cameras
from recon_cli.core.errors import InputError, UsageError
from recon_cli.io.cameras import write_cameras
from recon_cli.io.exr import write_depth
from recon_cli.io.importers.pfm import write_pfm
from recon_cli.run.npm_inputs import FitSources, load_frames
from tests.run.depth_sequences import as_cameras, figures, in_room, write_sequence
from tests.systems.npm.room import STATURE, Camera, Room, overlap


def load(folder, *, notes=None, **options):
    return load_frames(FitSources(folder, **options), STATURE, [].append if notes is None else notes.append)


@pytest.fixture(scope="module")
def bodies():
    return figures()


@pytest.fixture(scope="module")
def folder(bodies, tmp_path_factory):
    """Depth of the figure alone, as it was rendered."""
    return write_sequence(tmp_path_factory.mktemp("alone") / "scene", bodies)


def write_png(path, levels):
    from PIL import Image

    Image.fromarray(levels.astype(np.uint16)).save(path)


def test_depth_of_a_body_alone_passes_unchanged(folder, bodies):
    for place in (folder, folder / "depth"):
        frames = load(place)
        assert frames.names == ("000", "001", "002", "003")
        assert frames.empty == ()
        assert frames.up is None
        assert torch.allclose(frames.K, torch.from_numpy(Camera().K).float())
        for frame, body in enumerate(bodies):
            assert torch.equal(frames.depth(frame), torch.from_numpy(body.astype(np.float32)))
    rows, columns = np.nonzero(np.any(bodies, axis=0))
    assert frames.bounds.tolist() == [[columns.min(), rows.min()], [columns.max() + 1, rows.max() + 1]]


def test_a_room_is_left_out_and_its_floor_says_what_is_up(bodies, tmp_path):
    notes = []
    depths = in_room(bodies)
    frames = load(write_sequence(tmp_path / "scene", depths), notes=notes)
    for order in ((0, 1, 2, 3), (3, 1, 0, 2)):  # what a frame is does not depend on which were read before it
        found = {frame: frames.depth(frame).numpy() for frame in order}
        shares = [overlap(found[frame] > 0, (bodies[frame] > 0) & (depths[frame] > 0)) for frame in range(4)]
        assert min(shares) > 0.95
    assert np.array_equal(found[2][found[2] > 0], depths[2][found[2] > 0])
    assert frames.up is not None
    assert float(frames.up @ torch.from_numpy(Camera().camera_from_world)[:3, 1]) > 0.999
    assert any("above the floor" in note and "wall" in note for note in notes)
    assert any("the depths are the body's" in note for note in notes)


def test_masks_decide_and_the_floor_still_says_what_is_up(bodies, tmp_path):
    depths = in_room(bodies)
    masks = [(body > 0) & (np.arange(120) < 60) for body in bodies]  # half of the body
    for options in ({}, {"masks": tmp_path / "scene" / "masks"}):
        frames = load(write_sequence(tmp_path / "scene", depths, masks=masks), **options)
        assert frames.up is not None
        assert np.array_equal(frames.depth(1).numpy() > 0, masks[1] & (depths[1] > 0))


@pytest.mark.parametrize(("kind", "unit"), [("exr", None), ("pfm", None), ("mm.png", "mm"), ("5000.png", "5000"), ("mm.exr", "mm")])
def test_kinds_of_files_and_units_say_the_same(bodies, tmp_path, kind, unit):
    (tmp_path / "depth").mkdir()
    write_cameras(tmp_path / "camera.json", as_cameras(Camera()))
    factor = {"mm": 1000, "5000": 5000}.get(unit, 1)
    for number, body in enumerate(bodies):
        name, suffix = f"f{number + 9}", kind.rsplit(".")[-1]  # f9 comes before f10
        values = torch.from_numpy((body * factor).astype(np.float32))
        if suffix == "png":
            write_png(tmp_path / "depth" / f"{name}.png", np.rint(values.numpy()))
        else:
            {"exr": write_depth, "pfm": write_pfm}[suffix](tmp_path / "depth" / f"{name}.{suffix}", values)
    frames = load(tmp_path, unit=unit)
    assert frames.names == ("f9", "f10", "f11", "f12")
    assert np.abs(frames.depth(2).numpy() - bodies[2]).max() < 0.51 / 1000


def test_coloured_pictures_beside_the_maps_are_passed_over(folder, bodies, tmp_path):
    scene = write_sequence(tmp_path / "scene", bodies)
    write_png(scene / "depth" / "000.png", bodies[0] * 100)
    assert len(load(scene)) == 4


def test_values_that_are_no_depth_count_as_nothing_and_are_told(bodies, tmp_path):
    damaged = [body.copy() for body in bodies]
    for row, value in ((80, np.nan), (82, np.inf), (84, -1.0)):
        damaged[1][row, 55:60] = value
    notes = []
    frames = load(write_sequence(tmp_path / "scene", damaged), notes=notes)
    depth = frames.depth(1)
    assert bool(torch.isfinite(depth).all())
    assert int((torch.from_numpy(bodies[1]) > 0).sum()) - int((depth > 0).sum()) == 15
    assert any("1 of 4 depth maps have NaN" in note and "001" in note for note in notes)


@pytest.mark.parametrize("value", [np.nan, -1.0])
def test_a_map_without_any_valid_depth_is_an_empty_frame(bodies, tmp_path, value):
    notes = []
    frames = load(write_sequence(tmp_path / "scene", [*bodies[:2], np.full_like(bodies[0], value)]), notes=notes)
    assert frames.empty == (2,)
    assert any("1 of 3 depth maps have NaN" in note and "002" in note for note in notes)


def test_maps_without_any_valid_depth_at_all_are_refused(bodies, tmp_path):
    with pytest.raises(InputError, match="has no valid depth: every pixel of 2 maps is NaN, infinite, negative, endless or 0"):
        load(write_sequence(tmp_path / "scene", [np.full_like(bodies[0], np.nan)] * 2))


@pytest.mark.parametrize("nothing", [1e10, 3e38])
def test_what_renderers_write_for_nothing_is_nothing(bodies, tmp_path, nothing):
    notes = []
    frames = load(write_sequence(tmp_path / "scene", [np.where(body > 0, body, nothing) for body in bodies]), notes=notes)
    assert torch.equal(frames.depth(0), load(write_sequence(tmp_path / "plain", bodies)).depth(0))
    assert any("4 of 4 depth maps have" in note for note in notes)


def test_depth_of_nothing_in_the_right_unit_is_not_taken_for_another_unit(bodies, tmp_path):
    scene = write_sequence(tmp_path / "scene", [1000 * np.where(body > 0, body, 1000) for body in bodies])
    with pytest.raises(InputError, match=r"with --unit mm, but the model's bodies measure 1\.75$") as raised:
        load(scene, unit="mm")
    assert "write 0 where nothing is seen" in str(raised.value.hint)


def test_frames_of_two_kinds_are_refused(bodies, tmp_path):
    scene = write_sequence(tmp_path / "scene", bodies)
    folder = next(path for path in scene.rglob("*.exr")).parent
    (folder / "000.png").write_bytes(b"a coloured picture of a map")
    load(scene)
    (folder / "900.png").write_bytes(b"perhaps a frame")
    with pytest.raises(InputError, match=r"holds 4 \.exr files and 1 pictures of other names \(900\.png\)"):
        load(scene)


def test_a_frame_without_the_body_stays_as_an_empty_one(bodies, tmp_path):
    notes = []
    frames = load(write_sequence(tmp_path / "scene", [bodies[0], np.zeros_like(bodies[0]), bodies[2]]), notes=notes)
    assert len(frames) == 3
    assert frames.empty == (1,)
    assert not bool(frames.depth(1).any())
    assert any("1 of 3 frames show no body" in note and "001" in note for note in notes)


def test_all_frames_without_a_body_are_refused(bodies, tmp_path):
    nothing = [np.zeros_like(body) for body in bodies]
    with pytest.raises(InputError, match="shows no body in any of 4 frames"):
        load(write_sequence(tmp_path / "empty", nothing))
    with pytest.raises(InputError, match="masks and depth have nothing in common"):
        load(write_sequence(tmp_path / "masked", bodies, masks=[body == 0 for body in bodies]))
    with pytest.raises(InputError, match="shows no body"):
        load(write_sequence(tmp_path / "room", in_room(nothing, room=Room(box=None))))


def test_maps_of_different_sizes_are_refused(bodies, tmp_path):
    with pytest.raises(InputError, match=r"001\.exr: is 118x160 px, expected 120x160 px as 000\.exr"):
        load(write_sequence(tmp_path / "scene", [bodies[0], bodies[1][:, 1:-1]]))


@pytest.mark.parametrize("has_room", [False, True])
@pytest.mark.parametrize(("factor", "looks", "hint"), [(1000, "millimetres, not metres", "--unit mm"), (100, "centimetres", "--unit cm")])
def test_another_unit_is_detected_and_said(bodies, tmp_path, has_room, factor, looks, hint):
    depths = [factor * depth for depth in (in_room(bodies) if has_room else bodies)]
    scene = write_sequence(tmp_path / "scene", depths)
    with pytest.raises(InputError, match=rf"model's bodies measure 1\.75: the depths look like {looks}") as raised:
        load(scene)
    assert raised.value.hint is not None
    assert hint in raised.value.hint
    frames = load(scene, unit=hint.split()[1])
    assert float(frames.depth(0).max()) == pytest.approx(float((bodies[0]).max()), rel=0.05)


@pytest.mark.parametrize("factor", [8.0, 0.1])
def test_a_body_of_another_size_is_refused_unless_the_scale_is_unknown(bodies, tmp_path, factor):
    scene = write_sequence(tmp_path / "scene", [factor * body for body in bodies])
    with pytest.raises(InputError, match=r"longest side is about \S+, but the model's bodies measure 1\.75$") as raised:
        load(scene)
    assert "--scale unknown" in str(raised.value.hint)
    assert float(load(scene, is_scale_known=False).depth(0).max()) == pytest.approx(factor * bodies[0].max())


def test_a_room_is_left_out_whatever_its_scale(bodies, tmp_path):
    depths = [7.0 * depth for depth in in_room(bodies)]
    frames = load(write_sequence(tmp_path / "scene", depths), is_scale_known=False)
    assert overlap(frames.depth(1).numpy() > 0, (bodies[1] > 0) & (depths[1] > 0)) > 0.95


def test_levels_of_pictures_need_a_unit(bodies, tmp_path):
    write_cameras(tmp_path / "camera.json", as_cameras(Camera()))
    write_png(tmp_path / "0.png", bodies[0] * 1000)
    with pytest.raises(InputError, match="levels have no unit of their own; expected --unit"):
        load(tmp_path)
    from PIL import Image

    Image.fromarray((bodies[0] * 50).astype(np.uint8)).save(tmp_path / "0.png")
    for unit in (None, "mm"):
        with pytest.raises(InputError, match=r"0\.png: has 1 channel of 8 bits, expected one of 16: 8 bits cannot be depth"):
            load(tmp_path, unit=unit)
    with pytest.raises(UsageError, match="--unit inch: expected m, cm, mm"):
        load(tmp_path, unit="inch")


def test_a_camera_of_another_size_is_scaled_and_of_another_aspect_refused(folder, tmp_path):
    camera = as_cameras(Camera())
    write_cameras(tmp_path / "large.json", camera.resized(480, 640))
    assert torch.allclose(load(folder, camera=tmp_path / "large.json").K, torch.from_numpy(Camera().K).float())
    write_cameras(tmp_path / "wide.json", replace(camera, size=torch.tensor([[160, 120]])))
    with pytest.raises(InputError, match=r"camera is 160x120 px but the depth maps in .* are 120x160 px"):
        load(folder, camera=tmp_path / "wide.json")


def test_no_camera_is_said(bodies, tmp_path):
    scene = write_sequence(tmp_path / "scene", bodies)
    (scene / "cameras.json").unlink()
    with pytest.raises(InputError, match="has no camera") as raised:
        load(scene)
    assert "--camera" in str(raised.value.hint)


def test_equal_cameras_are_one_and_a_moving_one_is_refused(bodies, tmp_path):
    one = as_cameras(Camera())
    three = Cameras.joined([replace(one, names=(name,)) for name in "abc"])
    assert len(load(write_sequence(tmp_path / "still", bodies, camera=three))) == 4
    poses = three.camera_from_world.clone()
    poses[2, 0, 3] += 0.01
    with pytest.raises(InputError, match=r"holds 3 cameras that differ .c has another camera_from_world than a.*one still camera"):
        load(write_sequence(tmp_path / "moving", bodies, camera=replace(three, camera_from_world=poses)))


def test_folders_that_hold_no_sequence_are_refused(folder, bodies, tmp_path):
    with pytest.raises(InputError, match="does not exist; expected a folder of depth maps"):
        load(tmp_path / "none")
    with pytest.raises(InputError, match="holds no depth map"):
        load(tmp_path)
    scene = write_sequence(tmp_path / "scene", bodies, masks=[body > 0 for body in bodies])
    (scene / "masks" / "002.png").unlink()
    with pytest.raises(InputError, match="masks of 3 of 4 depth maps; there is none for 002"):
        load(scene)
    write_sequence(tmp_path / "small", bodies, masks=[body[::2, ::2] > 0 for body in bodies])
    with pytest.raises(InputError, match=r"000\.png: is 60x80 px, the depth map 120x160 px"):
        load(tmp_path / "small")
    write_pfm(folder.parent / "twice.pfm", torch.ones(4, 4))
    write_depth(folder.parent / "twice.exr", torch.ones(4, 4))
    with pytest.raises(InputError, match=r"both twice\.exr and twice\.pfm"):
        load(folder.parent)


def test_the_direction_given_comes_first(bodies, tmp_path):
    scene = write_sequence(tmp_path / "scene", in_room(bodies))
    up = load(scene, up="camera").up
    assert up is not None
    assert up.tolist() == [0.0, -1.0, 0.0]
    assert {path.name for path in FitSources(scene).paths()} == {"depth", "cameras.json"}
