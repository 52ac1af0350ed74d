"""The inputs of a multi-view stereo reconstruction, read from files and checked before anything is computed."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.errors import InputError, UsageError
from recon_cli.core.mesh import Mesh
from recon_cli.core.scene import Scene
from recon_cli.io.cameras import CameraFile, read_camera_file
from recon_cli.io.depth_folders import DepthKind, read_depth_maps
from recon_cli.io.meshes import read_mesh
from recon_cli.io.scenes import CAMERAS, read_scene


@dataclass(frozen=True)
class MvsSources:
    """Where the inputs of a reconstruction are, and which part of them is meant.

    Attributes:
        scene: the scene folder.
        max_size: longest side that pictures are shrunk to [px], or None.
        views: names of the only views to use, or their number: so many, evenly spread; None takes all.
        leave_out: names of views that are held out for evaluation.
        mesh: a rough surface to begin with, or None.
        depth: a folder of depth maps to begin with, or None.
        depth_kind: whether these hold z or the length of the ray.
    """

    scene: Path
    max_size: int | None = None
    views: Sequence[str] | int | None = None
    leave_out: Sequence[str] = ()
    mesh: Path | None = None
    depth: Path | None = None
    depth_kind: DepthKind = "z"

    def paths(self) -> Iterator[Path]:
        """All files and folders that the result depends on.

        Raises:
            InputError: the scene has no readable cameras.json.
        """
        yield self.scene / CAMERAS
        file = read_scene_cameras(self.scene)
        for kind, listed in (("images", file.images), ("masks", file.masks)):
            named = [path for path in listed if path is not None]
            yield from named or _present(self.scene / kind)
        yield from _present(self.scene / "points.ply")
        yield from (path for path in (self.mesh, self.depth) if path is not None)


@dataclass(frozen=True)
class MvsInputs:
    """What a reconstruction works on.

    Attributes:
        scene: the views that take part.
        skipped: why a view that should have taken part does not, by its name.
        mesh: a rough surface to begin with, or None.
        maps: depth maps to begin with, or None.
    """

    scene: Scene
    skipped: Mapping[str, str] = field(default_factory=dict)
    mesh: Mesh | None = None
    maps: DepthMaps | None = None


def load_inputs(sources: MvsSources, note: Callable[[str], None] = lambda text: None) -> MvsInputs:
    """Read and check everything.

    Raises:
        InputError: a file is missing, malformed, or does not fit the others, or fewer than two views are left.
        UsageError: a view is named that the scene does not have.
    """
    names = read_scene_cameras(sources.scene).cameras.names
    chosen = set(chosen_views(names, sources))
    skipped: dict[str, str] = {}
    others = [name for name in names if name not in chosen]
    scene = read_scene(sources.scene, max_size=sources.max_size, leave_out=others, note=note, skip=skipped.__setitem__)
    if len(scene) < 2:
        reasons = "".join(f"; {name}: {reason}" for name, reason in skipped.items())
        raise InputError(
            f"{len(scene)} of {len(names)} views can be used, expected at least 2{reasons}",
            path=sources.scene,
            hint="check the masks, --views and --leave-out",
        )
    mesh = None if sources.mesh is None else read_mesh(sources.mesh, geometry_only=True)
    maps = None
    if sources.depth is not None:
        maps = read_depth_maps(sources.depth, scene.cameras, depth_kind=sources.depth_kind, is_partial=True, note=note)
    return MvsInputs(scene, skipped, mesh, maps)


def read_scene_cameras(scene: Path) -> CameraFile:
    """The cameras of a scene folder.

    Raises:
        InputError: there is no such folder, or no valid cameras.json in it.
    """
    if not scene.is_dir():
        seen = "is a file" if scene.exists() else "does not exist"
        raise InputError(f"{seen}, expected a scene folder with {CAMERAS} and images", path=scene, hint="recon prepare cameras makes one")
    if not (scene / CAMERAS).exists():
        raise InputError(f"has no {CAMERAS}, expected a scene folder", path=scene, hint="recon prepare cameras makes one")
    return read_camera_file(scene / CAMERAS)


def chosen_views(names: Sequence[str], sources: MvsSources) -> list[str]:
    """Names of the views that take part, in the scene's order.

    Raises:
        UsageError: a view is named that the scene does not have.
    """
    _expect_known(sources.leave_out, names, "--leave-out")
    rest = [name for name in names if name not in set(sources.leave_out)]
    if sources.views is None:
        return rest
    if isinstance(sources.views, int):
        return _spread(rest, sources.views)
    _expect_known(sources.views, names, "--views")
    return [name for name in rest if name in set(sources.views)]


def _spread(names: Sequence[str], count: int) -> list[str]:
    if not 2 <= count <= len(names):
        raise UsageError(f"--views {count}: expected 2 to {len(names)}, or names with commas between them")
    return [names[(2 * k + 1) * len(names) // (2 * count)] for k in range(count)]


def _expect_known(wanted: Sequence[str], names: Sequence[str], flag: str) -> None:
    for name in wanted:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            guess = f"; did you mean {close[0]}?" if close else f"; the first of {len(names)} is {names[0]}"
            raise UsageError(f"{flag}: the scene has no view {name}{guess}")


def _present(path: Path) -> Iterator[Path]:
    if path.exists():
        yield path
