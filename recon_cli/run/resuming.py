"""Where an interrupted run goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from recon_cli.run.checkpoints import Checkpoints
from recon_cli.run.folder import RunFolder

Numbers = Mapping[str, float]


def resumed_state(folder: RunFolder, note: Callable[[str], None], words: Callable[[Numbers], str]) -> Mapping[str, Tensor] | None:
    """The state to go on from, if this run was interrupted.

    Args:
        folder: of the run.
        note: told where it goes on.
        words: of a checkpoint's numbers, what was done by then: "3 of 8 windows".
    """
    if not folder.resumed:
        return None
    saved = Checkpoints(folder.checkpoints).latest()
    if saved is None:
        note("nothing was kept of the run that is gone on with: it begins at its start")
        return None
    tensors, numbers = saved
    note(f"goes on after {words(numbers)}")
    return tensors


def units_done(unit: str) -> Callable[[Numbers], str]:
    """Words for a checkpoint of ``RunHooks``, which holds the progress of its time."""
    return lambda numbers: f"{numbers['done']:.0f} of {numbers['total']:.0f} {unit}"
