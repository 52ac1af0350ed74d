"""Commands of ``recon eval`` that look at a reconstruction through the views of its scene."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from recon_cli.cli.console import Console, emit
from recon_cli.cli.eval_surfaces import Thresholds, read_mesh_surface
from recon_cli.cli.options import Json, MaxSize, Quiet, Seed, Verbose
from recon_cli.core.errors import InputError, UsageError

MeshFile = Annotated[str, typer.Argument(metavar="MESH", help="PLY or OBJ with faces; - reads standard input.")]
SceneFolder = Annotated[Path, typer.Argument(metavar="SCENE", help="Scene folder: cameras.json, images/ and masks/.")]
Views = Annotated[
    list[str] | None,
    typer.Option("--views", metavar="A,B,…", help="Names of views, separated by commas; may be repeated.", show_default=False),
]


class DepthKind(StrEnum):
    """What the values of a depth map are."""

    z = "z"
    ray = "ray"


def depth(
    prediction: Annotated[Path, typer.Argument(metavar="PREDICTION_DIR", help="Folder with depth/NAME.exr, or a run folder.")],
    reference: Annotated[Path, typer.Argument(metavar="REFERENCE_DIR", help="Folder with depth/NAME.exr of exact depths.")],
    cameras: Annotated[
        Path | None,
        typer.Option("--cameras", metavar="JSON", help="Views to compare; by default the reference's cameras.json.", show_default=False),
    ] = None,
    thresholds: Thresholds = None,
    pixel_thresholds: Annotated[
        list[float] | None,
        typer.Option("--pixels", metavar="N", help="Tolerance in footprints of a pixel; may be repeated (1).", show_default=False),
    ] = None,
    completeness: Annotated[
        float | None,
        typer.Option("--completeness", min=0.0, max=1.0, metavar="C", help="Judge the surest pixels up to here.", show_default=False),
    ] = None,
    kind: Annotated[DepthKind, typer.Option("--depth-kind", help="What the reference's values are.")] = DepthKind.z,
    partial: Annotated[bool, typer.Option("--partial", help="Leave out views that the prediction has no map of.")] = False,
    seed: Seed = 0,
    json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Errors of depth maps over all pixels of all views.

    With --json one record a view, then the whole; else the whole, with the views on stderr under -v.
    """
    from recon_cli.io.cameras import read_cameras
    from recon_cli.io.depth_folders import read_depth_maps
    from recon_cli.metrics.depth import FORMULA, depth_errors, depth_errors_by_view, errors_at_completeness

    with Console(quiet=quiet, verbose=verbose) as console:
        views = read_cameras(cameras or _cameras_file(reference, prediction))
        found = read_depth_maps(_maps_folder(prediction), views, is_partial=partial, note=console.note)
        kept = views.chosen([views.names.index(name) for name in found.cameras.names])
        truth = read_depth_maps(_maps_folder(reference), kept, depth_kind=kind.value, note=console.note)
        limits: dict[str, Any] = {"thresholds": thresholds or [], "pixel_thresholds": pixel_thresholds or [1.0]}
        for name, errors in depth_errors_by_view(found, truth, **limits).items():
            if json:
                emit({"view": name, **errors.record()}, json=True)
            else:
                console.detail(f"{name}: median {errors.median:.4g}  completeness {errors.completeness:.4f}")
    if completeness is None:
        whole = depth_errors(found, truth, **limits)
    else:
        whole = errors_at_completeness(found, truth, completeness, seed=seed, **limits)
    emit({"views": len(truth), **whole.record(), "formula": FORMULA}, json=json)


def photometric(
    mesh: MeshFile,
    scene: SceneFolder,
    views: Views = None,
    neighbours: Annotated[int, typer.Option("--neighbours", min=1, metavar="N", help="Pictures warped into each view.")] = 3,
    window: Annotated[int, typer.Option("--window", min=3, metavar="PX", help="Side of the window, odd.")] = 7,
    max_size: MaxSize = None,
    json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """How well a mesh warps other pictures into views that its reconstruction never saw: a measure without ground truth.

    With --json one record a view, then the mean; else the mean, with the views on stderr under -v.
    """
    from recon_cli.io.scenes import read_scene
    from recon_cli.metrics.photometric import FORMULA, WarpSettings, held_out_agreement
    from recon_cli.render.depth import mesh_depths

    if window % 2 == 0:
        raise UsageError(f"--window {window} is even; expected an odd number, so that it has a middle")
    if not views:
        raise UsageError("no --views given", hint="name the views that were left out of the reconstruction, as in --views 000003,000017")
    surface = read_mesh_surface(mesh)
    seen = read_scene(scene, max_size=max_size)
    chosen = _view_numbers(views, seen.cameras.names, scene)
    found = held_out_agreement(seen, mesh_depths(surface, seen.cameras), chosen, settings=WarpSettings(neighbours, window))
    _emit_views(
        [one.record() for one in found], ("ncc", "covered", "score"), {"formula": FORMULA}, json, Console(quiet=quiet, verbose=verbose)
    )


def silhouette(
    mesh: MeshFile,
    scene: SceneFolder,
    views: Views = None,
    max_size: MaxSize = None,
    json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Intersection over union of a mesh's outlines and the masks of a scene.

    With --json one record a view, then the mean and the least; else those two, with the views on stderr under -v.
    """
    from recon_cli.io.scenes import read_scene
    from recon_cli.metrics.silhouette import silhouette_overlaps
    from recon_cli.render.depth import mesh_depths

    console = Console(quiet=quiet, verbose=verbose)
    surface = read_mesh_surface(mesh)
    seen = read_scene(scene, max_size=max_size, note=console.note)
    if views:
        seen = seen.chosen(_view_numbers(views, seen.cameras.names, scene))
    records = [one.record() for one in silhouette_overlaps(seen, mesh_depths(surface, seen.cameras))]
    least = {"least_iou": min(float(record["iou"]) for record in records)}
    _emit_views(records, ("iou", "missing", "beyond"), least, json, console)


def _emit_views(records: list[dict[str, Any]], keys: Sequence[str], more: dict[str, Any], json: bool, console: Console) -> None:
    """The views, then the mean over those that have a figure."""
    from statistics import fmean

    with console:
        for record in records:
            if json:
                emit(record, json=True)
            else:
                console.detail(f"{record['view']}: " + "  ".join(f"{key} {record[key]:.4f}" for key in keys))
    finite = {key: [value for record in records if (value := float(record[key])) == value] for key in keys}
    mean = {key: fmean(values) if values else float("nan") for key, values in finite.items()}
    emit({"views": len(records), **mean, **more}, json=json)


def _view_numbers(given: list[str], names: Sequence[str], scene: Path) -> list[int]:
    wanted = [name.strip() for text in given for name in text.split(",") if name.strip()]
    for name in wanted:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"its views are {', '.join(names[:5])}" + (", …" if len(names) > 5 else "")
            raise InputError(f"there is no view {name!r}", path=scene, hint=hint)
    return [names.index(name) for name in dict.fromkeys(wanted)]


def _maps_folder(folder: Path) -> Path:
    """What holds depth/: a run folder keeps it in out/."""
    return folder / "out" if not (folder / "depth").is_dir() and (folder / "out" / "depth").is_dir() else folder


def _cameras_file(reference: Path, prediction: Path) -> Path:
    candidates = [folder / part / "cameras.json" for folder in (reference, prediction) for part in ("", "out", "..")]
    found = next((file for file in candidates if file.exists()), None)
    if found is None:
        raise InputError("there is no cameras.json in or beside it, nor with the prediction", path=reference, hint="name it with --cameras")
    return found
