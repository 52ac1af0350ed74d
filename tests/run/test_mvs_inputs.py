import shutil

import numpy as np
import pytest

from recon_cli.core.errors import InputError, UsageError
from recon_cli.io.depth_folders import write_depth_maps
from recon_cli.io.images import write_image
from recon_cli.run.mvs_inputs import MvsSources, chosen_views, load_inputs

NAMES = [f"{k:02d}" for k in range(10)]


@pytest.mark.parametrize(("count", "chosen"), [(2, [2, 7]), (5, [1, 3, 5, 7, 9]), (10, list(range(10)))])
def test_a_number_of_views_is_spread_evenly(tmp_path, count, chosen):
    assert chosen_views(NAMES, MvsSources(tmp_path, views=count)) == [NAMES[k] for k in chosen]


def test_names_keep_the_scenes_order_and_what_is_held_out_stays_out(tmp_path):
    assert chosen_views(NAMES, MvsSources(tmp_path, views=["07", "01", "03"], leave_out=["03"])) == ["01", "07"]
    assert len(chosen_views(NAMES, MvsSources(tmp_path, views=4, leave_out=["03"]))) == 4
    assert "03" not in chosen_views(NAMES, MvsSources(tmp_path, views=9, leave_out=["03"]))


def test_a_name_that_is_a_number_too_is_a_name(tmp_path):
    assert chosen_views(["0", "5", "7"], MvsSources(tmp_path, views=["5", "7"])) == ["5", "7"]


def test_an_unknown_name_is_guessed(tmp_path):
    with pytest.raises(UsageError, match="did you mean view_3"):
        chosen_views(["view_3", "other"], MvsSources(tmp_path, leave_out=["view3"]))


@pytest.mark.parametrize("count", [0, 1, 11])
def test_too_few_or_too_many_are_refused(tmp_path, count):
    with pytest.raises(UsageError, match="2 to 10"):
        chosen_views(NAMES, MvsSources(tmp_path, views=count))


def test_empty_masks_are_skipped_while_two_views_are_left(stereo_scene, tmp_path):
    shutil.copytree(stereo_scene.folder, tmp_path / "scene")
    for name in "abc":
        write_image(tmp_path / "scene" / "masks" / f"{name}.png", np.zeros((48, 64), dtype=np.uint8))
    inputs = load_inputs(MvsSources(tmp_path / "scene"))
    assert inputs.scene.cameras.names == ("d", "e")
    assert set(inputs.skipped) == {"a", "b", "c"}
    with pytest.raises(InputError, match=r"1 of 5 views can be used.*its mask is empty"):
        load_inputs(MvsSources(tmp_path / "scene", leave_out=["e"]))


def test_paths_are_all_that_decides(stereo_scene, tmp_path):
    names = {path.name for path in MvsSources(stereo_scene.folder).paths()}
    assert {"cameras.json", "a.png", "e.png"} <= names
    assert len(list(MvsSources(stereo_scene.folder).paths())) == 11


def test_ray_lengths_become_depths(stereo_scene, tmp_path):
    write_depth_maps(tmp_path, stereo_scene.depth)
    as_z, as_ray = (load_inputs(MvsSources(stereo_scene.folder, depth=tmp_path, depth_kind=kind)).maps for kind in ("z", "ray"))
    assert as_z is not None
    assert as_ray is not None
    corner = (stereo_scene.depth.depth[0] > 0).nonzero()[0]
    assert float(as_ray.depth[0][tuple(corner)]) < float(as_z.depth[0][tuple(corner)])
