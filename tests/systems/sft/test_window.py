"""The adaptive window against the paper's description, step by step."""

import pytest

from recon_cli.systems.sft.shooting_config import WindowConfig
from recon_cli.systems.sft.window import advance, first_window, is_finished, progress

CONFIG = WindowConfig(first_frames=5, first_iterations=4, iterations_per_frame=3, last_iterations=2)


def walk(energy_of, config=CONFIG, total=8):
    """(frames, threshold) before every iteration, with the newest frame's energy given by (frames, iterations)."""
    window, history = first_window(config, total), []
    while not is_finished(window, config, total):
        history.append((window.frames, window.threshold))
        window = advance(window, energy_of(window.frames, window.iterations), config, total)
    return history


def test_first_window_has_its_iterations_and_sets_the_threshold():
    history = walk(lambda frames, iterations: 0.5 - 0.1 * iterations if frames == 5 else 9.0)
    assert [frames for frames, _ in history] == [5] * 4 + [6] * 3 + [7] * 3 + [8] * 2
    assert history[3][1] == float("inf")
    assert all(threshold == pytest.approx(0.2) for _, threshold in history[4:])  # the fifth's energy when the sixth joined


def test_frames_join_as_soon_as_the_newest_is_below_the_threshold():
    history = walk(lambda frames, iterations: 0.2 if frames == 5 else 0.3 - 0.15 * iterations)
    assert [frames for frames, _ in history] == [5] * 4 + [6] * 2 + [7] * 2 + [8] * 2


def test_limit_of_iterations_lets_hard_frames_pass():
    assert len(walk(lambda frames, iterations: 1e9)) == 4 + 3 + 3 + 2


def test_without_adaption_all_frames_take_part_at_once():
    config = CONFIG.model_copy(update={"is_adaptive": False})
    assert [frames for frames, _ in walk(lambda *_: 1.0, config)] == [8] * 6


@pytest.mark.parametrize("total", [2, 4, 5])
def test_short_clips_have_one_window(total):
    assert [frames for frames, _ in walk(lambda *_: 1.0, total=total)] == [total] * 6


@pytest.mark.parametrize("total", [3, 5, 6, 9])
def test_progress_counts_up_to_the_end(total):
    window, done = first_window(CONFIG, total), []
    while not is_finished(window, CONFIG, total):
        done.append(progress(window, CONFIG, total))
        window = advance(window, 0.0, CONFIG, total)
    done.append(progress(window, CONFIG, total))
    assert [count for count, _ in done] == sorted({count for count, _ in done})
    assert done[0][0] == 0
    assert done[-1][0] == done[-1][1]
