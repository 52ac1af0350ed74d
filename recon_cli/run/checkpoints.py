"""States from which a computation can go on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from recon_cli.core.errors import InputError, NumericsError
from recon_cli.io.weights import read_tensors, write_tensors

KEPT = 2


class Checkpoints:
    """Numbered safetensors files in a folder; the newest ones are kept, so that a torn one leaves a good one behind it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, float]) -> Path:
        """Write a state and drop the oldest ones.

        Raises:
            NumericsError: a tensor has a NaN or infinite entry; what was saved before stays the last good state.
        """
        for name, tensor in tensors.items():
            if tensor.is_floating_point() and not bool(tensor.detach().isfinite().all()):
                raise NumericsError(
                    f"the state has a NaN or infinite entry in '{name}'; the last good checkpoint is kept", path=self.folder
                )
        self.folder.mkdir(parents=True, exist_ok=True)
        paths = self._paths()
        path = self.folder / f"{int(paths[-1].stem) + 1 if paths else 1:06d}.safetensors"
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        write_tensors(path, state, {"numbers": json.dumps(dict(numbers))})
        for old in [*paths, path][:-KEPT]:
            old.unlink(missing_ok=True)
        return path

    def latest(self) -> tuple[dict[str, Tensor], dict[str, float]] | None:
        """The newest state that can be read, or None."""
        for path in reversed(self._paths()):
            try:
                tensors, metadata = read_tensors(path)
                return tensors, json.loads(metadata["numbers"])
            except (InputError, KeyError, ValueError):
                continue
        return None

    def clear(self) -> None:
        """Forget all states."""
        for path in self._paths():
            path.unlink(missing_ok=True)

    def _paths(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("*.safetensors") if path.stem.isdigit())
