from __future__ import annotations

import json

import torch

from recon_cli import __version__
from recon_cli.run.versions import LIBRARIES, versions


def test_versions_name_every_library_and_the_devices():
    found = versions()
    assert found["recon"] == __version__
    assert found["torch"] == torch.__version__
    assert set(LIBRARIES) <= set(found)
    assert found["devices"][0] == "cpu"
    assert len(found["devices"]) == 1 + (torch.cuda.device_count() if torch.cuda.is_available() else 0)
    assert json.loads(json.dumps(found)) == found
