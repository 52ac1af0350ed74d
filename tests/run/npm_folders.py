"""Small folders of bodies: tubes of several sizes and meshes, bent at two places."""

from __future__ import annotations

import json
from pathlib import Path

from recon_cli.io.meshes import write_mesh
from tests.systems.npm.test_learning import Family

SMALL = [
    *("--set", "template.samples=400", "--set", "template.rounds=1"),
    *("--set", "skin.patches=40", "--set", "skin.merging=0.008", "--set", "skin.points=150", "--set", "skin.rounds=2"),
]
"""The default recipe, made small enough for tests."""


def write_tubes(folder: Path, *, poses: int = 4) -> Path:
    """Four identities, a to d, as recon npm train takes them."""
    family, lines = Family(poses), []
    for identity, name in enumerate(family.names):
        mesh = family.canonical(identity)
        write_mesh(folder / name / "rest.ply", mesh)
        for pose in range(poses):
            write_mesh(folder / name / "poses" / f"{pose:06d}.ply", mesh.with_vertices(family.posed(identity, pose)))
        lines.append({"id": name, "canonical": f"{name}/rest.ply", "meshes": f"{name}/poses"})
    (folder / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder
