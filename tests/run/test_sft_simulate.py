import pytest
import torch

from recon_cli.core.errors import InputError, UsageError
from recon_cli.core.mesh import Mesh
from recon_cli.run.sft_simulate import material_named, pins_named
from recon_cli.systems.sft.materials import published


@pytest.fixture
def sheet() -> Mesh:
    """A 4 x 3 grid hanging in the plane z = 2; y points down, so vertices 0 and 3 are its upper corners."""
    ys, xs = torch.meshgrid(torch.arange(3.0), torch.arange(4.0), indexing="ij")
    vertices = torch.stack([xs.flatten(), ys.flatten(), torch.full((12,), 2.0)], dim=1).double() * 0.1
    faces = []
    for row in range(2):
        for column in range(3):
            a = 4 * row + column
            faces += [[a, a + 4, a + 1], [a + 1, a + 4, a + 5]]
    return Mesh(vertices, torch.tensor(faces))


def test_pins_by_name_by_number_and_from_a_file(sheet, tmp_path):
    (tmp_path / "pins.txt").write_text("5\n7 1\n")
    assert pins_named("none", sheet) == ()
    assert pins_named("corners", sheet) == (0, 3, 8, 11)
    assert pins_named("top", sheet) == (0, 3)
    assert pins_named("top", sheet, gravity=(0.0, -9.81, 0.0)) == (8, 11)
    assert pins_named("2,0", sheet) == (2, 0)
    assert pins_named(str(tmp_path / "pins.txt"), sheet) == (5, 7, 1)


def test_pins_that_are_none_are_refused(sheet, tmp_path):
    (tmp_path / "pins.txt").write_text("left")
    with pytest.raises(UsageError, match="--pins left"):
        pins_named("left", sheet)
    with pytest.raises(InputError, match="pin 12"):
        pins_named("12", sheet)
    with pytest.raises(InputError, match=r"pins\.txt"):
        pins_named(str(tmp_path / "pins.txt"), sheet)


def test_a_fabric_is_the_papers_mean_with_its_own_density():
    denim = material_named("11oz-black-denim")
    assert float(denim.density) == 0.324
    assert torch.equal(denim.stretching, published("ten_fabrics").stretching)
    assert float(material_named("eight_fabrics").density) == 0.230
    with pytest.raises(UsageError, match="denim"):
        material_named("denim")
