import pytest

from recon_cli.core.errors import UsageError
from recon_cli.run.shards import Shard


@pytest.mark.parametrize("count", [1, 2, 3, 7, 20])
def test_shards_together_are_the_whole_once(count):
    parts = [Shard(index, count).part_of(range(13)) for index in range(1, count + 1)]
    assert sorted(item for part in parts for item in part) == list(range(13))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_the_flag_is_read():
    assert Shard.parse(None) == Shard(1, 1)
    assert Shard.parse("2/4") == Shard(2, 4)
    assert str(Shard(2, 4)) == "2/4"


@pytest.mark.parametrize("text", ["", "1", "0/4", "5/4", "1/0", "-1/4", "1/4/2", "a/b", "1.5/4", "٣/٤", "1/99999999"])
def test_anything_else_is_refused_with_an_example(text):
    with pytest.raises(UsageError, match="i from 1 to N") as error:
        Shard.parse(text)
    assert "1/4" in str(error.value.hint)
