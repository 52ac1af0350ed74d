"""The door of the system: what comes out explains itself."""

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.systems.sft.cloth import make_cloth
from recon_cli.systems.sft.config import SftRecipe
from recon_cli.systems.sft.result import SftInputs
from recon_cli.systems.sft.run import run
from recon_cli.systems.sft.simulator import ClothState, simulate
from recon_cli.systems.sft.wind import Wind
from tests.systems.sft.waving import SIDE, waving


@pytest.fixture(scope="module")
def clip():
    return waving(frames=5)


@pytest.fixture(scope="module")
def result(clip):
    return run(clip.inputs, SftRecipe())


def test_surface_forces_and_material_belong_together(clip, result):
    assert result.positions.shape == clip.truth.shape
    assert result.forces.shape == (4, clip.truth.shape[1], 3)
    assert result.replay_error < 1e-9
    assert float((result.positions - clip.truth).norm(dim=-1).mean()) < 0.01 * SIDE
    assert float(result.material.density) > 0
    assert all(curve.shape == (5,) for curve in result.curves.values())


def test_appearance_is_the_projection(clip, result):
    template = result.template
    assert template.texture is not None
    assert template.texture.shape == (clip.inputs.camera.height, clip.inputs.camera.width, 3)
    pixels, _ = clip.inputs.camera.project(clip.inputs.template.vertices)
    drawn = torch.stack([template.uvs[:, 0] * clip.inputs.camera.width, (1 - template.uvs[:, 1]) * clip.inputs.camera.height], -1)
    torch.testing.assert_close(drawn, pixels[0])


def test_texture_as_appearance_tracks_as_well(clip, result):
    recipe = SftRecipe.model_validate({"appearance": {"source": "texture"}})
    inputs = clip.inputs
    textured = SftInputs(inputs.frames, inputs.masks, result.template, inputs.camera, inputs.fps)
    found = run(textured, recipe)
    assert float((found.positions - clip.truth).norm(dim=-1).mean()) < 0.01 * SIDE
    assert found.check.uv_residual_px is not None
    assert found.check.uv_residual_px[2] < 1e-6
    assert found.check.uv_scale == pytest.approx(1.0)


@pytest.mark.parametrize(("offset", "message"), [([0.0, 0.0, -3.0], "behind the camera"), ([1.0, 0.0, 0.0], "projects into the mask")])
def test_template_elsewhere_is_refused(clip, offset, message):
    inputs = clip.inputs
    moved = inputs.template.with_vertices(inputs.template.vertices + torch.tensor(offset, dtype=torch.float64))
    with pytest.raises(InputError, match=message):
        run(SftInputs(inputs.frames, inputs.masks, moved, inputs.camera, inputs.fps), SftRecipe())


@pytest.mark.parametrize("method", ["shooting", "offsets"])
def test_the_paper_s_ways_run_and_explain_themselves(method):
    few = waving(frames=3, vertices=7)
    window = {"first_frames": 3, "first_iterations": 3, "last_iterations": 1}
    recipe = {"method": method, "shooting": {"window": window, "energy": {"image_size": 100, "faces_per_pixel": 4}}}
    found = run(few.inputs, SftRecipe.model_validate(recipe))
    assert found.positions.shape == few.truth.shape
    assert found.forces.shape == (2, few.truth.shape[1], 3)
    assert not torch.equal(found.positions[2], found.positions[0])
    assert (found.physics.mass_damping > 0) == (method == "shooting")
    cloth = make_cloth(found.template)
    replayed = simulate(
        cloth,
        found.material,
        ClothState.at_rest(found.positions[0]),
        steps=2,
        h=1 / found.fps,
        forces=found.forces,
        wind=Wind(found.wind),
        physics=found.physics,
    )
    torch.testing.assert_close(replayed, found.positions, rtol=0, atol=1e-9)


def test_a_template_in_millimetres_is_noticed(clip):
    inputs = clip.inputs
    large = inputs.template.with_vertices(inputs.template.vertices * 1000)
    found = run(SftInputs(inputs.frames, inputs.masks, large, inputs.camera, inputs.fps), SftRecipe())
    assert any("are its units metres?" in note for note in found.notes)


def test_frames_that_show_nothing_are_reported(clip):
    inputs = clip.inputs
    masks = inputs.masks.images.clone()
    masks[2:] = 0
    found = run(SftInputs(inputs.frames, type(inputs.masks)(masks), inputs.template, inputs.camera, inputs.fps), SftRecipe())
    assert any(note.startswith("In 3 of 5 frames, the first of them 2,") for note in found.notes)


def test_one_triangle_is_a_surface_too(clip):
    inputs = clip.inputs
    corners = inputs.template.vertices[[0, 10, 120]]
    found = run(SftInputs(inputs.frames, inputs.masks, Mesh(corners, torch.tensor([[0, 2, 1]])), inputs.camera, inputs.fps), SftRecipe())
    assert found.positions.shape == (5, 3, 3)
    assert found.replay_error < 1e-9


def test_a_template_of_absurd_size_is_refused(clip):
    inputs = clip.inputs
    huge = inputs.template.with_vertices(inputs.template.vertices * 1e150)
    with pytest.raises(InputError, match="expected metres"):
        run(SftInputs(inputs.frames, inputs.masks, huge, inputs.camera, inputs.fps), SftRecipe())
