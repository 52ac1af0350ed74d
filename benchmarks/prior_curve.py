"""How well the learned photo-consistency and plain correlation tell points on a surface from points off it.

On rendered rigs that no training saw, and, with --scene and --tracks, on triangulated points of a real scene: there a point counts as seen
by a view where no other point hides it, a pixel's ray stands for the point's own, and no tilt is told.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from torch import Tensor

from recon_cli.config.recipe import load_recipe
from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthMaps
from recon_cli.io.points import read_points
from recon_cli.io.scenes import read_scene
from recon_cli.run.mvs_prior_scenes import RigScenes
from recon_cli.run.mvs_prior_weights import read_network
from recon_cli.systems.mvs.prior_config import PriorConfig
from recon_cli.systems.mvs.prior_correlation import CorrelationPrior
from recon_cli.systems.mvs.prior_learned import LearnedPrior
from recon_cli.systems.mvs.prior_measures import measured, scored_points
from recon_cli.systems.mvs.prior_samples import TrainingScene

RIGS_FROM = 2 * 10**6
CELL = 12  # pixels of the coarse depth map that hides points
TOLERANCE = 0.01


def sparse_depth(cameras: Cameras, view: int, points: Tensor) -> Tensor:  # [H, W]
    """Depth of the points that are in front in their surroundings, at the pixels that they fall into."""
    place, z = (values[0] for values in cameras[view].project(points.double()))
    width, height = cameras.size[view].tolist()
    inside = (z > 0) & (place >= 0).all(dim=-1) & (place[:, 0] < width) & (place[:, 1] < height)
    place, z = place[inside], z[inside]
    rows, columns = -(-height // CELL), -(-width // CELL)
    cell = (place[:, 1] // CELL).long() * columns + (place[:, 0] // CELL).long()
    nearest = torch.full((rows * columns,), torch.inf, dtype=z.dtype).scatter_reduce(0, cell, z, "amin")
    nearest = -torch.nn.functional.max_pool2d(-nearest.reshape(1, 1, rows, columns), 3, stride=1, padding=1).reshape(-1)
    front = z < nearest[cell] * (1 + TOLERANCE)
    column, row = place[front].floor().long().T
    depth = torch.zeros(height, width)
    depth[row, column] = z[front].float()
    return depth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--rigs", type=int, default=6)
    parser.add_argument("--scene", type=Path)
    parser.add_argument("--tracks", type=Path)
    parser.add_argument("--max-size", type=int, default=800)
    parser.add_argument("--batches", type=int, default=8)
    options = parser.parse_args()
    torch.set_num_threads(1)
    network, config = read_network(options.weights), load_recipe("mvs_prior", PriorConfig)
    priors = [lambda scene: LearnedPrior(scene, network), CorrelationPrior]
    sampling = config.sampling.model_copy(update={"pixels": 500})
    sets = {"rigs": (RigScenes(config.rigs, options.rigs, seed=0, first=RIGS_FROM), sampling, options.batches)}
    if options.scene is not None:
        scene = read_scene(options.scene, max_size=options.max_size)
        points = read_points(options.tracks).points
        depths = tuple(sparse_depth(scene.cameras, view, points) for view in range(len(scene)))
        untold = sampling.model_copy(update={"slope_share": 0.0})
        sets["tracks"] = ([TrainingScene(scene, DepthMaps(scene.cameras, depths))], untold, 4 * options.batches)
    for name, (scenes, drawn, batches) in sets.items():
        for prior, points in zip(("learned", "correlation"), scored_points(priors, scenes, drawn, batches=batches, seed=1), strict=True):
            curve = measured(points, threshold=0.5 if prior == "learned" else None)
            bins = {f"{low:g}-{high:g} px": round(value, 3) for (low, high), value in zip(curve.bins, curve.bin_auc, strict=True)}
            print(json.dumps({"points": name, "prior": prior, "auc": round(curve.auc, 4), "accuracy": round(curve.accuracy, 4), **bins}))


if __name__ == "__main__":
    main()
