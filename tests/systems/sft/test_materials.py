"""The published numbers, and refusal of others."""

import pytest
import torch

from recon_cli.core.errors import InputError, UsageError
from recon_cli.systems.sft.materials import DENSITIES, Material, fabric_density, published


@pytest.mark.parametrize(("name", "density", "softest"), [("eight_fabrics", 0.230, -20.492), ("ten_fabrics", 0.2188, -8.507)])
def test_published_means(name, density, softest):
    material = published(name)
    assert float(material.density) == density
    assert float(material.stretching.min()) == softest
    assert 25e-6 < float(material.bending.min()) < float(material.bending.max()) < 100e-6  # N·m, not 1e-6 N·m


def test_paper_s_density_is_the_mean_of_the_ten_named_fabrics():
    assert sum(DENSITIES.values()) / len(DENSITIES) == pytest.approx(float(published("ten_fabrics").density), abs=1e-12)
    assert float(published().with_density(fabric_density("white-swim-solid")).density) == 0.204


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(UsageError) as caught:
        published("ten-fabrics")
    assert "ten_fabrics" in str(caught.value.hint)
    with pytest.raises(UsageError) as caught:
        fabric_density("royaltarget")
    assert "royal-target" in str(caught.value.hint)


def test_wrong_materials_are_refused():
    good = published()
    with pytest.raises(InputError, match=r"stretching has shape \[4, 6\]"):
        Material(good.density, good.stretching.T, good.bending)
    with pytest.raises(InputError, match="density"):
        good.with_density(0.0)
    with pytest.raises(InputError, match="NaN"):
        Material(good.density, good.stretching, good.bending * float("nan"))


def test_detach_leaves_the_graph():
    stretching = published().stretching.requires_grad_()
    assert not Material(torch.tensor(0.2), stretching, published().bending).detach().stretching.requires_grad
