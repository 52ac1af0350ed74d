"""The whole renderer: closed forms, finite differences for every input, and bit-identical reruns."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.kernels import launch
from recon_cli.render.lights import Lights
from recon_cli.render.protocol import Rendered, RenderSettings, get_renderer
from tests.render.scenes import HEIGHT, WIDTH, camera, sheet, two_sheets, weights

MODES = [
    RenderSettings(background=(0.1, 0.2, 0.3)),
    RenderSettings(background=(0.1, 0.2, 0.3), blend_geometry=True),
    RenderSettings(mode="soft", background=(0.1, 0.2, 0.3), sigma=1e-3, gamma=1e-2, faces_per_pixel=3),
    RenderSettings(mode="soft"),
]


def _lights() -> Lights:
    generator = torch.Generator().manual_seed(5)
    return Lights(
        ambient=torch.tensor([0.4, 0.5, 0.6]),
        directions=torch.tensor([[0.3, -0.5, -1.0], [-1.0, 0.2, -0.4]]),
        colors=torch.rand(2, 3, generator=generator),
        harmonics=0.1 * torch.randn(9, 3, generator=generator),
    ).to(dtype=torch.float64)


def _draw(mesh: Mesh, view: Cameras, settings: RenderSettings | None = None, lights: Lights | None = None) -> Rendered:
    return get_renderer().render(mesh, view, lights=lights, settings=settings)


def _score(rendered: Rendered) -> Tensor:
    """A generic function of all pictures."""
    images = (rendered.color, rendered.depth, rendered.normal, rendered.silhouette)
    return torch.stack([(image * weights(image.shape, seed)).mean() for seed, image in enumerate(images)])


@pytest.mark.parametrize("settings", MODES)
@pytest.mark.parametrize("mesh", [sheet(), two_sheets()], ids=["sheet", "two sheets"])
def test_gradients_of_vertices_and_cameras_match_finite_differences(mesh: Mesh, settings: RenderSettings) -> None:
    view = camera()

    def score(vertices: Tensor, K: Tensor, camera_from_world: Tensor) -> Tensor:
        moved = replace(view, K=K, camera_from_world=camera_from_world)
        return _score(_draw(mesh.with_vertices(vertices), moved, settings, _lights()))

    inputs = [value.clone().requires_grad_(True) for value in (mesh.vertices, view.K, view.camera_from_world)]
    # One case entry by entry, the others along random directions.
    is_fast = settings is not MODES[0] or mesh.texture is None
    assert torch.autograd.gradcheck(score, inputs, eps=1e-7, atol=1e-6, rtol=1e-4, fast_mode=is_fast)


@pytest.mark.parametrize("settings", MODES)
def test_gradients_of_texture_and_lights_match_finite_differences(settings: RenderSettings) -> None:
    mesh, view, lights = sheet(), camera(), _lights()
    assert mesh.texture is not None
    assert mesh.uvs is not None

    def score(texture: Tensor, uvs: Tensor, *values: Tensor) -> Tensor:
        return _score(_draw(replace(mesh, texture=texture, uvs=uvs), view, settings, Lights(*values)))

    given = (mesh.texture, mesh.uvs, lights.ambient, lights.directions, lights.colors, lights.harmonics)
    assert torch.autograd.gradcheck(
        score, [value.clone().requires_grad_(True) for value in given], eps=1e-6, atol=1e-6, rtol=1e-4, fast_mode=True
    )


def test_gradients_of_vertex_colours_and_normals_match_finite_differences() -> None:
    mesh, view = two_sheets(), camera()
    assert mesh.colors is not None
    normals = weights(mesh.vertices.shape, 9) - torch.tensor([0.5, 0.5, 2.0])

    def score(colors: Tensor, normals: Tensor) -> Tensor:
        return _score(_draw(replace(mesh, colors=colors, normals=normals), view, None, _lights()))

    assert torch.autograd.gradcheck(score, [mesh.colors.clone().requires_grad_(True), normals.requires_grad_(True)], fast_mode=True)


def test_depth_normals_and_colour_of_a_plane() -> None:
    """The plane n · x = d seen from the origin: depth is d / (n · ray), the normal is constant."""
    view = Cameras.pinhole(width=WIDTH, height=HEIGHT, fx=25, fy=25, cx=15, cy=11)
    normal = torch.tensor([0.2, -0.3, -1.0], dtype=torch.float64)
    normal = normal / normal.norm()
    corners = torch.tensor([[-3.5, -3.5], [3.5, -3.5], [3.5, 3.5], [-3.5, 3.5]], dtype=torch.float64)
    z = (-2.0 - corners @ normal[:2]) / normal[2]
    mesh = Mesh(torch.cat([corners, z[:, None]], dim=-1), torch.tensor([[0, 1, 2], [0, 2, 3]]), colors=torch.full((4, 3), 0.5).double())
    rendered = _draw(mesh, view)
    row, column = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    rays = torch.stack([(column + 0.5 - 15) / 25, (row + 0.5 - 11) / 25, torch.ones(HEIGHT, WIDTH)], dim=-1).double()
    torch.testing.assert_close(rendered.depth[0], -2.0 / (rays @ normal))
    torch.testing.assert_close(rendered.normal[0], normal.expand(HEIGHT, WIDTH, 3))
    torch.testing.assert_close(rendered.color[0], torch.full((HEIGHT, WIDTH, 3), 0.5, dtype=torch.float64))
    assert bool((rendered.silhouette == 1).all())


def test_both_sides_of_cloth_are_shaded_alike_unless_culled() -> None:
    mesh, view = sheet(wave=0.0), camera()
    front, back = _draw(mesh, view, None, _lights()), _draw(replace(mesh, faces=mesh.faces.flip(-1)), view)
    torch.testing.assert_close(front.normal, back.normal)
    assert float((front.normal[0][front.face[0] >= 0] @ torch.tensor([0.0, 0, 1], dtype=torch.float64)).max()) < 0
    culled = _draw(replace(mesh, faces=mesh.faces.flip(-1)), view, RenderSettings(cull_backfaces=True))
    assert not bool((culled.face >= 0).any())
    assert bool((_draw(mesh, view, RenderSettings(cull_backfaces=True)).face == front.face).all())


def test_background_shows_where_nothing_is_seen() -> None:
    rendered = _draw(two_sheets(), camera(), RenderSettings(background=(0.1, 0.2, 0.3)))
    empty = (rendered.face[0] < 0) & (rendered.silhouette[0] == 0)
    assert bool(empty.any())
    assert bool((rendered.color[0][empty] == torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)).all())
    assert bool((rendered.depth[0][rendered.face[0] < 0] == 0).all())


def test_hard_limits_of_the_soft_mode_agree_with_the_sharp_picture() -> None:
    """With a vanishing blur, soft pixels away from edges are the antialiased ones."""
    mesh, view = two_sheets(), camera(160, 120)
    sharp = _draw(mesh, view, None, _lights())
    soft = _draw(mesh, view, RenderSettings(mode="soft", sigma=1e-9, gamma=1e-5, faces_per_pixel=4), _lights())
    is_whole = (sharp.silhouette == 1) & (soft.silhouette > 1 - 1e-6) & (sharp.face == soft.face)
    inner = is_whole & (sharp.color - soft.color).abs().amax(-1).lt(1e-6)
    assert int(inner.sum()) > 0.8 * int((sharp.face >= 0).sum())
    torch.testing.assert_close(sharp.depth[is_whole], soft.depth[is_whole], atol=1e-6, rtol=0)


def test_several_cameras_are_several_pictures() -> None:
    first = camera()
    shift = torch.zeros(1, 4, 4, dtype=torch.float64)
    shift[0, 0, 3] = 0.05
    second = replace(first, camera_from_world=first.camera_from_world + shift)
    both = Cameras(*(torch.cat([getattr(view, name) for view in (first, second)]) for name in ("K", "camera_from_world", "size")))
    together, alone = _draw(sheet(), both), _draw(sheet(), both[1])
    assert torch.equal(together.color[1:], alone.color)
    assert not torch.equal(together.color[0], together.color[1])


def test_cameras_of_two_sizes_are_refused() -> None:
    views = [camera(), camera(20, 20)]
    both = Cameras(*(torch.cat([getattr(view, name) for view in views]) for name in ("K", "camera_from_world", "size")))
    with pytest.raises(InputError, match="differ in size"):
        _draw(sheet(), both)


@pytest.mark.parametrize("settings", [MODES[0], MODES[2]])
def test_reruns_and_numbers_of_cores_give_the_same_bytes(settings: RenderSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    mesh = sheet(24).to(dtype=torch.float32)
    view = camera(200, 150)
    found = []
    for workers in (2, 2, 1, 3):
        monkeypatch.setattr(launch, "worker_count", lambda workers=workers: workers)
        vertices, texture = mesh.vertices.clone().requires_grad_(True), mesh.texture.clone().requires_grad_(True)  # type: ignore[union-attr]
        rendered = _draw(replace(mesh, vertices=vertices, texture=texture), view, settings, _lights())
        loss = rendered.color.square().mean() + rendered.silhouette.mean() + rendered.depth.mean() + rendered.normal.square().mean()
        found.append((rendered.color.detach(), *torch.autograd.grad(loss, (vertices, texture))))
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other))


def test_single_precision_is_close_to_double() -> None:
    mesh, view = sheet(8), camera(160, 120)
    single, double = _draw(mesh.to(dtype=torch.float32), view, None, _lights()), _draw(mesh, view, None, _lights())
    same = single.face == double.face
    assert float(same.double().mean()) > 0.999
    assert float((single.color - double.color).abs().quantile(0.999)) < 1e-3
    torch.testing.assert_close(single.depth[same].double(), double.depth[same], atol=1e-5, rtol=0)


def test_nothing_in_view_is_an_empty_picture_with_a_gradient_of_zero() -> None:
    mesh = sheet()
    for settings in MODES:
        vertices = (mesh.vertices + torch.tensor([0.0, 0, -10])).requires_grad_(True)
        rendered = _draw(mesh.with_vertices(vertices), camera(), settings)
        assert not bool((rendered.face >= 0).any())
        assert float(rendered.silhouette.detach().sum()) == 0
        (rendered.color.sum() + rendered.silhouette.sum()).backward()
        assert vertices.grad is not None
        assert float(vertices.grad.abs().max()) == 0


def test_editing_faces_in_place_is_noticed() -> None:
    renderer, mesh, view = get_renderer(), sheet(), camera()
    renderer.render(mesh, view)
    mesh.faces[0] = mesh.faces[1].clone()
    torch.testing.assert_close(renderer.render(mesh, view).color, get_renderer().render(mesh, view).color)
