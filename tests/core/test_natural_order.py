"""Natural order of names."""

from recon_cli.core.natural_order import natural_key


def test_natural_order_counts():
    assert sorted(["f10.ply", "f9.ply", "f1.ply"], key=natural_key) == ["f1.ply", "f9.ply", "f10.ply"]


def test_only_plain_digits_count():
    assert natural_key("a²") == [(-1, "a²")]
