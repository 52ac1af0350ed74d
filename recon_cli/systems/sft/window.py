"""The adaptive window of φ-SfT (Sec. 3.3, Fig. 3): which frames take part in the optimisation.

The first window holds the first five frames for a fixed number of iterations. When the sixth joins, the fifth's energy becomes the
threshold; from then on the next frame joins once the newest one's energy is below it, or after a limit of iterations.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from recon_cli.systems.sft.shooting_config import WindowConfig


@dataclass(frozen=True)
class Window:
    """Where the optimisation stands.

    Attributes:
        frames: how many frames take part, the template's own included.
        iterations: how many iterations this window has had.
        threshold: energy below which the next frame joins; infinite until the first window is left.
    """

    frames: int
    iterations: int = 0
    threshold: float = float("inf")


def first_window(config: WindowConfig, total: int) -> Window:
    """The window to begin with, of ``total`` frames."""
    return Window(min(config.first_frames, total) if config.is_adaptive else total)


def is_finished(window: Window, config: WindowConfig, total: int) -> bool:
    """Whether all frames take part and have had their iterations."""
    return window.frames == total and window.iterations >= limit(window, config, total)


def limit(window: Window, config: WindowConfig, total: int) -> int:
    """The most iterations that the window gets."""
    if window.frames == total:
        alone = total <= config.first_frames or not config.is_adaptive
        return config.last_iterations + (config.first_iterations if alone else 0)
    return config.first_iterations if window.frames == config.first_frames else config.iterations_per_frame


def advance(window: Window, newest_energy: float, config: WindowConfig, total: int) -> Window:
    """The window after one more iteration that left the newest frame with this energy."""
    window = replace(window, iterations=window.iterations + 1)
    if window.frames == total:
        return window
    is_first = window.threshold == float("inf")
    is_spent = window.iterations >= limit(window, config, total)
    if not is_spent and (is_first or newest_energy >= window.threshold):
        return window
    return Window(window.frames + 1, 0, newest_energy if is_first else window.threshold)


def progress(window: Window, config: WindowConfig, total: int) -> tuple[int, int]:
    """(done, total) in iterations, a window left early counted as full."""
    first = first_window(config, total)
    done, everything = window.iterations, 0
    for frames in range(first.frames, total + 1):
        length = limit(Window(frames), config, total)
        everything += length
        if frames < window.frames:
            done += length
    return done, everything
