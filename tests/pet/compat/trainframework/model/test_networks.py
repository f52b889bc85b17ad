import pytest
import torch

from pet.compat.trainframework.model.build import BUILD_NETWORK_REGISTRY, build_network
from pet.compat.trainframework.model.networks import PatchDiscriminator, ResidualDenoiser
from petlib.errors import ConfigError


def test_parts_of_a_network_are_built_from_dictionaries() -> None:
    built = build_network({"name": "PatchDiscriminator", "channels": 1, "layers": 1})
    assert isinstance(built, PatchDiscriminator)
    with pytest.raises(ConfigError, match="build_network: .* the entry 'name' expected"):
        build_network({"channels": 1})
    with pytest.raises(ConfigError, match="build_network: unknown network 'PatchDiscriminato'"):
        build_network({"name": "PatchDiscriminato"})


def test_the_denoiser_takes_away_what_its_layers_give() -> None:
    network = ResidualDenoiser(channels=1, width=4, depth=3)
    images = torch.rand(2, 1, 8, 9)
    assert torch.equal(network(images), images - network.noise(images))
    assert len([layer for layer in network.noise if isinstance(layer, torch.nn.Conv2d)]) == 3


def test_the_discriminator_judges_patches() -> None:
    assert PatchDiscriminator(channels=3, width=4, layers=2)(torch.rand(2, 3, 16, 24)).shape == (2, 1, 4, 6)


def test_both_can_be_named_in_a_config() -> None:
    assert BUILD_NETWORK_REGISTRY.get("ResidualDenoiser") is ResidualDenoiser
    assert BUILD_NETWORK_REGISTRY.get("PatchDiscriminator") is PatchDiscriminator
