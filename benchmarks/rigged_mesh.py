"""A person's mesh as made-up individuals: a skeleton placed by the mesh's proportions, skin weights, and space warps to other proportions.

The mesh stands with its arms stretched aside, y up, facing +z. Nothing in it is marked by hand: joints lie at the heights of an average
adult, in the middle of the mesh's sections; reach and height of the arms are measured.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from recon_cli.core.closed_surface import closed_mesh
from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.io.meshes import read_mesh
from recon_cli.prepare.synth.body_contact import capsules_of
from recon_cli.prepare.synth.body_figure import Body
from recon_cli.prepare.synth.body_person import draw_person, person_skeleton
from recon_cli.prepare.synth.body_person_flesh import person_flesh
from recon_cli.prepare.synth.body_skeleton import Skeleton, placed, vector
from recon_cli.prepare.synth.body_skin import skin_weights, skinned
from recon_cli.prepare.synth.body_solid import Cone, Solid, with_twins

Array = np.ndarray

SLICE = 0.013
"""Half the thickness of the sections in whose middle joints lie; lengths are shares of the stature."""
LOWEST = 0.1
"""Height of the lowest section: below it feet lie in front of the ankles."""
SEAM = 0.016
"""Width of the blend of skin weights between bones."""
LOWERED = -45.0
"""Angle of the upper arms in the canonical pose: stretched arms come down to those of the skeleton's table [degrees]."""
FINENESS = (2600, 5600)
"""Range of the number of vertices of an individual's own mesh."""
AVERAGE: dict[str, float | str] = {
    **dict.fromkeys(("stature", "girth", "muscle", "legs", "arms", "shoulders", "hips", "head"), 1.0),
    "belly": 0.3,
    "bust": 0.3,
    "clothes": "none",
}
TRUNK = ("pelvis", "spine_1", "spine_2", "spine_3")
ARM = ("upper_arm", "forearm", "hand")
LIMBS = {"thigh": "legs", "shin": "legs", "upper_arm": "arms", "forearm": "arms", "hand": "arms", "clavicle": "shoulders", "foot": "legs"}


@dataclass(frozen=True)
class RiggedMesh:
    """A closed mesh in the canonical pose of a skeleton, both in shares of its stature.

    Attributes:
        vertices: shape [V, 3].
        faces: shape [F, 3].
        weights: of the skin, shape [V, J].
        skeleton: in the middle of the mesh.
    """

    vertices: Array  # [V, 3]
    faces: Array  # [F, 3]
    weights: Array  # [V, J]
    skeleton: Skeleton


def read_closed(file: Path) -> tuple[Mesh, str]:
    """The mesh of a file, closed, and what was needed for that.

    Raises:
        InputError: the file is missing or damaged, or merging vertices does not close the surface.
    """
    mesh = read_mesh(file, geometry_only=True)
    closed = closed_mesh(mesh, file)
    pieces = len(closed.vertices) - len(closed.faces) // 2
    if pieces != 2:
        raise InputError(f"has the Euler characteristic {pieces}, expected 2: one body without handles", path=file)
    lost = len(mesh.vertices) - len(closed.vertices)
    return closed, f"{lost} vertices merged" if lost else "nothing: closed, one piece, no handles"


def rigged(mesh: Mesh) -> RiggedMesh:
    """Put a skeleton into a mesh with stretched arms, and lower its arms to the canonical pose."""
    vertices = mesh.vertices.double().numpy()
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    vertices = (vertices - [(low[0] + high[0]) / 2, low[1], 0.0]) / (high[1] - low[1])
    faces = mesh.faces.numpy()
    skeleton = _fitted(vertices)
    weights = skin_weights(_flesh(AVERAGE, skeleton, vertices, faces), skeleton, vertices, faces)
    angles = np.zeros((1, len(skeleton), 3))
    angles[0, [skeleton.find("left_upper_arm"), skeleton.find("right_upper_arm")], 1] = np.radians(LOWERED)
    pose = placed(skeleton, angles, np.eye(3)[None])
    tails = pose.carried(skeleton.tails, np.arange(len(skeleton)))[0]
    return RiggedMesh(skinned(pose, weights, vertices)[0], faces, weights, replace(skeleton, heads=pose.joints[0], tails=tails))


def _fitted(vertices: Array) -> Skeleton:
    """The average skeleton with its arms stretched to where those of the mesh are, its joints in the middle of sections."""
    table = person_skeleton(AVERAGE)
    ends = np.stack([table.heads, table.tails])  # [2, J, 3]
    is_on_arm = np.array([[name.endswith(ARM), name.endswith(("clavicle", *ARM))] for name in table.names]).T  # [2, J]
    is_tip = np.array([[False, name.endswith(("hand", "foot", "head"))] for name in table.names]).T
    ends[is_on_arm] = _along_arms(ends[is_on_arm], vertices, table.heads[table.find("left_upper_arm")])
    for end, bone in np.argwhere(~is_tip):
        ends[end, bone] = _centred(vertices, ends[end, bone], 0 if is_on_arm[end, bone] else 1)
    return replace(table, heads=ends[0], tails=ends[1])


def _along_arms(points: Array, vertices: Array, shoulder: Array) -> Array:  # [N, 3], [V, 3], [3] -> [N, 3]
    """Joints of lowered arms on straight ones, as far from the shoulder as the reach of the mesh asks for."""
    reach = vertices[:, 0].max()
    arms = vertices[np.abs(vertices[:, 0]) > 0.4 * reach]
    height = (arms[:, 1].min() + arms[:, 1].max()) / 2
    along = np.linalg.norm(points - shoulder * np.stack([np.sign(points[:, 0]), *np.ones((2, len(points)))], axis=-1), axis=-1)
    out = shoulder[0] + (reach - shoulder[0]) * along / along.max()
    return np.stack([np.sign(points[:, 0]) * out, np.full(len(points), height), points[:, 2]], axis=-1)


def _centred(vertices: Array, point: Array, along: int) -> Array:  # [V, 3], [3] -> [3]
    """A joint in the middle of the section square to an axis: of a leg on its side of the body, of the trunk back to front alone."""
    section = vertices[np.abs(vertices[:, along] - max(point[along], LOWEST if along else -1.0)) < SLICE]
    if along == 0:
        section = section[np.abs(section[:, 1] - point[1]) < 0.05]
        return np.array([point[0], point[1], (section[:, 2].min() + section[:, 2].max()) / 2])
    section = section[(np.abs(section[:, 0]) < 0.12) & (section[:, 0] * np.sign(point[0]) >= 0)]
    middle = (section.min(axis=0) + section.max(axis=0)) / 2
    return np.array([middle[0] if abs(point[0]) > 0.03 else point[0], point[1], middle[2]])


def _flesh(p: dict, skeleton: Skeleton, vertices: Array, faces: Array) -> Solid:
    """What the bones carry; the lowest of the mesh's middle plane belongs to the pelvis, not to either thigh."""
    pelvis = skeleton.heads[0]
    sides = vertices[faces, 0]
    crossing = vertices[faces[(sides.min(axis=1) < 0) & (sides.max(axis=1) > 0)], 1]
    middle = Cone("pelvis", vector(pelvis), (0.0, float(crossing.min()), float(pelvis[2])), 0.03, 0.008)
    return Solid((*with_twins(person_flesh(p, skeleton)), middle), SEAM)


def draw_individual(mesh: RiggedMesh, generator: np.random.Generator) -> Body:
    """Somebody of other proportions, with a mesh of their own: no vertex of one individual corresponds to one of another."""
    p = draw_person(generator) | {"clothes": "none"}
    stretched = _stretches(mesh.skeleton, p)
    skeleton = _stretched_skeleton(mesh.skeleton, stretched)
    moved = (stretched @ (mesh.vertices[:, None] - mesh.skeleton.heads)[..., None])[..., 0] + skeleton.heads  # [V, J, 3]
    dense = (mesh.weights[..., None] * moved).sum(axis=1)
    vertices, faces = _own_mesh(Mesh(torch.from_numpy(dense), torch.from_numpy(mesh.faces)), generator)
    # Weights are made anew: those of the nearest point would jump from thigh to thigh where they touch.
    solid = _flesh(p, skeleton, vertices, faces)
    weights = skin_weights(solid, skeleton, vertices, faces)
    scale = float(p["stature"]) / float(np.ptp(vertices[:, 1]))
    shift = np.array([0.0, -scale * vertices[:, 1].min(), 0.0])
    return Body(
        skeleton=skeleton.moved(scale, shift),
        vertices=(scale * vertices + shift).astype(np.float32).astype(np.float64),
        faces=faces,
        weights=weights,
        capsules=capsules_of(solid, skeleton).moved(scale, shift),
        scale=scale,
        proportions=p,
    )


def _stretches(skeleton: Skeleton, p: dict) -> Array:  # [J, 3, 3]
    """Linear maps of the space around every bone: along limbs by their lengths, across them and the trunk by girths."""
    maps = []
    for name, head, tail in zip(skeleton.names, skeleton.heads, skeleton.tails):
        kind = name.removeprefix("left_").removeprefix("right_")
        if kind in TRUNK:
            wide = p["hips"] if kind in TRUNK[:2] else p["shoulders"]
            deep = p["girth"] * (1 + 0.15 * p["belly"] * (kind != "spine_3"))
            maps.append(np.diag([wide * p["girth"] ** 0.7, 2 - p["legs"], deep]))
        elif kind in LIMBS:
            along = (tail - head) / np.linalg.norm(tail - head)
            across = 1.0 if kind in ("hand", "foot") else p["muscle"] * p["girth"] ** 0.6
            maps.append(across * np.eye(3) + (p[LIMBS[kind]] - across) * np.outer(along, along))
        else:
            maps.append(p["head"] * np.eye(3))
    return np.array(maps)


def _stretched_skeleton(skeleton: Skeleton, stretched: Array) -> Skeleton:
    """Joints ride on the stretched space around their parents."""
    heads = skeleton.heads.copy()
    for j, parent in enumerate(skeleton.parents[1:], start=1):
        heads[j] = heads[parent] + stretched[parent] @ (skeleton.heads[j] - skeleton.heads[parent])
    tails = heads + (stretched @ (skeleton.tails - skeleton.heads)[..., None])[..., 0]
    return replace(skeleton, heads=heads, tails=tails)


def _own_mesh(dense: Mesh, generator: np.random.Generator) -> tuple[Array, Array]:  # [V, 3], [F, 3]
    """A thinned mesh whose vertices are shuffled, still closed."""
    import open3d

    vector = open3d.utility
    surface = open3d.geometry.TriangleMesh(vector.Vector3dVector(dense.vertices.numpy()), vector.Vector3iVector(dense.faces.int().numpy()))
    thin = surface.simplify_quadric_decimation(2 * int(generator.integers(*FINENESS)))
    order = generator.permutation(len(thin.vertices))
    return np.asarray(thin.vertices)[order], np.argsort(order)[np.asarray(thin.triangles).astype(np.int64)]
