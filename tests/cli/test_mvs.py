"""`recon mvs` through its own front door: what it writes, what it prints, how it goes on, and every way that inputs can be wrong."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from recon_cli.cli.app import run
from recon_cli.io.cameras import read_cameras
from recon_cli.io.depth_folders import read_depth_maps, write_depth_maps
from recon_cli.io.exr import read_depth
from recon_cli.io.images import read_image, write_image
from recon_cli.io.meshes import read_mesh, write_mesh
from recon_cli.io.points import read_points
from recon_cli.io.records import read_json
from recon_cli.io.scenes import write_scene
from recon_cli.run.hooks import RunHooks
from recon_cli.systems.mvs import run as system

# Pictures this small cannot confirm a depth to a fifth of a percent, and two groups of views are enough to tell them apart.
SMALL = ["--set", "filter.relative=0.02", "--set", "filter.speckle=0", "--set", "views.group_size=3", "-q"]
NAMES = ["a", "b", "c", "d", "e"]


def command(name: str, scene: Path | str, out: Path | str, *more: str) -> list[str]:
    """A command line for small pictures."""
    return ["mvs", name, str(scene), "-o", str(out), *SMALL, *more]


@pytest.fixture(scope="module")
def finished(stereo_scene, tmp_path_factory) -> Path:
    """A finished run of the tiny scene."""
    out = tmp_path_factory.mktemp("finished") / "run"
    assert run(command("run", stereo_scene.folder, out)) == 0
    return out


def said(capsys) -> tuple[str, str]:
    """What was printed to stdout and to stderr."""
    printed = capsys.readouterr()
    return printed.out, printed.err


def copied(stereo_scene, folder: Path) -> Path:
    """The scene again, to be damaged."""
    shutil.copytree(stereo_scene.folder, folder)
    return folder


def results(folder: Path) -> dict[str, bytes]:
    """Name and bytes of every file in out/, but for the record of the origin, which names the folder."""
    files = [path for path in (folder / "out").rglob("*") if path.is_file() and path.name != "params.json"]
    return {str(path.relative_to(folder / "out")): path.read_bytes() for path in sorted(files)}


def test_run_writes_everything_and_recovers_the_ball(finished, stereo_scene):
    out = finished / "out"
    for kind in ("normal", "confidence", "filtered"):
        assert sorted(path.name for path in (out / kind).iterdir()) == [f"{name}.exr" for name in NAMES]
    assert sorted(path.name for path in (out / "depth").iterdir()) == [f"{name}.{kind}" for name in NAMES for kind in ("exr", "png")]
    assert read_cameras(out / "cameras.json").names == tuple(NAMES)
    assert (finished / "DONE").exists()
    assert (finished / "report.html").stat().st_size > 10_000
    mesh, points = read_mesh(out / "mesh.ply"), read_points(out / "points.ply")
    for vertices in (mesh.vertices, points.points):
        assert float((vertices.norm(dim=1) - 1).abs().median()) < 0.03
    assert mesh.colors is not None
    assert points.normals is not None
    for view, name in enumerate(NAMES):
        truth, found, kept = stereo_scene.depth.depth[view], *(read_depth(out / kind / f"{name}.exr") for kind in ("depth", "filtered"))
        both = (truth > 0) & (found > 0)
        assert float(both.sum()) > 0.9 * float((truth > 0).sum())
        assert float((truth - found).abs()[both].median()) < 0.03
        assert 0.3 < float((kept > 0).sum()) / float((truth > 0).sum()) <= 1.0
        assert read_image(out / "depth" / f"{name}.png").shape[0] == 48


def scaled_scene(stereo_scene, folder: Path, scale: float) -> Path:
    """The scene in a world of other units."""
    cameras = stereo_scene.scene.cameras
    poses = cameras.camera_from_world.clone()
    poses[:, :3, 3] *= scale
    write_scene(folder, replace(stereo_scene.scene, cameras=replace(cameras, camera_from_world=poses)))
    return folder


@pytest.mark.parametrize("scale", [1e-7, 1e7])
def test_the_unit_of_the_world_does_not_matter(finished, stereo_scene, tmp_path, scale):
    scene = scaled_scene(stereo_scene, tmp_path / "scene", scale)
    assert run(command("run", scene, tmp_path / "run")) == 0
    mesh, usual = (read_mesh(folder / "out" / "mesh.ply") for folder in (tmp_path / "run", finished))
    assert float((mesh.vertices.double() / scale).norm(dim=1).sub(1).abs().median()) < 0.03
    assert len(mesh.faces) == pytest.approx(len(usual.faces), rel=0.02)
    depth, expected = (read_depth(folder / "out" / "depth" / "c.exr") for folder in (tmp_path / "run", finished))
    both = (depth > 0) & (expected > 0)
    assert float(both.sum()) > 0.99 * float((expected > 0).sum())
    assert float((depth[both].double() / scale - expected[both]).abs().median()) < 1e-4
    assert run(["mvs", "fuse", str(tmp_path / "run"), "-o", str(tmp_path / "mesh.ply"), "-q"]) == 0
    assert (tmp_path / "mesh.ply").read_bytes() == (tmp_path / "run" / "out" / "mesh.ply").read_bytes()


def test_the_record_says_where_to_go_on(finished, stereo_scene):
    params = read_json(finished / "out" / "params.json")
    assert params["scene"] == str(stereo_scene.folder.resolve())
    assert params["max_size"] is None
    assert read_json(finished / "run.json")["status"] == "done"


def test_two_runs_are_the_same_bytes(finished, stereo_scene, tmp_path):
    assert run(command("run", stereo_scene.folder, tmp_path / "run")) == 0
    assert results(tmp_path / "run") == results(finished)


def test_run_prints_the_folder_and_first_says_what_it_will_take(stereo_scene, tmp_path, capsys):
    arguments = command("depth", stereo_scene.folder, tmp_path / "run")
    arguments.remove("-q")
    assert run(arguments) == 0
    out, err = said(capsys)
    assert out == f"{tmp_path / 'run'}\n"
    lines = err.rstrip().splitlines()
    assert "5 views" in lines[0]
    assert "GB" in lines[0]
    assert lines[-1] == f"report: {tmp_path / 'run' / 'report.html'}"
    assert not (tmp_path / "run" / "out" / "mesh.ply").exists()


def test_json_record_and_quiet(stereo_scene, tmp_path, capsys):
    assert run(command("depth", stereo_scene.folder, tmp_path / "run", "--json")) == 0
    out, err = said(capsys)
    record = json.loads(out)
    assert record["run"] == str(tmp_path / "run")
    assert record["views"] == 5
    assert record["found"] > 0.9
    assert record["estimate"]["foreground"] == sum(int(mask.sum()) for mask in stereo_scene.scene.masks)
    assert err == ""


def test_dry_run_says_what_it_would_do_and_writes_nothing(stereo_scene, tmp_path, capsys):
    assert run(command("run", stereo_scene.folder, tmp_path / "run", "--dry-run", "--json", "--max-size", "32")) == 0
    plan = json.loads(said(capsys)[0])
    assert (plan["plan"], plan["views"], plan["size"], plan["masks"]) == ("start", 5, [32, 24], True)
    assert plan["memory_mb"] > 100
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["depth", "fuse", "run"])
def test_print_recipe_is_a_recipe(tmp_path, capsys, name):
    assert run(["mvs", name, "--print-recipe", "--set", "views.neighbours=5"]) == 0
    (tmp_path / "mine.yaml").write_text(said(capsys)[0])
    assert run(["mvs", name, "--print-recipe", "--recipe", str(tmp_path / "mine.yaml")]) == 0
    assert "neighbours: 5" in said(capsys)[0]


def test_flags_that_stand_for_recipe_keys(capsys):
    assert run(["mvs", "run", "--print-recipe", "--start", "bounds", "--voxel", "0.25", "--watertight"]) == 0
    out = said(capsys)[0]
    for line in ("source: bounds", "voxel: 0.25", "watertight: true"):
        assert line in out


def test_a_stopped_run_goes_on_with_the_groups_that_are_missing(finished, stereo_scene, tmp_path, monkeypatch, capsys):
    arguments = command("run", stereo_scene.folder, tmp_path / "run")
    progress = RunHooks.progress

    def stop_at_four(self, done, total, **numbers):
        progress(self, done, total, **numbers)
        if done == total - 1:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(RunHooks, "progress", stop_at_four)
    assert run(arguments) == 75
    assert "--resume" in said(capsys)[1]
    assert not (tmp_path / "run" / "DONE").exists()
    first = {path.name for path in (tmp_path / "run" / "out" / "depth").glob("*.exr")}
    assert 0 < len(first) < 5
    monkeypatch.undo()
    solved = []
    solve = system._Solver.solve
    monkeypatch.setattr(system._Solver, "solve", lambda self, views, *more: solved.extend(views) or solve(self, views, *more))
    arguments.remove("-q")
    assert run(arguments) == 0
    assert f"the maps of {len(first)} of 5 views are kept (1 of 2 groups), {5 - len(first)} views remain" in said(capsys)[1]
    assert {f"{NAMES[view]}.exr" for view in solved} == {f"{name}.exr" for name in NAMES} - first
    assert results(tmp_path / "run") == results(finished)


def test_a_kill_leaves_a_folder_that_goes_on(finished, stereo_scene, tmp_path, monkeypatch):
    class Killed(BaseException):
        """Ends the computation as SIGKILL would: nothing gets to tidy up."""

    written = []

    def die(self, names):
        written.extend(names)
        raise Killed

    monkeypatch.setattr("recon_cli.run.mvs_outputs.FinishedViews.add", die)
    monkeypatch.setattr("recon_cli.run.folder.RunFolder.__exit__", lambda self, *error: self.close())
    monkeypatch.setattr("recon_cli.cli.app.exit_code_of", lambda error, debug: 137)
    with pytest.raises(Killed):
        run(command("run", stereo_scene.folder, tmp_path / "run"))
    monkeypatch.undo()
    assert written
    assert run(command("run", stereo_scene.folder, tmp_path / "run")) == 0
    assert results(tmp_path / "run") == results(finished)


def test_depth_maps_that_are_there_are_fused_without_being_computed_again(finished, stereo_scene, tmp_path, monkeypatch):
    """An unfinished `depth` goes on as `run`: the maps are the same."""
    assert run(command("depth", stereo_scene.folder, tmp_path / "run")) == 0
    (tmp_path / "run" / "DONE").unlink()
    monkeypatch.setattr(system._Solver, "solve", lambda *more: pytest.fail("computed again"))
    assert run(command("run", stereo_scene.folder, tmp_path / "run")) == 0
    assert results(tmp_path / "run") == results(finished)


@pytest.fixture(scope="module")
def shards(stereo_scene, tmp_path_factory) -> list[Path]:
    """The same maps computed in two parts."""
    folder = tmp_path_factory.mktemp("shards")
    for part in (1, 2):
        assert run(command("depth", stereo_scene.folder, folder / str(part), "--shard", f"{part}/2")) == 0
    return [folder / "1", folder / "2"]


def test_shards_are_disjoint_and_agree_with_the_whole(finished, shards):
    whole = results(finished)
    parts = [{name: data for name, data in results(shard).items() if name != "cameras.json"} for shard in shards]
    assert not set(parts[0]) & set(parts[1])
    together = parts[0] | parts[1]
    assert together == {name: whole[name] for name in whole if name.split("/")[0] in ("depth", "normal", "confidence")}


def test_fusing_shards_is_fusing_the_whole(finished, shards, tmp_path, capsys):
    assert run(["mvs", "fuse", *map(str, reversed(shards)), "-o", str(tmp_path / "mesh.ply"), "-q"]) == 0
    assert said(capsys)[0] == f"{tmp_path / 'mesh.ply'}\n"
    assert (tmp_path / "mesh.ply").read_bytes() == (finished / "out" / "mesh.ply").read_bytes()


def test_a_shard_that_is_not_given_is_missed(shards, tmp_path, capsys):
    arguments = ["-o", str(tmp_path / "mesh.ply"), "-q", "--dry-run"]
    assert run(["mvs", "fuse", str(shards[0]), *arguments]) == 0
    assert said(capsys)[1] == "warning: the sources lack shard 2/2; what only its views show will not be in the surface\n"
    assert run(["mvs", "fuse", *map(str, shards), *arguments]) == 0
    assert said(capsys)[1] == ""


def test_fuse_of_a_run_writes_points_too_and_keeps_its_recipe(finished, tmp_path, capsys):
    out = tmp_path / "cloud.ply"
    assert run(["mvs", "fuse", str(finished), "-o", str(out), "--points", "--json", "-q"]) == 0
    record = json.loads(said(capsys)[0])
    assert record["views"] == 5
    assert record["path"] == str(out)
    assert out.read_bytes() == (finished / "out" / "points.ply").read_bytes()


def test_a_coarser_voxel_makes_fewer_faces(finished, tmp_path):
    assert run(["mvs", "fuse", str(finished), "-o", str(tmp_path / "mesh.ply"), "--voxel", "0.2", "-q"]) == 0
    coarse, fine = (len(read_mesh(path).faces) for path in (tmp_path / "mesh.ply", finished / "out" / "mesh.ply"))
    assert 0 < coarse < 0.5 * fine


def test_fuse_to_stdout_is_nothing_but_a_ply_that_the_next_program_reads(finished, stereo_scene, tmp_path, capfdbinary, monkeypatch):
    write_mesh(tmp_path / "truth.ply", stereo_scene.mesh)
    assert run(["mvs", "fuse", str(finished), "-o", "-"]) == 0
    out, err = capfdbinary.readouterr()
    assert out == (finished / "out" / "mesh.ply").read_bytes()
    assert b"5/5" in err
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(out)))
    assert run(["eval", "chamfer", "-", str(tmp_path / "truth.ply"), "--json", "--samples", "3000"]) == 0
    assert json.loads(capfdbinary.readouterr()[0])["plain_a_to_b"] < 0.05


def test_fuse_takes_a_scene_folder_that_has_depth_maps(stereo_scene, tmp_path, capsys):
    scene = copied(stereo_scene, tmp_path / "scene")
    write_depth_maps(scene, stereo_scene.depth.chosen([0, 1, 2, 3]))
    small = ["--set", "filter.speckle=0"]
    assert run(["mvs", "fuse", str(scene), "-o", str(tmp_path / "mesh.ply"), *small]) == 0
    assert "1 of 5 views, e the first" in said(capsys)[1]
    vertices = read_mesh(tmp_path / "mesh.ply").vertices
    assert float((vertices.norm(dim=1) - 1).abs().median()) < 0.01


def test_left_out_and_chosen_views(stereo_scene, tmp_path, capsys):
    arguments = command("depth", stereo_scene.folder, tmp_path / "run", "--leave-out", "b,d", "--json")
    assert run(arguments) == 0
    assert json.loads(said(capsys)[0])["views"] == 3
    assert read_cameras(tmp_path / "run" / "out" / "cameras.json").names == ("a", "c", "e")
    assert read_json(tmp_path / "run" / "out" / "params.json")["left_out"] == ["b", "d"]
    for views, count in (("3", 3), ("a,b,c,e", 4)):
        assert run(command("run", stereo_scene.folder, tmp_path / "other", "--views", views, "--dry-run", "--json")) == 0
        assert json.loads(said(capsys)[0])["views"] == count


def test_max_size_shrinks_pictures_and_cameras_together(stereo_scene, tmp_path):
    assert run(command("run", stereo_scene.folder, tmp_path / "run", "--max-size", "40")) == 0
    assert tuple(read_depth(tmp_path / "run" / "out" / "depth" / "a.exr").shape) == (30, 40)
    assert run(["mvs", "fuse", str(tmp_path / "run"), "-o", str(tmp_path / "mesh.ply"), "-q"]) == 0
    assert (tmp_path / "mesh.ply").read_bytes() == (tmp_path / "run" / "out" / "mesh.ply").read_bytes()


def test_another_methods_depth_and_a_mesh_can_be_the_start(stereo_scene, tmp_path):
    write_depth_maps(tmp_path / "maps", stereo_scene.depth)
    write_mesh(tmp_path / "rough.ply", stereo_scene.mesh)
    for flag, place in (("--depth", tmp_path / "maps"), ("--mesh", tmp_path / "rough.ply")):
        out = tmp_path / flag.strip("-")
        assert run(command("depth", stereo_scene.folder, out, flag, str(place))) == 0
        maps = read_depth_maps(out / "out", read_cameras(out / "out" / "cameras.json"))
        assert (out / "recipe.yaml").read_text().count(f"source: {flag.strip('-')}") == 1
        both = (maps.depth[2] > 0) & (stereo_scene.depth.depth[2] > 0)
        assert float((maps.depth[2] - stereo_scene.depth.depth[2]).abs()[both].median()) < 0.03


def test_a_view_with_an_empty_mask_is_left_out_by_name(stereo_scene, tmp_path, capsys):
    scene = copied(stereo_scene, tmp_path / "scene")
    write_image(scene / "masks" / "b.png", np.zeros((48, 64), dtype=np.uint8))
    assert run(command("depth", scene, tmp_path / "run", "--json")) == 0
    out, err = said(capsys)
    assert json.loads(out)["views"] == 4
    assert "view b is left out: its mask is empty" in err
    assert "view b is left out" in (tmp_path / "run" / "report.html").read_text()


def test_a_scene_too_large_for_the_limit_is_refused_with_a_size_that_fits(stereo_scene, tmp_path, capsys):
    from recon_cli.run.mvs_estimate import COSTS

    limit = COSTS.libraries // 2**20 + 1
    assert run(command("run", stereo_scene.folder, tmp_path / "run", "--memory-limit", str(limit), "--max-size", "64")) in (0, 3)
    assert run(command("run", stereo_scene.folder, tmp_path / "small", "--memory-limit", "100")) == 3
    err = said(capsys)[1]
    assert "--memory-limit allows 100" in err
    assert "--views" in err
    assert not (tmp_path / "small").exists()


def test_a_closed_surface_without_masks_is_refused_before_anything_is_computed(stereo_scene, tmp_path, capsys):
    scene = copied(stereo_scene, tmp_path / "scene")
    shutil.rmtree(scene / "masks")
    document = read_json(scene / "cameras.json")
    for record in document["cameras"]:
        record.pop("mask", None)
    (scene / "cameras.json").write_text(json.dumps({**document, "bounds": [[-1.1] * 3, [1.1] * 3]}))
    assert run(command("run", scene, tmp_path / "run", "--watertight")) == 3
    assert "closed surface needs" in said(capsys)[1]
    assert not (tmp_path / "run").exists()
    assert run(command("run", scene, tmp_path / "run", "--dry-run")) == 0


def test_a_closed_surface_has_no_border(finished, tmp_path):
    assert run(["mvs", "fuse", str(finished), "-o", str(tmp_path / "mesh.ply"), "--watertight", "-q"]) == 0
    faces = read_mesh(tmp_path / "mesh.ply").faces
    edges = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    assert len(faces) > 100
    assert sorted(map(tuple, edges.tolist())) == sorted(map(tuple, edges.flip(1).tolist()))


def no_cameras(scene):
    (scene / "cameras.json").unlink()


def missing_image(scene):
    (scene / "images" / "b.png").unlink()


def removed_masks(scene):
    for path in (scene / "masks").iterdir():
        path.unlink()


def other_size(scene):
    write_image(scene / "images" / "b.png", np.zeros((20, 30, 3), dtype=np.uint8))


def damaged_image(scene):
    (scene / "images" / "b.png").write_bytes((scene / "images" / "b.png").read_bytes()[:200])


def all_masks_empty(scene):
    for path in (scene / "masks").iterdir():
        write_image(path, np.zeros((48, 64), dtype=np.uint8))


def same_place(scene):
    document = read_json(scene / "cameras.json")
    for record in document["cameras"]:
        record["camera_from_world"] = document["cameras"][0]["camera_from_world"]
    (scene / "cameras.json").write_text(json.dumps(document))


def singular(scene):
    document = read_json(scene / "cameras.json")
    document["cameras"][1]["K"][0][0] = 0.0
    (scene / "cameras.json").write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (shutil.rmtree, ["does not exist"]),
        (no_cameras, ["cameras.json", "recon prepare cameras"]),
        (missing_image, ["4 images", "b"]),
        (removed_masks, ["5 cameras but 0 masks", "masks/a.png, which is not there", 'remove "mask" from all records']),
        (other_size, ["30x20", "64x48"]),
        (damaged_image, ["b.png"]),
        (all_masks_empty, ["0 of 5 views", "its mask is empty"]),
        (same_place, ["one place"]),
        (singular, ["cameras.json"]),
    ],
)
def test_a_wrong_input_is_exit_3_named_with_a_way_out_and_nothing_written(stereo_scene, tmp_path, capsys, damage, words):
    scene = copied(stereo_scene, tmp_path / "scene")
    damage(scene)
    assert run(command("run", scene, tmp_path / "run")) == 3
    out, err = said(capsys)
    assert out == ""
    for word in [*words, "try: "]:
        assert word in err, err
    assert "Traceback" not in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--leave-out", "z"], ["--leave-out", "no view z"]),
        (["--leave-out", "a,,b"], ["a,,b"]),
        (["--views", "9"], ["--views 9", "2 to 5"]),
        (["--views", "a,q"], ["--views", "no view q"]),
        (["--start", "mesh"], ["--start mesh", "--mesh"]),
        (["--start", "hull", "--depth", "maps"], ["--depth", "--start hull"]),
        (["--start", "hulk"], ["hulk"]),
        (["--depth-kind", "ray"], ["--depth-kind ray", "--depth is missing"]),
        (["--voxel", "0"], ["--voxel", "0 is not a size"]),
        (["--voxel", "nan"], ["--voxel", "positive number"]),
        (["--mesh", ""], ["--mesh is empty"]),
        (["--depth-kind", "x"], ["--depth-kind"]),
        (["--voxel", "-1"], ["--voxel", "-1 is not a size"]),
        (["--set", "views.neighbors=3"], ["views.neighbors", "views.neighbours"]),
        (["--recipe", "mvs_defualt"], ["mvs_default"]),
        (["--device", "gpu"], ["gpu"]),
    ],
)
def test_a_wrong_flag_is_exit_2_and_named(stereo_scene, tmp_path, capsys, more, words):
    assert run(command("run", stereo_scene.folder, tmp_path / "run", *more)) == 2
    out, err = said(capsys)
    assert out == ""
    for word in words:
        assert word in err, err
    assert not (tmp_path / "run").exists()


def test_what_is_missing_is_said(stereo_scene, tmp_path, capsys):
    for arguments, words in (
        (["mvs", "run", "-o", str(tmp_path / "run")], "scene folder is missing"),
        (["mvs", "depth", str(stereo_scene.folder)], "-o is missing"),
        (["mvs", "fuse", "-o", "mesh.ply"], "a run or a scene folder is missing"),
        (["mvs", "depth", str(stereo_scene.folder), "-o", str(tmp_path / "run"), "--shard", "3/2"], "--shard 3/2"),
        (["mvs", "fuse", str(stereo_scene.folder), "-o", "-", "--json"], "both want stdout"),
    ):
        assert run(arguments) == 2
        assert words in said(capsys)[1]


def test_more_shards_than_groups_is_said(stereo_scene, tmp_path, capsys):
    assert run(command("depth", stereo_scene.folder, tmp_path / "run", "--shard", "9/9")) == 3
    assert "fewer groups" in said(capsys)[1]


def test_fuse_names_what_does_not_fit(finished, shards, stereo_scene, tmp_path, capsys):
    moved = tmp_path / "moved"
    shutil.copytree(finished, moved)
    params = read_json(moved / "out" / "params.json")
    (moved / "out" / "params.json").write_text(json.dumps({**params, "scene": str(tmp_path / "gone")}))
    unfinished = tmp_path / "unfinished"
    shutil.copytree(finished, unfinished)
    (unfinished / "checkpoints" / "groups.jsonl").write_text('{"views": ["a", "b"]}\n{"vie')
    small = tmp_path / "small"
    shutil.copytree(shards[1], small)
    params = read_json(small / "out" / "params.json")
    (small / "out" / "params.json").write_text(json.dumps({**params, "max_size": 48}))
    (tmp_path / "file.ply").write_text("mine")
    for sources, out, words in (
        ([tmp_path / "none"], "mesh.ply", "does not exist"),
        ([stereo_scene.folder], "mesh.ply", "has no depth/"),
        ([moved], "mesh.ply", "--scene DIR"),
        ([unfinished], "mesh.ply", "3 of 5 views"),
        ([finished, shards[0]], "mesh.ply", f"{shards[0]}: has a depth map of view a, as {finished} has"),
        ([shards[0], small], "mesh.ply", f"at 48 px, {shards[0]} one of {stereo_scene.folder} at full size"),
        ([finished], "mesh.stl", ".stl"),
        ([finished], "file.ply", "--overwrite"),
    ):
        assert run(["mvs", "fuse", *map(str, sources), "-o", str(tmp_path / out), "-q"]) == 3
        assert words in said(capsys)[1]
    assert (tmp_path / "file.ply").read_text() == "mine"
    assert run(["mvs", "fuse", str(moved), "--scene", str(stereo_scene.folder), "-o", str(tmp_path / "mesh.ply"), "--dry-run", "-q"]) == 0
    assert not (tmp_path / "mesh.ply").exists()


def test_a_finished_run_is_replaced_only_on_request(finished, stereo_scene, tmp_path, capsys):
    shutil.copytree(finished, tmp_path / "run")
    before = (tmp_path / "run" / "run.json").read_bytes()
    arguments = command("depth", stereo_scene.folder, tmp_path / "run")
    assert run(arguments) == 3
    assert "--overwrite" in said(capsys)[1]
    assert (tmp_path / "run" / "run.json").read_bytes() == before
    assert run([*arguments, "--overwrite"]) == 0
    assert not (tmp_path / "run" / "out" / "mesh.ply").exists()


def test_a_full_disk_is_exit_3_and_leaves_no_half_file(stereo_scene, tmp_path, monkeypatch, capsys):
    replace_file = os.replace

    def full(source, target, **more):
        if str(target).endswith("normal/c.exr"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace_file(source, target, **more)

    monkeypatch.setattr(os, "replace", full)
    assert run(command("run", stereo_scene.folder, tmp_path / "run")) == 3
    err = said(capsys)[1]
    assert "the disk is full" in err
    assert (tmp_path / "run" / "FAILED").exists()
    assert not list((tmp_path / "run" / "out" / "normal").glob(".*"))
    monkeypatch.undo()
    assert run(command("run", stereo_scene.folder, tmp_path / "run")) == 0


def test_divergence_is_exit_4(stereo_scene, tmp_path, monkeypatch, capsys):
    from recon_cli.core.errors import NumericsError

    def diverge(self, views, progress):
        raise NumericsError("the depths diverged")

    monkeypatch.setattr(system._Solver, "solve", diverge)
    assert run(command("run", stereo_scene.folder, tmp_path / "run")) == 4
    assert "diverged" in said(capsys)[1]
    assert "diverged" in (tmp_path / "run" / "FAILED").read_text()


def test_the_normals_face_the_camera_and_lie_along_the_ball(finished):
    cameras = read_cameras(finished / "out" / "cameras.json")
    maps = read_depth_maps(finished / "out", cameras)
    rows, columns = torch.nonzero(maps.depth[2][12:36, 20:44] > 0, as_tuple=True)
    pixels = torch.stack([columns + 20.5, rows + 12.5], dim=-1).double()
    depth = maps.depth[2][rows + 12, columns + 20].double()
    outward = torch.nn.functional.normalize(cameras[2].unproject(pixels[None], depth[None])[0], dim=-1)
    normals = maps.normals[2][rows + 12, columns + 20].double()
    assert float((outward * normals).sum(dim=-1).median()) > 0.8
