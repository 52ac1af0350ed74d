"""Recipe of the fits that descend through the renderer: the paper's own through the simulator, and its baseline of free offsets."""

from __future__ import annotations

from pydantic import Field

from recon_cli.config.recipe import Recipe


class WindowConfig(Recipe):
    """Which frames take part (paper Sec. 3.3, Fig. 3)."""

    is_adaptive: bool = Field(default=True, description="grow the window frame by frame; otherwise all frames take part at once")
    first_frames: int = Field(default=5, ge=2, description="frames of the first window, the template's own included")
    first_iterations: int = Field(default=40, ge=1, description="iterations on the first window, before there is a threshold")
    iterations_per_frame: int = Field(default=10, ge=1, description="iterations on a window at most, threshold met or not")
    last_iterations: int = Field(default=60, ge=0, description="iterations once all frames take part")


class EnergyConfig(Recipe):
    """What is minimised (paper Eq. 7-9) and how it is drawn."""

    silhouette_weight: float = Field(default=0.5, ge=0.0, description="lambda of Eq. 7")
    blur: float = Field(default=7.0, ge=0.0, description="standard deviation of the masks' Gaussian filter [px of the clip's frames]")
    image_size: int = Field(default=480, ge=16, description="longest side of the images that are compared [px]")
    sigma: float = Field(default=1e-5, gt=0.0, description="blur of outlines, Soft Rasterizer")
    gamma: float = Field(default=1e-4, gt=0.0, description="sharpness in depth, Soft Rasterizer")
    faces_per_pixel: int = Field(default=8, ge=1, le=64, description="faces blended in a pixel, Soft Rasterizer")


class DescentConfig(Recipe):
    """Adam (paper Sec. 3.4). A physical value is the stored one, which Adam moves, times its scale."""

    learning_rate: float = Field(default=1e-3, gt=0.0, description="of the stored values")
    density_scale: float = Field(default=1.0, ge=0.0, description="[kg/m²]; 0 keeps the density")
    stretching_scale: float = Field(default=1e3, ge=0.0, description="[N/m]; 0 keeps the stretching constants")
    bending_scale: float = Field(default=1e-4, ge=0.0, description="[N·m]; 0 keeps the bending constants")
    wind_scale: float = Field(default=1.0, ge=0.0, description="[m/s]; 0 keeps the air still")
    force_scale: float = Field(default=1.0, gt=0.0, description="change of velocity [m/s] a frame by corrective forces")
    offset_scale: float = Field(default=0.3, gt=0.0, description="offset [m] from frame to frame, without a simulator")
    least_density: float = Field(default=0.05, gt=0.0, description="[kg/m²]; the density stays above")
    divergence: float = Field(default=4.0, gt=1.0, description="stop when a window's mean energy is this many times its first")


class DampingConfig(Recipe):
    """Damping of the simulated cloth."""

    mass: float = Field(default=1.0, ge=0.0, description="share of the velocity lost per time [1/s]")
    stretching: float = Field(default=0.0, ge=0.0, description="damping force per stretching stiffness [s]")
    bending: float = Field(default=0.0, ge=0.0, description="damping force per bending stiffness [s]")


class ShootingConfig(Recipe):
    """All of a descent through renderer and simulator."""

    window: WindowConfig = WindowConfig()
    energy: EnergyConfig = EnergyConfig()
    descent: DescentConfig = DescentConfig()
    damping: DampingConfig = DampingConfig()
