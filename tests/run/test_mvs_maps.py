"""Depth maps of several runs together."""

from __future__ import annotations

from recon_cli.run.mvs_maps import missing_shards
from recon_cli.run.shards import Shard


def test_missing_shards_are_named():
    assert missing_shards([Shard()]) == ""
    assert missing_shards([Shard(2, 2), Shard(1, 2)]) == ""
    assert missing_shards([Shard(1, 3)]) == "2/3, 3/3"
    assert missing_shards([Shard(7, 8)]) == "1/8, 2/8, 3/8 and 4 more"
