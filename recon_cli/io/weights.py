"""Named tensors in safetensors files: reading one runs no code.

Files are the same bytes for the same content; the library itself writes the metadata in an order that changes from process to process.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.io.atomic import PathText, write_bytes
from recon_cli.io.streams import read_bytes

_EXPECTED = "a safetensors file"
_LENGTH_BYTES = 8  # the header's length comes first, little-endian; see the safetensors format
_ALIGNMENT = 8


def write_tensors(path: PathText, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors of any shape and type, and texts beside them.

    Raises:
        InputError: the disk is full, or the place is not writable.
    """
    from safetensors.torch import save

    # A clone each: the library refuses tensors that share memory.
    plain = {name: tensors[name].detach().cpu().clone(memory_format=torch.contiguous_format) for name in sorted(tensors)}
    write_bytes(path, _with_metadata(save(plain), metadata or {}))


def read_tensors(path: PathText) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors (in memory of their own, on the CPU) and the texts of a safetensors file.

    Raises:
        InputError: the file is missing, cut short or damaged.
    """
    from safetensors.torch import load

    data = read_bytes(path, expected=_EXPECTED)
    try:
        tensors = load(data)
        metadata = _header(data).get("__metadata__") or {}
    except Exception as error:  # the parser meets damaged bytes with errors of several types
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"cannot be read as {_EXPECTED}: {reason}", path=path, hint="copy or write the file again") from error
    return {name: tensors[name] for name in sorted(tensors)}, dict(sorted(metadata.items()))


def _header(data: bytes) -> dict:
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    return json.loads(data[_LENGTH_BYTES : _LENGTH_BYTES + length])


def _with_metadata(data: bytes, metadata: Mapping[str, str]) -> bytes:
    header = _header(data)
    if metadata:
        header = {"__metadata__": dict(sorted(metadata.items())), **header}
    body = data[_LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little") :]
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(_LENGTH_BYTES, "little") + text + body
