"""From depth maps to one surface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from recon_cli.config.recipe import load_recipe
from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthIntervals, DepthMaps
from recon_cli.core.errors import InputError
from recon_cli.core.hooks import Hooks
from recon_cli.core.mesh import Mesh
from recon_cli.core.points import PointSet
from recon_cli.core.scene import Scene
from recon_cli.io.atomic import check_output_folder
from recon_cli.io.streams import is_stream
from recon_cli.run.device import choose_device
from recon_cli.run.hooks import DisplayHooks
from recon_cli.run.memory import give_back_memory, hold_maps_apart
from recon_cli.run.mvs_maps import collect
from recon_cli.run.mvs_outputs import write_surface
from recon_cli.systems.mvs.config import FusionConfig, MvsRecipe
from recon_cli.systems.mvs.consistency import filter_depths
from recon_cli.systems.mvs.fusion import Fused, footprint, fuse
from recon_cli.systems.mvs.start import recipe_hull
from recon_cli.systems.mvs.views import neighbour_views

Product = Literal["mesh", "points"]
DEFAULT_RECIPE = "mvs_default"


@dataclass(frozen=True)
class FuseJob:
    """One fusion as asked for.

    Attributes:
        sources: run folders of one scene (shards), or one scene folder with depth/.
        out: the PLY file, or "-" for standard output.
        recipe: how to filter and fuse.
        scene: where the scene is now, if it has moved since the runs; None takes the place that they recorded.
        product: a mesh or a point cloud.
        memory_limit: of the volume [MB], or None for the recipe's.
        device: where to compute, as ``--device`` names it.
        overwrite: whether a file at ``out`` is replaced.
    """

    sources: Sequence[Path]
    out: str
    recipe: MvsRecipe
    scene: Path | None = None
    product: Product = "mesh"
    memory_limit: int | None = None
    device: str = "auto"
    overwrite: bool = False


@dataclass(frozen=True)
class FusedViews:
    """A surface, and what became of the depths that went into it.

    Attributes:
        fused: the mesh and the points, in the scene's units.
        maps: the depths that the filter kept.
        kept: kept depths as a share of the object's pixels, for each view.
    """

    fused: Fused
    maps: DepthMaps
    kept: tuple[float, ...]

    def surface(self, product: Product) -> Mesh | PointSet:
        """The mesh or the points."""
        return self.fused.points if product == "points" else self.fused.mesh

    def record(self) -> dict[str, Any]:
        """Numbers of the surface and of the filter."""
        return {"kept": sum(self.kept) / len(self.kept), **self.fused.statistics}


def recipe_of(source: Path, name: str | None, changes: Sequence[str] | None) -> MvsRecipe:
    """The named recipe, else the one that a run was made with, else the default, with ``a.b=value`` changes.

    Raises:
        UsageError, InputError: as ``load_recipe``.
    """
    own = source / "recipe.yaml"
    return load_recipe(name or (own if own.exists() else DEFAULT_RECIPE), MvsRecipe, changes)


def check(job: FuseJob, hooks: DisplayHooks) -> dict[str, Any]:
    """Read all inputs and say what a fusion would do, without writing.

    Raises:
        InputError: what ``fuse_files`` would raise before it computes.
    """
    _check_out(job)
    choose_device(job.device)
    scene, _ = collect(job.sources, scene=job.scene, note=hooks.note, warn=hooks.warn)
    return {"plan": "fuse", "out": job.out, "views": len(scene), "product": job.product}


def fuse_files(job: FuseJob, hooks: DisplayHooks) -> dict[str, Any]:
    """Read depth maps, fuse them, write the surface, and return the record.

    Raises:
        InputError: a source is no finished run and no scene with depth maps, they do not belong together, or the output is there.
    """
    _check_out(job)
    device = choose_device(job.device)
    hold_maps_apart()
    scene, maps = collect(job.sources, scene=job.scene, note=hooks.note, warn=hooks.warn)
    # The optimised maps are as large as what the filter leaves of them: they are let go before the volume is filled.
    maps = confirm_depths(scene, maps, job.recipe, hooks=hooks, device=device)
    give_back_memory()
    found = fuse_confirmed(scene, maps, job.recipe, memory_limit=job.memory_limit, hooks=hooks, device=device)
    write_surface(job.out, found.surface(job.product))
    return {"path": job.out, "views": len(maps), **found.record()}


def confirm_depths(
    scene: Scene,
    maps: DepthMaps,
    recipe: MvsRecipe,
    *,
    hooks: Hooks,
    device: torch.device | str = "cpu",
) -> DepthMaps:
    """The depths that other views confirm.

    Args:
        scene: the views of the maps, in the same order.
        maps: optimised depth maps.
        recipe: how to filter.
        hooks: told of progress.
        device: where to compute and where the result lies.

    Raises:
        InputError: the maps are of other views.
        StoppedError: a stop was asked for.
    """
    _check_views(scene, maps)
    recipe = _for_few_views(recipe, len(maps))
    neighbours = neighbour_views(DepthIntervals(maps.cameras, maps.depth, maps.depth), recipe.views)
    return filter_depths(_on(maps, device), neighbours, recipe.filter, hooks=hooks, images=scene.images)[0]


def fuse_confirmed(
    scene: Scene,
    maps: DepthMaps,
    recipe: MvsRecipe,
    *,
    memory_limit: int | None = None,
    hooks: Hooks,
    device: torch.device | str = "cpu",
) -> FusedViews:
    """One surface of depths that other views confirm.

    Args:
        scene: the views of the maps, in the same order.
        maps: what ``confirm_depths`` left.
        recipe: how to fuse.
        memory_limit: of the volume [MB], or None for the recipe's.
        hooks: told of progress.
        device: where to compute; what is returned lies on the CPU.

    Raises:
        InputError: the volume would not fit, or no surface comes out.
        StoppedError: a stop was asked for.
    """
    config = _for_few_views(recipe, len(maps)).fusion
    if memory_limit is not None:
        config = config.model_copy(update={"memory_limit_mb": min(memory_limit, config.memory_limit_mb)})
    hull = recipe_hull(scene, recipe.start) if config.watertight and scene.masks is not None else None
    fused = fuse(maps, scene, config, hooks=hooks, hull=hull, device=device)
    _check_surface(fused, maps, config)
    fused, maps = replace(fused, mesh=fused.mesh.to("cpu"), points=fused.points.to("cpu")), _on(maps, "cpu")
    return FusedViews(fused, maps, tuple(share_of_object(scene, maps, view) for view in range(len(scene))))


def _check_views(scene: Scene, maps: DepthMaps) -> None:
    """The scene's views must be those of the maps: same size, same camera."""
    for view, name in enumerate(maps.cameras.names):
        own, other = scene.cameras[view], maps.cameras[view]
        if own.size.tolist() != other.size.tolist():
            sizes = ["x".join(map(str, camera.size[0].tolist())) for camera in (other, own)]
            raise InputError(
                f"view {name}: its depth map is {sizes[0]}, the scene's picture {sizes[1]}", hint="give the scene of these maps"
            )
        if not _are_same(own, other):
            raise InputError(f"view {name}: the scene's camera is not the one of its depth map", hint="give the scene of these maps")


def _are_same(one: Cameras, other: Cameras) -> bool:
    """Whether two cameras differ by rounding alone, in any unit of the world."""
    here, there = (camera.camera_from_world[0, :3] for camera in (one, other))
    reach = float(here[:, 3].norm())
    return (
        torch.allclose(one.K, other.K, rtol=1e-6, atol=1e-9)
        and torch.allclose(here[:, :3], there[:, :3], rtol=1e-6, atol=1e-9)
        and torch.allclose(here[:, 3], there[:, 3], rtol=1e-6, atol=1e-9 * reach)
    )


def _for_few_views(recipe: MvsRecipe, views: int) -> MvsRecipe:
    """No more views can agree than there are others."""
    fewer = recipe.filter.model_copy(update={"agreeing": min(recipe.filter.agreeing, views - 1)})
    seen = recipe.fusion.model_copy(update={"views": min(recipe.fusion.views, views)})
    return recipe.model_copy(update={"filter": fewer, "fusion": seen})


def _check_surface(fused: Fused, maps: DepthMaps, config: FusionConfig) -> None:
    if len(fused.mesh.faces):
        return
    usual = config.voxel_pixels * footprint(maps)
    seen = f"voxels of {config.voxel:g}" if config.voxel is not None else "the depths that views confirm"
    raise InputError(f"no surface comes out of {seen}", hint=f"try --voxel {usual:.3g}, or loosen the filter (filter.agreeing)")


def _on(maps: DepthMaps, device: torch.device | str) -> DepthMaps:
    """The maps on a device, without normals."""
    confidence = None if maps.confidence is None else tuple(values.to(device) for values in maps.confidence)
    return DepthMaps(maps.cameras, tuple(values.to(device) for values in maps.depth), None, confidence)


def share_of_object(scene: Scene, maps: DepthMaps, view: int) -> float:
    """Pixels of the object in a view that have a depth, as a share of all of them."""
    mask = scene.mask(view)
    return int(((maps.depth[view] > 0) & mask).sum()) / max(1, int(mask.sum()))


def _check_out(job: FuseJob) -> None:
    if is_stream(job.out):
        return
    path = Path(job.out)
    if path.suffix.lower() != ".ply" and (path.suffix.lower() != ".obj" or job.product == "points"):
        raise InputError(f"ends in {path.suffix or 'nothing'!r}, expected .ply", path=path, hint="name the file mesh.ply, or - for stdout")
    if path.exists() and not job.overwrite:
        raise InputError("is already there", path=path, hint="--overwrite to replace it, or choose another -o")
    check_output_folder(path.parent)
