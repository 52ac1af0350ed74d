"""Commands of ``recon eval`` that compare a surface with a scan or with points."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from recon_cli.cli.console import emit
from recon_cli.cli.options import Json, Seed
from recon_cli.core.errors import InputError, UsageError

Prediction = Annotated[str, typer.Argument(metavar="PREDICTION", help="PLY or OBJ; - reads standard input.")]
Scan = Annotated[str, typer.Argument(metavar="SCAN", help="Points of the reference (PLY or OBJ); - reads standard input.")]
Thresholds = Annotated[
    list[float] | None,
    typer.Option("--threshold", metavar="T", help="Tolerance in scene units; may be repeated.", show_default=False),
]


class Protocol(StrEnum):
    """Which benchmark's way of counting points."""

    points = "points"
    tanks = "tanks"
    eth3d = "eth3d"


def dtu(
    prediction: Prediction,
    scan: Scan,
    mask: Annotated[
        Path | None, typer.Option("--obs-mask", metavar="MAT", help="The official ObsMask…_10.mat of the scan.", show_default=False)
    ] = None,
    plane: Annotated[
        Path | None, typer.Option("--plane", metavar="MAT", help="The official Plane….mat of the scan.", show_default=False)
    ] = None,
    spacing: Annotated[float, typer.Option("--spacing", min=1e-9, metavar="MM", help="Of points on a mesh, and after thinning.")] = 0.2,
    cut: Annotated[float, typer.Option("--cut", min=1e-9, metavar="MM", help="Distances of this and more are left out.")] = 20.0,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Accuracy, completeness and their mean by the DTU protocol, in millimetres.

    Without --obs-mask and --plane every point counts; the record says which protocol its figures follow. Figures of different protocols
    do not compare.
    """
    expect_one_stream(prediction, scan)
    from recon_cli.io.observed_volume import read_ground_plane, read_observed_volume
    from recon_cli.io.surfaces import read_surface
    from recon_cli.metrics.dtu import DtuProtocol, dtu_score

    observed = None if mask is None else read_observed_volume(mask)
    above = None if plane is None else read_ground_plane(plane)
    settings = DtuProtocol(spacing=spacing, cut=cut, seed=seed)
    found = dtu_score(read_surface(prediction), _vertices(scan), observed=observed, plane=above, protocol=settings)
    emit({**found.record(), "prediction": prediction, "scan": scan, "seed": seed}, json=json)


def fscore(
    prediction: Prediction,
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help="PLY or OBJ; - reads standard input.")],
    thresholds: Thresholds = None,
    protocol: Annotated[
        Protocol,
        typer.Option(
            "--protocol", help="points: as they are; tanks: averaged in cells of half the tolerance; eth3d: 1 to 50 cm, cells of 1 cm."
        ),
    ] = Protocol.points,
    alignment: Annotated[
        Path | None,
        typer.Option("--alignment", metavar="TXT", help="Move the prediction by this transform (4 x 4 numbers) first.", show_default=False),
    ] = None,
    icp: Annotated[bool, typer.Option("--icp", help="Then refine by three rounds of ICP with scale, as Tanks and Temples does.")] = False,
    samples: Annotated[
        int, typer.Option("--samples", min=1, metavar="N", help="Points drawn by area on a mesh; a cloud's points are taken.")
    ] = 1_000_000,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Precision, recall and F-score at one or several tolerances, one record each."""
    expect_one_stream(prediction, reference)
    limits = _thresholds(thresholds, protocol)
    from recon_cli.io.surfaces import read_surface
    from recon_cli.io.transforms import read_transform
    from recon_cli.metrics.chamfer import surface_points
    from recon_cli.metrics.fscore import ETH3D_VOXEL, align_in_rounds, fscores, moved

    start = None if alignment is None else read_transform(alignment)
    found, truth = (surface_points(read_surface(path), samples=samples, seed=seed) for path in (prediction, reference))
    motion = align_in_rounds(found, truth, limits[0], start=start) if icp else start
    if motion is not None:
        found = moved(found, motion)
    cells = {Protocol.points: None, Protocol.tanks: 0.5 * limits[0], Protocol.eth3d: ETH3D_VOXEL}[protocol]
    notes = {"protocol": protocol.value, "voxel": cells, "alignment": None if motion is None else motion.tolist()}
    for score in fscores(found, truth, limits, voxel=cells):
        emit({**score.record(), **notes, "prediction": prediction, "reference": reference, "seed": seed}, json=json)


def distance(
    points: Annotated[str, typer.Argument(metavar="POINTS", help="PLY or OBJ, whose points are measured; - reads standard input.")],
    mesh: Annotated[str, typer.Argument(metavar="MESH", help="PLY or OBJ with faces; - reads standard input.")],
    thresholds: Thresholds = None,
    json: Json = False,
) -> None:
    """Distances from points to the triangles of a mesh: median, percentiles, and shares within tolerances."""
    expect_one_stream(points, mesh)
    from recon_cli.metrics.point_to_surface import distance_to_surface, point_distances

    _expect_lengths(thresholds or [])
    measured = _vertices(points)
    found = point_distances(distance_to_surface(measured, read_mesh_surface(mesh)), thresholds=thresholds or [])
    emit({**found.record(), "from": points, "to": mesh}, json=json)


def read_mesh_surface(path: str) -> Any:
    """A mesh; a file without faces is an error.

    Raises:
        InputError: the file is missing, damaged or has no faces.
    """
    from recon_cli.core.points import PointSet
    from recon_cli.io.surfaces import read_surface

    surface = read_surface(path)
    if isinstance(surface, PointSet):
        raise InputError(f"has {len(surface)} points and no faces, expected a mesh", path=path, hint="give the mesh, such as out/mesh.ply")
    return surface


def _vertices(path: str) -> Any:
    """The points of a cloud, or the vertices of a mesh."""
    from recon_cli.core.points import PointSet
    from recon_cli.io.surfaces import read_surface

    surface = read_surface(path)
    return surface.points if isinstance(surface, PointSet) else surface.vertices


def _thresholds(given: list[float] | None, protocol: Protocol) -> list[float]:
    if protocol is Protocol.eth3d and not given:
        from recon_cli.metrics.fscore import ETH3D_THRESHOLDS

        return list(ETH3D_THRESHOLDS)
    if not given:
        raise UsageError("no tolerance given", hint="add --threshold T, in scene units")
    _expect_lengths(given)
    if protocol is Protocol.tanks and len(given) > 1:
        raise UsageError(f"{len(given)} tolerances with --protocol tanks; expected one, its cells are half as large")
    return sorted(given)


def _expect_lengths(given: list[float]) -> None:
    if not all(value > 0 for value in given):
        raise UsageError(f"tolerances are {', '.join(f'{value:g}' for value in given)}; expected positive lengths")


def expect_one_stream(first: str, second: str) -> None:
    """Refuse to read both inputs from standard input.

    Raises:
        UsageError: both are ``-``.
    """
    if first == second == "-":
        raise UsageError("both inputs are -; expected at most one from standard input")
