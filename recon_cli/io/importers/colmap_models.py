"""COLMAP's camera models: which numbers each has, and the pinhole and lens that they make."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recon_cli.core.distortion import Distortion
from recon_cli.core.errors import InputError

MODELS: dict[int, tuple[str, tuple[str, ...]]] = {
    0: ("SIMPLE_PINHOLE", ("f", "cx", "cy")),
    1: ("PINHOLE", ("fx", "fy", "cx", "cy")),
    2: ("SIMPLE_RADIAL", ("f", "cx", "cy", "k1")),
    3: ("RADIAL", ("f", "cx", "cy", "k1", "k2")),
    4: ("OPENCV", ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2")),
    5: ("OPENCV_FISHEYE", ("fx", "fy", "cx", "cy", "k1", "k2", "k3", "k4")),
    6: ("FULL_OPENCV", ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3", "q1", "q2", "q3")),
    8: ("SIMPLE_RADIAL_FISHEYE", ("f", "cx", "cy", "k1")),
    9: ("RADIAL_FISHEYE", ("f", "cx", "cy", "k1", "k2")),
    10: ("THIN_PRISM_FISHEYE", ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3", "k4", "sx", "sy")),
}
"""Name and parameters by COLMAP's number, in the order of its files; q1 to q3 are OpenCV's k4 to k6."""

_REFUSED = {7: "FOV", 11: "RAD_TAN_THIN_PRISM_FISHEYE"}
_BY_NAME = {name: number for number, (name, _) in MODELS.items()} | {name: number for number, name in _REFUSED.items()}


def model_number(name: str) -> int:
    """COLMAP's number of a model.

    Raises:
        InputError: the model is not read here.
    """
    if name not in _BY_NAME:
        raise _refusal(name)
    return _BY_NAME[name]


def parameter_names(number: int) -> tuple[str, ...]:
    """The parameters of a model, in file order.

    Raises:
        InputError: the model is not read here.
    """
    if number not in MODELS:
        raise _refusal(_REFUSED.get(number, f"number {number}"))
    return MODELS[number][1]


def lens(number: int, values: Sequence[float]) -> tuple[np.ndarray, Distortion]:
    """K, shape [3, 3], and the distortion that a model's parameters make.

    Raises:
        InputError: the model is not read here, or has another number of parameters.
    """
    names = parameter_names(number)
    if len(values) != len(names):
        raise InputError(f"model {MODELS[number][0]} has {len(values)} parameters, expected {len(names)} ({', '.join(names)})")
    given = dict(zip(names, values))

    def of(name: str) -> float:
        return given.get(name, 0.0)

    fx, fy = given.get("fx", of("f")), given.get("fy", of("f"))
    K = np.array([[fx, 0.0, of("cx")], [0.0, fy, of("cy")], [0.0, 0.0, 1.0]])
    distortion = Distortion(
        is_fisheye=MODELS[number][0].endswith("FISHEYE"),
        radial=(of("k1"), of("k2"), of("k3"), of("k4")),
        rational=(of("q1"), of("q2"), of("q3")),
        tangential=(of("p1"), of("p2")),
        thin_prism=(of("sx"), of("sy")),
    )
    return K, distortion


def _refusal(model: str) -> InputError:
    return InputError(
        f"has a camera of model {model}, expected one of {', '.join(name for name, _ in MODELS.values())}",
        hint="undistort first: `colmap image_undistorter --image_path IMAGES --input_path SPARSE --output_path UNDISTORTED`",
    )
