from pathlib import Path

import torch

from recon_cli.run.memory import give_back_memory


def resident() -> int:
    """Bytes of the process that lie in memory."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return 1024 * int(line.split()[1])


def test_freed_maps_leave_the_process():
    give_back_memory()
    before = resident()
    # Freed and taken in turns, so that the C library keeps them in its heap.
    held = [torch.ones(2**20) for _ in range(60)]
    del held[1::2]
    held += [torch.ones(2**19) for _ in range(60)]
    held.clear()
    give_back_memory()
    assert resident() - before < 40 * 2**20
