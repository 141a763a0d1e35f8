"""Parameter counts and map sizes: protocol sections 2.1-2.4, computed from the papers' definitions."""

import pytest
import torch
from torch import nn

from ganrepro.nets.blocks import initialise
from ganrepro.nets.discriminators import STRIDED_LAYERS, patch_discriminator
from ganrepro.nets.generators import UNet, build_generator, resnet
from ganrepro.seeding import stream


def count(network):
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: UNet(256, flavour="torch"), 54_419_459),
        (lambda: UNet(256, flavour="pytorch"), 54_413_955),
        (lambda: UNet(256, flavour="torch", skips=False), 39_080_963),
        (lambda: resnet(6, flavour="torch"), 7_845_123),
        (lambda: resnet(6, flavour="pytorch"), 7_837_699),
        (lambda: resnet(9, flavour="torch"), 11_388_675),
        (lambda: resnet(9, flavour="pytorch"), 11_378_179),
    ],
)
def test_generator_parameter_counts(make, expected):
    with torch.device("meta"):
        network = make()
    assert count(network) == expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [(1, 9_153), (16, 139_713), (34, 666_817), (70, 2_769_601), (142, 6_965_441), (286, 11_161_281)],
)
def test_discriminator_parameter_counts_conditional(field, expected):
    with torch.device("meta"):
        assert count(patch_discriminator(field, channels=6, norm="batch", flavour="torch")) == expected


def test_discriminator_parameter_count_unconditional():
    with torch.device("meta"):
        assert count(patch_discriminator(70, channels=3, norm="batch", flavour="torch")) == 2_766_529


@pytest.mark.parametrize(("field", "side"), [(1, 256), (16, 126), (34, 62), (70, 30), (142, 14), (286, 6)])
def test_discriminator_map_sizes_at_256(field, side):
    network = patch_discriminator(field, filters=2, norm="batch", flavour="torch")
    assert network(torch.zeros(1, 3, 256, 256)).shape == (1, 1, side, side)


@pytest.mark.parametrize(
    ("pixels", "flavour", "side"), [(256, "torch", 35), (128, "torch", 19), (256, "pytorch", 30), (128, "pytorch", 14)]
)
def test_cyclegan_discriminator_pads_by_two_in_the_torch_code(pixels, flavour, side):
    network = patch_discriminator(70, filters=2, norm="instance", flavour=flavour)
    assert network(torch.zeros(1, 3, pixels, pixels)).shape[-2:] == (side, side)


@pytest.mark.parametrize("field", STRIDED_LAYERS)
def test_receptive_field_measured_by_gradient(field):
    # norms mix all pixels, so they are taken out; all weights 1, so no gradient cancels
    network = patch_discriminator(field, filters=1, norm="batch", flavour="torch")
    linear = nn.Sequential(*(m for m in network if isinstance(m, nn.Conv2d)))
    for parameter in linear.parameters():
        nn.init.ones_(parameter)
    size = 2 * max(field, 16) + 32
    image = torch.zeros(1, 3, size, size, dtype=torch.float64, requires_grad=True)
    out = linear.double()(image)
    out[0, 0, out.shape[2] // 2, out.shape[3] // 2].backward()
    seen = image.grad[0, 0] != 0
    rows = seen.any(1).nonzero()
    assert int(rows.max() - rows.min()) + 1 == field


@pytest.mark.parametrize("pixels", [16, 64, 128])
def test_unet_of_any_power_of_two_keeps_shape_and_range(pixels):
    out = UNet(pixels, filters=2)(torch.randn(2, 3, pixels, pixels))
    assert out.shape == (2, 3, pixels, pixels)
    assert out.abs().max() <= 1


def test_dropout_sits_where_each_code_has_it():
    def layers(flavour):
        network = UNet(256, filters=1, flavour=flavour)
        return [i for i, layer in enumerate(network.decoder, 1) if any(isinstance(m, nn.Dropout) for m in layer)]

    assert layers("torch") == [1, 2, 3]
    assert layers("pytorch") == [2, 3, 4]


def test_skips_are_what_tells_unet_from_encoder_decoder():
    # with a silenced bottleneck the U-Net still sees its input through the skips, the other does not
    for skips in (True, False):
        network = UNet(16, filters=2, skips=skips).eval()
        nn.init.zeros_(network.decoder[0][1].weight)
        nn.init.zeros_(network.decoder[0][1].bias)
        a, b = (network(torch.randn(1, 3, 16, 16, generator=stream(0, str(i)))) for i in range(2))
        assert torch.equal(a, b) is not skips


def test_instance_norm_affine_only_in_the_torch_flavour():
    names = {f: {n.split(".")[-1] for n, _ in resnet(1, 2, f)[2].named_parameters()} for f in ("torch", "pytorch")}
    assert names == {"torch": {"weight", "bias"}, "pytorch": set()}


def test_resnet_shape_and_reflection_padding():
    network = resnet(1, 2)
    assert network(torch.randn(1, 3, 20, 24)).shape == (1, 3, 20, 24)
    # zero padding would darken the border of a constant image before the first norm; reflection does not
    first = network[1](network[0](torch.ones(1, 3, 20, 20)))
    assert torch.allclose(first, first[..., :1, :1].expand_as(first), atol=1e-6)


def test_initialisation_statistics_and_frozen_biases():
    network = patch_discriminator(70, flavour="torch")
    initialise(network, stream(0, "test"), frozen_bias=True)
    weights = torch.cat([m.weight.detach().flatten() for m in network.modules() if isinstance(m, nn.Conv2d)])
    assert abs(float(weights.mean())) < 1e-4  # 2.8 million draws: standard error 1.2e-5
    assert float(weights.std()) == pytest.approx(0.02, rel=0.01)
    assert all(not m.bias.requires_grad and not m.bias.any() for m in network.modules() if isinstance(m, nn.Conv2d))


def test_same_stream_same_weights_and_no_global_randomness_used():
    state = torch.get_rng_state()
    a, b, c = (
        build_generator("resnet", blocks=1, filters=2, pixels=16, flavour="torch", generator=stream(seed, "g"))
        for seed in (0, 0, 1)
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(a[1].weight, b[1].weight)
    assert not torch.equal(a[1].weight, c[1].weight)


def test_unusable_sizes_are_refused():
    with pytest.raises(ValueError, match="power of two"):
        UNet(96)
    with pytest.raises(ValueError, match="built for 32 x 32"):
        UNet(32, filters=1)(torch.zeros(1, 3, 64, 64))
    with pytest.raises(ValueError, match="expected one of"):
        patch_discriminator(50)
