"""Depth maps to fuse, with their pictures: of a run, of the shards of a run, or of a scene folder that has depth maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.errors import InputError
from recon_cli.core.scene import Scene
from recon_cli.io.cameras import read_cameras
from recon_cli.io.depth_folders import DEPTH, SUFFIXES, read_depth_maps
from recon_cli.io.scenes import read_scene
from recon_cli.run.folder import RECORD
from recon_cli.run.mvs_inputs import read_scene_cameras
from recon_cli.run.mvs_outputs import CAMERAS, FinishedViews, read_params
from recon_cli.run.shards import Shard

Note = Callable[[str], None]


@dataclass(frozen=True)
class MapSource:
    """Depth maps of one folder.

    Attributes:
        scene: the scene folder that they are of.
        max_size: longest side that its pictures are shrunk to [px], or None.
        maps: depth and confidence.
        shard: the part of the scene's views that these are.
    """

    scene: Path
    max_size: int | None
    maps: DepthMaps
    shard: Shard = field(default_factory=Shard)


def collect(
    sources: Sequence[Path],
    *,
    scene: Path | None = None,
    note: Note = lambda text: None,
    warn: Note = lambda text: None,
) -> tuple[Scene, DepthMaps]:
    """The depth maps of runs or of a scene folder, in the order of the scene's views, and their pictures at the same size.

    Args:
        sources: run folders of one scene, or one scene folder with depth/.
        scene: where the scene is, if it has moved since the runs.
        note: told of values that count as nothing, and of views without a map.
        warn: told of shards that are not among the sources.

    Raises:
        InputError: a source is neither, a run is not finished, runs are of different scenes, or two have the same view.
    """
    parts = [_read_source(source, scene, note) for source in sources]
    first = parts[0]
    for source, part in zip(sources[1:], parts[1:], strict=True):
        if (part.scene, part.max_size) != (first.scene, first.max_size):
            seen, expected = (f"{item.scene} at {_size_in_words(item.max_size)}" for item in (part, first))
            hint = "give shards of one scene, made with one --max-size"
            raise InputError(f"is a run of {seen}, {sources[0]} one of {expected}", path=source, hint=hint)
    _check_views_once(sources, parts)
    absent = missing_shards([part.shard for part in parts])
    if absent:
        warn(f"the sources lack shard {absent}; what only its views show will not be in the surface")
    names = [name for part in parts for name in part.maps.cameras.names]
    maps = DepthMaps.joined([part.maps for part in parts])
    order = [name for name in read_scene_cameras(first.scene).cameras.names if name in set(names)]
    unknown = sorted(set(names) - set(order))
    if unknown:
        raise InputError(f"has no view {unknown[0]}, of which there is a depth map", path=first.scene, hint="give the runs' scene: --scene")
    maps = maps.chosen([maps.cameras.names.index(name) for name in order])
    return read_pictures(first.scene, order, max_size=first.max_size, note=note), maps


def missing_shards(given: Sequence[Shard]) -> str:
    """The shards that the given ones lack, in words; empty where they are complete."""
    absent = [
        str(Shard(index, count))
        for count in sorted({shard.count for shard in given})
        for index in range(1, count + 1)
        if Shard(index, count) not in given
    ]
    if not absent:
        return ""
    rest = f" and {len(absent) - 3} more" if len(absent) > 3 else ""
    return f"{', '.join(absent[:3])}{rest}"


def _size_in_words(max_size: int | None) -> str:
    return "full size" if max_size is None else f"{max_size} px"


def _check_views_once(sources: Sequence[Path], parts: Sequence[MapSource]) -> None:
    holder: dict[str, Path] = {}
    for source, part in zip(sources, parts, strict=True):
        for name in part.maps.cameras.names:
            if name in holder:
                raise InputError(
                    f"has a depth map of view {name}, as {holder[name]} has; expected one map a view",
                    path=source,
                    hint="give each shard once, and either all shards or the whole run",
                )
            holder[name] = source


def read_pictures(scene: Path, names: Sequence[str], *, max_size: int | None, note: Note = lambda text: None) -> Scene:
    """The named views of a scene; ``note`` as for ``read_scene``.

    Raises:
        InputError: a picture is missing or damaged.
    """
    wanted = set(names)
    others = [name for name in read_scene_cameras(scene).cameras.names if name not in wanted]
    return read_scene(scene, max_size=max_size, leave_out=others, note=note)


def read_run_maps(out: Path, names: Sequence[str] | None = None) -> DepthMaps:
    """Depth and confidence of the views of a run, or of some of them.

    Raises:
        InputError: a map is missing or damaged.
    """
    cameras = read_cameras(out / CAMERAS)
    if names is not None:
        cameras = cameras.chosen([cameras.names.index(name) for name in names])
    return read_bare_maps(out, cameras)


def read_bare_maps(folder: Path, cameras: Cameras, *, note: Note = lambda text: None) -> DepthMaps:
    """Depth and confidence of the views one after the other, so that the normals, three times as large, are never all in memory."""
    return DepthMaps.joined([replace(read_depth_maps(folder, cameras[view], note=note), normals=None) for view in range(len(cameras))])


def _read_source(source: Path, scene: Path | None, note: Note) -> MapSource:
    if (source / RECORD).exists():
        return _read_run(source, scene)
    if not (source / DEPTH).is_dir():
        seen = "has no depth/" if source.is_dir() else "is a file" if source.exists() else "does not exist"
        hint = "compute depth maps first: `recon mvs depth SCENE -o RUN`, or both at once: `recon mvs run SCENE -o RUN`"
        raise InputError(f"{seen}; expected a run folder, or a scene folder with depth maps", path=source, hint=hint)
    cameras = read_scene_cameras(source).cameras
    has_map = [any((source / DEPTH / f"{name}{suffix}").exists() for suffix in SUFFIXES) for name in cameras.names]
    missing = [name for name, found in zip(cameras.names, has_map, strict=True) if not found]
    if len(missing) == len(has_map):
        raise InputError(f"holds no depth map of a camera; expected {missing[0]}.exr", path=source / DEPTH, hint="name maps after cameras")
    if missing:
        note(f"{source / DEPTH}: no depth map of {len(missing)} of {len(has_map)} views, {missing[0]} the first; they are left out")
    cameras = cameras.chosen([view for view, found in enumerate(has_map) if found])
    maps = read_bare_maps(source, cameras, note=note)
    side = int(maps.cameras.size.max())
    return MapSource(source.resolve(), side if side < int(cameras.size.max()) else None, maps)


def _read_run(run: Path, scene: Path | None) -> MapSource:
    params = read_params(run)
    cameras = read_cameras(run / "out" / CAMERAS)
    done = FinishedViews.of(run / "checkpoints").names()
    open_views = [name for name in cameras.names if name not in done]
    if open_views:
        raise InputError(
            f"is not finished: {len(open_views)} of {len(cameras)} views have no depth map yet",
            path=run,
            hint="run the command in its command.txt again to go on",
        )
    place = (scene or Path(params["scene"])).resolve()
    if not place.is_dir():
        raise InputError(f"was made from {place}, which is not there", path=run, hint="say with --scene DIR where the scene is now")
    return MapSource(place, params.get("max_size"), read_run_maps(run / "out"), Shard.parse(params.get("shard")))
