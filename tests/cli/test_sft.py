"""`recon sft` through its own front door: what it writes, what it prints, and every way that inputs can be wrong."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from recon_cli.cli.app import run
from recon_cli.io.cameras import read_cameras, write_cameras
from recon_cli.io.exr import read_depth
from recon_cli.io.images import read_image, write_image
from recon_cli.io.meshes import read_mesh
from recon_cli.io.records import read_json
from recon_cli.io.video import open_video
from recon_cli.run.checkpoints import Checkpoints
from recon_cli.run.hooks import RunHooks
from recon_cli.systems.sft.tracker import Tracker


@pytest.fixture(scope="module")
def finished(cloth_scene, tmp_path_factory) -> Path:
    """A finished fit of the tiny clip, with OBJ files."""
    out = tmp_path_factory.mktemp("finished") / "run"
    assert run([*cloth_scene.fit_arguments(out), "--obj", "-q"]) == 0
    return out


def said(capsys) -> tuple[str, str]:
    """What was printed to stdout and to stderr, lines unwrapped."""
    printed = capsys.readouterr()
    return printed.out, printed.err


def copied(scene, folder: Path):
    """The scene again, to be damaged."""
    shutil.copytree(scene.folder, folder, dirs_exist_ok=True)
    names = {name: folder / getattr(scene, name).name for name in ("video", "masks", "template", "camera")}
    return replace(scene, folder=folder, **names)


def test_fit_writes_everything_and_recovers_the_cloth(finished, cloth_scene):
    out = finished / "out"
    count = len(cloth_scene.positions)
    numbers = [f"{t:06d}" for t in range(count)]
    assert {path.name for path in (out / "meshes").iterdir()} >= {f"{n}.{kind}" for n in numbers for kind in ("ply", "obj")}
    assert {path.name for path in (out / "depth").iterdir()} == {f"{n}.{kind}" for n in numbers for kind in ("exr", "png")}
    for name in ("params.json", "forces.safetensors", "overlay.mp4", "curves.png", "template.obj", "camera.json"):
        assert (out / name).stat().st_size > 0, name
    assert (finished / "DONE").exists()
    assert (finished / "report.html").stat().st_size > 10_000
    meshes = [read_mesh(out / "meshes" / f"{n}.ply") for n in numbers]
    error = torch.stack([mesh.vertices.double() for mesh in meshes]) - cloth_scene.positions
    assert float(error.norm(dim=-1).mean()) < 0.02 * 0.36
    assert all(torch.equal(mesh.faces, meshes[0].faces) for mesh in meshes)


def test_depth_is_where_the_surface_is(finished):
    depth = read_depth(finished / "out" / "depth" / "000003.exr")
    assert tuple(depth.shape) == (160, 200)
    seen = depth[depth > 0]
    vertices = read_mesh(finished / "out" / "meshes" / "000003.ply").vertices
    assert len(seen) > 4000
    assert float(vertices[:, 2].min()) - 1e-6 <= float(seen.min())
    assert float(seen.max()) <= float(vertices[:, 2].max()) + 1e-6
    picture = read_image(finished / "out" / "depth" / "000003.png")
    assert picture.shape[0] == 160
    assert picture.shape[1] > 200


def test_film_shows_every_frame_and_the_obj_shares_one_texture(finished, cloth_scene):
    assert len(open_video(finished / "out" / "overlay.mp4")) == len(cloth_scene.positions)
    mesh = read_mesh(finished / "out" / "meshes" / "000002.obj")
    assert mesh.uvs is not None
    assert mesh.texture is not None
    assert len(list((finished / "out").rglob("*.png"))) == 1 + 1 + len(cloth_scene.positions)  # texture, curves, depth


def test_parameters_have_units_and_forces_by_frame(finished, cloth_scene):
    record = read_json(finished / "out" / "params.json")
    assert record["density"]["unit"] == "kg/m^2"
    assert record["fps"]["value"] == 25.0
    assert [entry["frame"] for entry in record["forces"]["frames"]] == list(range(1, len(cloth_scene.positions)))


def test_fit_prints_the_folder_and_says_where_the_report_is(cloth_scene, tmp_path, capsys):
    assert run([*cloth_scene.fit_arguments(tmp_path / "run"), "--no-depth", "--stop", "2"]) == 0
    out, err = said(capsys)
    assert out == f"{tmp_path / 'run'}\n"
    assert err.rstrip().splitlines()[-1] == f"report: {tmp_path / 'run' / 'report.html'}"
    assert not (tmp_path / "run" / "out" / "depth").exists()


def test_json_record_and_quiet(cloth_scene, tmp_path, capsys):
    assert run([*cloth_scene.fit_arguments(tmp_path / "run"), "--no-depth", "--stop", "2", "--json", "-q"]) == 0
    out, err = said(capsys)
    record = json.loads(out)
    assert record["run"] == str(tmp_path / "run")
    assert record["frames"] == 2
    assert record["overlap"] > 0.9
    assert err == ""


def test_dry_run_says_what_it_would_do_and_writes_nothing(cloth_scene, tmp_path, capsys):
    assert run([*cloth_scene.fit_arguments(tmp_path / "run"), "--dry-run", "--json"]) == 0
    plan = json.loads(said(capsys)[0])
    assert (plan["plan"], plan["frames"], plan["size"], plan["vertices"]) == ("start", 4, [200, 160], 81)
    assert plan["memory_mb"] > 100
    assert not (tmp_path / "run").exists()


def test_print_recipe_is_a_recipe(tmp_path, capsys):
    assert run(["sft", "fit", "--print-recipe", "--set", "tracking.iterations=7"]) == 0
    (tmp_path / "mine.yaml").write_text(said(capsys)[0])
    assert run(["sft", "fit", "--print-recipe", "--recipe", str(tmp_path / "mine.yaml")]) == 0
    assert "iterations: 7" in said(capsys)[0]


def test_two_fits_are_the_same_bytes(finished, cloth_scene, tmp_path):
    assert run([*cloth_scene.fit_arguments(tmp_path / "run"), "--obj", "-q"]) == 0
    assert same_results(finished, tmp_path / "run")


def same_results(first: Path, second: Path) -> list[str]:
    """Names of the compared files in out/, after checking that they are equal."""
    names = sorted(str(path.relative_to(first / "out")) for path in (first / "out").rglob("*") if path.is_file())
    assert names == sorted(str(path.relative_to(second / "out")) for path in (second / "out").rglob("*") if path.is_file())
    for name in names:
        assert (first / "out" / name).read_bytes() == (second / "out" / name).read_bytes(), name
    return names


def test_a_stopped_run_goes_on_to_the_same_bytes(finished, cloth_scene, tmp_path, monkeypatch, capsys):
    arguments = [*cloth_scene.fit_arguments(tmp_path / "run"), "--obj"]
    progress = RunHooks.progress

    def stop_at_two(self, done, total, **numbers):
        progress(self, done, total, **numbers)
        if done == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(RunHooks, "progress", stop_at_two)
    assert run(arguments) == 75
    assert "--resume" in said(capsys)[1]
    assert not (tmp_path / "run" / "DONE").exists()
    monkeypatch.undo()
    solved = []
    solve = Tracker.solve_frame
    monkeypatch.setattr(Tracker, "solve_frame", lambda self, *args: solved.append(1) or solve(self, *args))
    assert run(arguments) == 0
    assert len(solved) == 2
    assert same_results(finished, tmp_path / "run")


def test_divergence_is_exit_4_and_keeps_the_last_good_state(cloth_scene, tmp_path, monkeypatch, capsys):
    solve = Tracker.solve_frame
    calls = []

    def explode(self, *args):
        positions, *rest = solve(self, *args)
        calls.append(1)
        return (positions if len(calls) < 2 else positions * np.nan, *rest)

    monkeypatch.setattr(Tracker, "solve_frame", explode)
    assert run([*cloth_scene.fit_arguments(tmp_path / "run"), "-q"]) == 4
    assert "diverged" in said(capsys)[1]
    assert "diverged" in (tmp_path / "run" / "FAILED").read_text()
    state = Checkpoints(tmp_path / "run" / "checkpoints").latest()
    assert state is not None
    assert bool(torch.isfinite(state[0]["positions"]).all())
    assert len(state[0]["positions"]) == 2


def test_a_full_disk_is_exit_3_and_leaves_no_half_file(cloth_scene, tmp_path, monkeypatch, capsys):
    replace_file = os.replace

    def full(source, target, **more):
        if str(target).endswith("000002.ply"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace_file(source, target, **more)

    monkeypatch.setattr(os, "replace", full)
    assert run([*cloth_scene.fit_arguments(tmp_path / "run"), "-q"]) == 3
    err = said(capsys)[1]
    assert "the disk is full" in err
    assert "000002.ply" in err
    assert (tmp_path / "run" / "FAILED").exists()
    meshes = [path.name for path in (tmp_path / "run" / "out" / "meshes").iterdir()]
    assert "000002.ply" not in meshes
    assert not [name for name in meshes if name.startswith(".")]


def test_masks_from_a_plain_background_and_a_field_of_view_stand_in(cloth_scene, tmp_path, capsys):
    inputs = ["--video", cloth_scene.video, "--template", cloth_scene.template, "--fov", 2 * np.degrees(np.arctan(100 / 230)), "--fps", 25]
    arguments = ["sft", "fit", *map(str, inputs), "-o", str(tmp_path / "run"), "--json", "-q", "--no-depth", "--stop", "3"]
    assert run(arguments) == 0
    assert json.loads(said(capsys)[0])["overlap"] > 0.9


def test_max_size_shrinks_frames_masks_and_camera_together(cloth_scene, tmp_path, capsys):
    assert run([*cloth_scene.fit_arguments(tmp_path / "run"), "--max-size", "150", "--stop", "2", "--json", "-q"]) == 0
    assert json.loads(said(capsys)[0])["overlap"] > 0.9
    assert read_cameras(tmp_path / "run" / "out" / "camera.json").width == 150
    assert tuple(read_depth(tmp_path / "run" / "out" / "depth" / "000001.exr").shape) == (120, 150)


def edit(path: Path, pattern: str, text: str, count: int = 1) -> None:
    changed, times = re.subn(pattern, text, path.read_text(), count=count, flags=re.MULTILINE)
    assert times
    path.write_text(changed)


def missing_video(scene):
    shutil.rmtree(scene.video)


def empty_video(scene):
    for path in scene.video.iterdir():
        path.unlink()


def empty_film(scene):
    shutil.rmtree(scene.video)
    scene.video.write_bytes(b"")


def one_frame(scene):
    for path in sorted(scene.video.iterdir())[1:]:
        path.unlink()


def missing_mask(scene):
    sorted(scene.masks.iterdir())[-1].unlink()


def small_masks(scene):
    for path in scene.masks.iterdir():
        write_image(path, np.full((80, 100), 255, dtype=np.uint8))


def empty_mask(scene):
    write_image(scene.masks / "000.png", np.zeros((160, 200), dtype=np.uint8))


def other_camera(scene):
    edit(scene.camera, r'"width": 200', '"width": 400')


def two_cameras(scene):
    camera = read_cameras(scene.camera)
    doubled = replace(
        camera,
        K=camera.K.repeat(2, 1, 1),
        camera_from_world=camera.camera_from_world.repeat(2, 1, 1),
        size=camera.size.repeat(2, 1),
        names=(),
    )
    write_cameras(scene.camera, doubled)


def nan_vertex(scene):
    edit(scene.template, r"^v \S+", "v nan")


def third_face_on_an_edge(scene):
    with scene.template.open("a") as file:
        file.write("v 0 0 1.5\nf 11/11 20/20 82/20\n")


def flipped_face(scene):
    edit(scene.template, r"^f (\S+) (\S+) (\S+)", r"f \1 \3 \2")


def missing_texture(scene):
    (scene.folder / "texture.png").unlink()


def behind_the_camera(scene):
    edit(scene.template, r"^(v \S+ \S+) (\S+)", r"\1 -\2", count=0)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (missing_video, ["frames", "does not exist"]),
        (empty_video, ["frames", "no pictures"]),
        (empty_film, ["frames", "empty"]),
        (one_frame, ["frames", "1 frame", "at least 2"]),
        (missing_mask, ["masks", "3 masks", "4 frames"]),
        (small_masks, ["masks", "100x80", "200x160"]),
        (empty_mask, ["masks", "empty"]),
        (other_camera, ["camera.json", "400x160", "200x160"]),
        (two_cameras, ["camera.json", "2 cameras"]),
        (nan_vertex, ["template.obj", "nan", "finite"]),
        (third_face_on_an_edge, ["template.obj", "edge"]),
        (flipped_face, ["template.obj", "face"]),
        (missing_texture, ["texture.png"]),
        (behind_the_camera, ["behind the camera"]),
    ],
)
def test_a_wrong_input_is_exit_3_named_with_a_way_out_and_nothing_written(cloth_scene, tmp_path, capsys, damage, words):
    scene = copied(cloth_scene, tmp_path / "scene")
    damage(scene)
    assert run(scene.fit_arguments(tmp_path / "run")) == 3
    out, err = said(capsys)
    assert out == ""
    for word in [*words, "try: "]:
        assert word in err, err
    assert "Traceback" not in err
    assert not (tmp_path / "run" / "out" / "meshes").exists()
    assert not (tmp_path / "run" / "DONE").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: re.sub(r"(?m)^(vt .*|mtllib .*|usemtl .*)\n|/\d+", "", text), "no texture coordinates"),
        (lambda text: re.sub(r"(?m)^(mtllib .*|usemtl .*)\n", "", text), "names no texture"),
    ],
)
def test_a_template_without_its_look_is_refused_only_where_the_look_is_asked_for(cloth_scene, tmp_path, capsys, change, words):
    scene = copied(cloth_scene, tmp_path / "scene")
    scene.template.write_text(change(scene.template.read_text()))
    assert run([*scene.fit_arguments(tmp_path / "run"), "--set", "appearance.source=texture"]) == 3
    assert words in said(capsys)[1]
    assert run([*scene.fit_arguments(tmp_path / "run"), "--dry-run"]) == 0


def test_a_busy_background_needs_masks(cloth_scene, tmp_path, capsys):
    scene = copied(cloth_scene, tmp_path / "scene")
    noise = np.random.default_rng(0).integers(0, 255, (160, 200, 3), dtype=np.uint8)
    for path in scene.video.iterdir():
        write_image(path, noise)
    arguments = scene.fit_arguments(tmp_path / "run")
    at = arguments.index("--masks")
    assert run(arguments[:at] + arguments[at + 2 :]) == 3
    err = said(capsys)[1]
    assert "not uniform" in err
    assert "recon prepare masks" in err


def without(arguments: list[str], flag: str) -> list[str]:
    at = arguments.index(flag)
    return arguments[:at] + arguments[at + 2 :]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: without(a, "--camera"), ["--camera", "--fov"]),
        (lambda a: without(a, "--fps"), ["--fps"]),
        (lambda a: without(a, "--video"), ["--video"]),
        (lambda a: without(a, "--template"), ["--template"]),
        (lambda a: without(a, "-o"), ["-o"]),
        (lambda a: [*without(a, "--camera"), "--fov", "180"], ["--fov 180"]),
        (lambda a: [*a, "--fps", "0"], ["--fps 0"]),
        (lambda a: [*without(a, "--masks"), "--background", "1,2"], ["--background"]),
        (lambda a: [*a, "--set", "tracking.stifness=3"], ["tracking.stifness", "tracking.stiffness"]),
        (lambda a: [*a, "--recipe", "sft_defualt"], ["sft_default"]),
        (lambda a: [*a, "--start", "2", "--stop", "2"], ["start 2"]),
    ],
)
def test_a_wrong_flag_is_exit_2_and_named(cloth_scene, tmp_path, capsys, change, words):
    assert run(change(cloth_scene.fit_arguments(tmp_path / "run"))) == 2
    out, err = said(capsys)
    assert out == ""
    for word in words:
        assert word in err, err
    assert not (tmp_path / "run").exists()


def test_a_finished_run_is_replaced_only_on_request(finished, cloth_scene, tmp_path, capsys):
    shutil.copytree(finished, tmp_path / "run")
    before = (tmp_path / "run" / "run.json").read_bytes()
    arguments = [*cloth_scene.fit_arguments(tmp_path / "run"), "--no-depth", "--stop", "2", "-q"]
    assert run(arguments) == 3
    assert "--overwrite" in said(capsys)[1]
    assert (tmp_path / "run" / "run.json").read_bytes() == before
    assert run([*arguments, "--overwrite"]) == 0
    assert len(list((tmp_path / "run" / "out" / "meshes").glob("*.ply"))) == 2


def test_an_output_that_cannot_be_a_folder_is_exit_3_before_anything_is_read(cloth_scene, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "run"):
        assert run(cloth_scene.fit_arguments(out)) == 3
        assert str(tmp_path / "file") in said(capsys)[1]
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("mode", ["color", "depth", "normal"])
def test_render_draws_a_run_from_its_own_camera(finished, cloth_scene, tmp_path, capsys, mode):
    assert run(["sft", "render", str(finished), "--mode", mode, "-o", str(tmp_path / "views"), "-q"]) == 0
    assert said(capsys)[0] == f"{tmp_path / 'views'}\n"
    pictures = sorted((tmp_path / "views").glob("*.png"))
    assert len(pictures) == len(cloth_scene.positions)
    depths = sorted((tmp_path / "views").glob("*.exr"))
    assert len(depths) == (len(pictures) if mode == "depth" else 0)
    if mode == "color":
        drawn = read_image(pictures[-1])
        frame = read_image(sorted(cloth_scene.video.iterdir())[-1])
        inside = frame.amax(dim=-1) > 0.1
        assert float((drawn - frame).abs()[inside].mean()) < 0.05
    if mode == "normal":
        centre = read_image(pictures[0])[80, 100]
        assert float(centre[2]) > 0.9  # the cloth faces the camera there


def test_render_holds_a_frame_for_every_view(finished, cloth_scene, tmp_path):
    base = ["sft", "render", str(finished), "--frame", "2", "-q"]
    assert run([*base, "-o", str(tmp_path / "one")]) == 0
    assert len(list((tmp_path / "one").glob("*.png"))) == 1
    assert run([*base, "--orbit", "40", "--size", "64x48", "-o", str(tmp_path / "around")]) == 0
    assert len(list((tmp_path / "around").glob("*.png"))) == len(cloth_scene.positions)


def test_render_orbits_into_a_film_and_asks_before_replacing_it(finished, tmp_path, capsys):
    film = tmp_path / "orbit.mp4"
    arguments = ["sft", "render", str(finished), "--orbit", "90", "--light", "head", "--size", "160x120", "-o", str(film), "-q"]
    assert run(arguments) == 0
    frames = open_video(film)
    assert (len(frames), frames.width, frames.height) == (4, 160, 120)
    first, last = ((frames[t].float() - torch.tensor([18.0, 20.0, 26.0])).abs().amax(dim=-1) > 24 for t in (0, 3))
    assert first.float().mean() > 0.2
    assert last.float().mean() < 0.25 * first.float().mean()  # seen from its edge
    assert run(arguments) == 3
    assert "--overwrite" in said(capsys)[1]
    assert run([*arguments, "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (["--mode", "colour"], 2, "--mode colour"),
        (["--light", "sun"], 2, "--light sun"),
        (["--size", "big"], 2, "--size big"),
        (["--frame", "9"], 2, "frames 0 to 3"),
        (["--camera", "none.json"], 3, "none.json"),
        (["--backend", "opengl"], 2, "opengl"),
    ],
)
def test_render_names_what_is_wrong(finished, tmp_path, capsys, more, code, words):
    assert run(["sft", "render", str(finished), "-o", str(tmp_path / "views"), *more]) == code
    assert words in said(capsys)[1]
    assert not (tmp_path / "views").exists()


def test_render_of_something_else_than_a_run(tmp_path, capsys):
    assert run(["sft", "render", str(tmp_path), "-o", str(tmp_path / "views")]) == 3
    assert "no meshes" in said(capsys)[1]


def test_simulate_replays_a_fit(finished, tmp_path, capsys):
    assert run(["sft", "simulate", "--run", str(finished), "-o", str(tmp_path / "replay"), "-q"]) == 0
    assert said(capsys)[0] == f"{tmp_path / 'replay'}\n"
    for t in range(4):
        first, second = (read_mesh(folder / "out" / "meshes" / f"{t:06d}.ply").vertices for folder in (finished, tmp_path / "replay"))
        assert float((first - second).abs().max()) < 1e-8


def test_simulate_drops_a_sheet_and_can_film_it(cloth_scene, tmp_path):
    arguments = [
        "sft",
        "simulate",
        "--template",
        str(cloth_scene.template),
        "--frames",
        "4",
        "--fps",
        "50",
        "--steps-per-frame",
        "2",
        "--video",
    ]
    assert run([*arguments, "-o", str(tmp_path / "fall"), "-q"]) == 0
    start, end = (read_mesh(tmp_path / "fall" / "out" / "meshes" / f"{t:06d}.ply").vertices for t in (0, 3))
    fallen = float((end - start)[:, 1].mean())
    steps, h = 6, 0.01
    assert 0.8 * 9.81 * h * h * steps * (steps + 1) / 2 < fallen <= 9.81 * h * h * steps * (steps + 1) / 2  # the air resists a little
    assert len(open_video(tmp_path / "fall" / "out" / "simulation.mp4")) == 4


def test_simulate_holds_its_pins(cloth_scene, tmp_path):
    arguments = [
        "sft",
        "simulate",
        "--template",
        str(cloth_scene.template),
        "--frames",
        "3",
        "--pins",
        "top",
        "--material",
        "11oz-black-denim",
    ]
    assert run([*arguments, "-o", str(tmp_path / "hang"), "-q"]) == 0
    start, end = (read_mesh(tmp_path / "hang" / "out" / "meshes" / f"{t:06d}.ply").vertices for t in (0, 2))
    still = torch.nonzero((end == start).all(dim=1)).squeeze(1).tolist()
    assert still == [0, 8]
    record = read_json(tmp_path / "hang" / "out" / "params.json")
    assert record["density"]["value"] == 0.324
    assert record["pins"] == [0, 8]


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (["--material", "denim"], 2, "denim"),
        (["--pins", "left"], 2, "--pins left"),
        (["--pins", "0,99"], 3, "pin 99"),
        (["--wind", "1,2"], 2, "--wind 1,2"),
        (["--run", "somewhere"], 2, "--run"),
    ],
)
def test_simulate_names_what_is_wrong(cloth_scene, tmp_path, capsys, more, code, words):
    assert run(["sft", "simulate", "--template", str(cloth_scene.template), "-o", str(tmp_path / "fall"), *more]) == code
    assert words in said(capsys)[1]
    assert not (tmp_path / "fall").exists()
