"""Parameter counts and map sizes: protocol sections 2.1-2.4, computed from the papers' definitions."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from ganrepro.nets import cpu_convolutions
from ganrepro.nets.blocks import InstanceNorm, ReflectionPad, batch_norm, initialise
from ganrepro.nets.discriminators import STRIDED_LAYERS, patch_discriminator
from ganrepro.nets.generators import UNet, build_generator, resnet
from ganrepro.nets.linear import Linear, by_onednn
from ganrepro.seeding import stream


def count(network):
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: UNet(256, flavour="lua"), 54_419_459),
        (lambda: UNet(256, flavour="pytorch"), 54_413_955),
        (lambda: UNet(256, flavour="lua", skips=False), 39_080_963),
        (lambda: resnet(6, flavour="lua"), 7_845_123),
        (lambda: resnet(6, flavour="pytorch"), 7_837_699),
        (lambda: resnet(9, flavour="lua"), 11_388_675),
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
        assert count(patch_discriminator(field, channels=6, norm="batch", flavour="lua")) == expected


def test_discriminator_parameter_count_unconditional():
    with torch.device("meta"):
        assert count(patch_discriminator(70, channels=3, norm="batch", flavour="lua")) == 2_766_529


@pytest.mark.parametrize(("field", "side"), [(1, 256), (16, 126), (34, 62), (70, 30), (142, 14), (286, 6)])
def test_discriminator_map_sizes_at_256(field, side):
    network = patch_discriminator(field, filters=2, norm="batch", flavour="lua")
    assert network(torch.zeros(1, 3, 256, 256)).shape == (1, 1, side, side)


@pytest.mark.parametrize(
    ("pixels", "flavour", "side"), [(256, "lua", 35), (128, "lua", 19), (256, "pytorch", 30), (128, "pytorch", 14)]
)
def test_cyclegan_discriminator_pads_by_two_in_the_lua_code(pixels, flavour, side):
    network = patch_discriminator(70, filters=2, norm="instance", flavour=flavour)
    assert network(torch.zeros(1, 3, pixels, pixels)).shape[-2:] == (side, side)


@pytest.mark.parametrize("field", STRIDED_LAYERS)
def test_receptive_field_measured_by_gradient(field):
    # norms mix all pixels, so they are taken out; all weights 1, so no gradient cancels
    network = patch_discriminator(field, filters=1, norm="batch", flavour="lua")
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


@pytest.mark.parametrize("pixels", [256, 128, 64, 32])
def test_dropout_sits_where_each_code_has_it(pixels):
    """Lua: on the first three decoder layers. PyTorch: written out as its constructor nests its blocks, innermost first."""

    def layers(flavour):
        network = UNet(pixels, filters=1, flavour=flavour)
        return [i for i, layer in enumerate(network.decoder, 1) if any(isinstance(m, nn.Dropout) for m in layer)]

    downs = pixels.bit_length() - 1
    nested = [False] + [True] * (downs - 5) + [False, False, False] + [False]  # innermost, 8 x filters, 4x 2x 1x, outermost
    assert len(nested) == downs
    assert layers("pytorch") == [i for i, dropout in enumerate(nested, 1) if dropout]
    assert layers("lua") == [1, 2, 3]


def test_skips_are_what_tells_unet_from_encoder_decoder():
    # with a silenced bottleneck the U-Net still sees its input through the skips, the other does not
    for skips in (True, False):
        network = UNet(16, filters=2, skips=skips).eval()
        nn.init.zeros_(network.decoder[0][1].weight)
        nn.init.zeros_(network.decoder[0][1].bias)
        a, b = (network(torch.randn(1, 3, 16, 16, generator=stream(0, str(i)))) for i in range(2))
        assert torch.equal(a, b) is not skips


def test_instance_norm_affine_only_in_the_lua_flavour():
    names = {f: {n.split(".")[-1] for n, _ in resnet(1, 2, f)[2].named_parameters()} for f in ("lua", "pytorch")}
    assert names == {"lua": {"weight", "bias"}, "pytorch": set()}


def test_resnet_shape_and_reflection_padding():
    network = resnet(1, 2)
    assert network(torch.randn(1, 3, 20, 24)).shape == (1, 3, 20, 24)
    # zero padding would darken the border of a constant image before the first norm; reflection does not
    first = network[1](network[0](torch.ones(1, 3, 20, 20)))
    assert torch.allclose(first, first[..., :1, :1].expand_as(first), atol=1e-6)


def test_initialisation_statistics_and_frozen_biases():
    network = patch_discriminator(70, flavour="lua")
    initialise(network, stream(0, "test"), frozen_bias=True)
    weights = torch.cat([m.weight.detach().flatten() for m in network.modules() if isinstance(m, nn.Conv2d)])
    assert abs(float(weights.mean())) < 1e-4  # 2.8 million draws: standard error 1.2e-5
    assert float(weights.std()) == pytest.approx(0.02, rel=0.01)
    assert all(not m.bias.requires_grad and not m.bias.any() for m in network.modules() if isinstance(m, nn.Conv2d))


def test_same_stream_same_weights_and_no_global_randomness_used():
    state = torch.get_rng_state()
    a, b, c = (
        build_generator(
            "resnet", blocks=1, filters=2, pixels=16, flavour="lua", bottleneck_norm=False, generator=stream(seed, "g")
        )
        for seed in (0, 0, 1)
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(a[1].weight, b[1].weight)
    assert not torch.equal(a[1].weight, c[1].weight)


def test_unusable_sizes_are_refused():
    with pytest.raises(ValueError, match="power of two"):
        UNet(96)
    with pytest.raises(ValueError, match="built for multiples of 32 x 32"):
        UNet(32, filters=1)(torch.zeros(1, 3, 64, 48))
    with pytest.raises(ValueError, match="expected one of"):
        patch_discriminator(50)


# --- faster convolutions ------------------------------------------------------------------------


@pytest.mark.parametrize(("outputs", "kernel"), [(4, 3), (3, 4), (2, 3), (2, 2)])
def test_minimal_filtering_is_convolution(outputs, kernel):
    """One tile of whole numbers against the sums written out; float32, 1e-4."""
    out, weight, image = cpu_convolutions.transforms(outputs, kernel)
    n = outputs + kernel - 1
    tile, filters = torch.arange(n * n).float() % 7, torch.arange(kernel * kernel).float() % 5
    made = (out @ ((weight @ filters) * (image @ tile))).view(outputs, outputs)
    for y in range(outputs):
        for x in range(outputs):
            window = tile.view(n, n)[y : y + kernel, x : x + kernel]
            assert made[y, x].item() == pytest.approx((window * filters.view(kernel, kernel)).sum().item(), abs=1e-4)


CONVOLUTIONS = [  # channels in, out, kernel, stride, padding, height, width
    (12, 9, 3, 1, 0, 18, 18), (12, 16, 3, 1, 1, 9, 13), (10, 20, 4, 1, 2, 17, 17), (10, 9, 4, 1, 1, 5, 4),
    (9, 16, 3, 2, 1, 16, 16), (9, 12, 4, 2, 1, 12, 8), (12, 3, 7, 1, 0, 20, 21), (9, 30, 7, 1, 3, 11, 11),
    (16, 1, 4, 1, 2, 18, 18),
]  # fmt: skip


@pytest.mark.parametrize("worthwhile", [0.0, 1e9])  # Winograd wherever it fits, or nowhere
@pytest.mark.parametrize(("inputs", "outputs", "kernel", "stride", "pad", "height", "width"), CONVOLUTIONS)
def test_fast_convolutions_equal_double_precision(monkeypatch, worthwhile, inputs, outputs, kernel, stride, pad, height, width):
    """Outputs and all three gradients of a batch of two, against torch in float64: relative error of each below 1e-5."""
    monkeypatch.setattr(cpu_convolutions, "WORTHWHILE", worthwhile)
    monkeypatch.setattr(cpu_convolutions, "CACHED_VALUES", 0)
    fast = nn.Conv2d(inputs, outputs, kernel, stride, pad)
    exact = nn.Conv2d(inputs, outputs, kernel, stride, pad).double()
    compare(fast, exact, torch.randn(2, inputs, height, width, generator=stream(0, "image")))


@pytest.mark.parametrize(("kernel", "extra"), [(3, 1), (4, 0)])
def test_fast_transposed_convolutions_equal_double_precision(monkeypatch, kernel, extra):
    monkeypatch.setattr(cpu_convolutions, "CACHED_VALUES", 0)
    fast = nn.ConvTranspose2d(12, 10, kernel, 2, 1, extra)
    exact = nn.ConvTranspose2d(12, 10, kernel, 2, 1, extra).double()
    compare(fast, exact, torch.randn(2, 12, 6, 7, generator=stream(0, "image")))


def compare(fast, exact, x):
    exact.load_state_dict(fast.state_dict())
    names = list(fast.state_dict())
    cpu_convolutions.accelerate(fast)
    assert type(fast).__module__ == "ganrepro.nets.cpu_convolutions" and list(fast.state_dict()) == names
    results = []
    for layer, image in ((fast, x.contiguous(memory_format=torch.channels_last)), (exact, x.double())):
        image.requires_grad_()
        y = layer(image)
        direction = torch.randn(y.shape, generator=stream(0, "gradient"), dtype=torch.float64).to(y.dtype)
        results.append([y, *torch.autograd.grad(y, (image, layer.weight, layer.bias), direction)])
    for made, expected in zip(*results, strict=True):
        assert made.shape == expected.shape
        assert (made - expected).norm() < 1e-5 * expected.norm()


@pytest.mark.parametrize(
    ("kernel", "stride", "pad", "transposed", "kept"),
    [
        (3, 1, 1, False, 2**20),
        (3, 1, 1, False, 0),
        (4, 1, 2, False, 2**20),
        (4, 1, 2, False, 0),
        (4, 2, 1, False, 0),
        (3, 2, 1, True, 0),
    ],
)
def test_first_and_second_derivatives_of_every_fast_layer(monkeypatch, kernel, stride, pad, transposed, kept):
    """Numerically, in float64, with respect to image, weight and bias: what a gradient penalty differentiates."""
    monkeypatch.setattr(cpu_convolutions, "WORTHWHILE", 0.0)
    monkeypatch.setattr(cpu_convolutions, "CACHED_VALUES", 0)
    monkeypatch.setattr(cpu_convolutions, "KEPT_VALUES", kept)
    kind = nn.ConvTranspose2d if transposed else nn.Conv2d
    layer = cpu_convolutions.accelerate(kind(9, 9, kernel, stride, pad)).double()
    assert type(layer).__module__ == "ganrepro.nets.cpu_convolutions"
    x = torch.randn(2, 9, 5, 6, dtype=torch.float64, requires_grad=True)

    def run(x, weight, bias):
        return torch.func.functional_call(layer, {"weight": weight, "bias": bias}, (x,))

    given = (x, layer.weight, layer.bias)
    assert torch.autograd.gradcheck(run, given, fast_mode=True)
    assert torch.autograd.gradgradcheck(run, given, fast_mode=True)


@pytest.mark.parametrize("short", [False, True])
def test_tiles_that_are_not_kept_give_the_same_bytes_and_cost_no_memory(monkeypatch, short):
    """In float32, and in bfloat16 by autocast."""
    monkeypatch.setattr(cpu_convolutions, "WORTHWHILE", 0.0)
    layer = cpu_convolutions.accelerate(nn.Conv2d(32, 48, 3))
    x, made, held = torch.randn(2, 32, 30, 27, requires_grad=True), [], []
    for kept in (2**30, 0):
        monkeypatch.setattr(cpu_convolutions, "KEPT_VALUES", kept)
        saved = {}
        keep = torch.autograd.graph.saved_tensors_hooks(lambda t: saved.setdefault(t.data_ptr(), t), lambda t: t)  # noqa: B023
        with keep, torch.autocast("cpu", torch.bfloat16, enabled=short):
            y = layer(x)
        made.append([y, *torch.autograd.grad(y.float().square().mean(), [x, layer.weight, layer.bias])])
        held.append(sum(t.numel() for t in saved.values()))
    assert all(map(torch.equal, *made))
    assert held[1] == x.numel() + layer.weight.numel() < held[0] / 2


@pytest.mark.parametrize(("short", "given"), [(False, torch.float32), (True, torch.float32), (True, torch.bfloat16)])
@pytest.mark.parametrize(("worthwhile", "kept", "cached"), [(0.0, 0, 0), (0.0, 2**30, 0), (1e9, 0, 0), (1e9, 0, 2**30)])
def test_a_border_that_a_convolution_mirrors_itself_gives_the_same_bytes_and_is_not_kept(
    monkeypatch, worthwhile, kept, cached, short, given
):
    """Of each way to compute it, in float32 and in bfloat16 by autocast; derivatives of derivatives by numbers, in float64."""
    for name, value in (("WORTHWHILE", worthwhile), ("KEPT_VALUES", kept), ("CACHED_VALUES", cached)):
        monkeypatch.setattr(cpu_convolutions, name, value)
    joined = nn.Sequential(ReflectionPad(1), nn.Conv2d(12, 9, 3), nn.ReLU())
    apart = nn.Sequential(ReflectionPad(1), cpu_convolutions.accelerate(copy.deepcopy(joined[1])), nn.ReLU())
    cpu_convolutions.accelerate(joined)
    assert isinstance(joined[0], nn.Identity) and joined[1].border == 1 and list(joined.state_dict()) == list(apart.state_dict())
    made, held = [], []
    x = torch.randn(2, 12, 11, 14).to(given).contiguous(memory_format=torch.channels_last).requires_grad_()
    for layers in (apart, joined):
        saved = {}
        keep = torch.autograd.graph.saved_tensors_hooks(lambda t: saved.setdefault(t.data_ptr(), t), lambda t: t)  # noqa: B023
        with keep, torch.autocast("cpu", torch.bfloat16, enabled=short):
            y = layers(x)
        held.append({t.shape for t in saved.values()})
        made.append([y, *torch.autograd.grad(y.float().square().mean(), [x, layers[1].weight, layers[1].bias])])
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=short):
            made[-1].append(layers.requires_grad_(False)(x))  # whose weights are transformed once
        layers.requires_grad_(True)
    assert all(map(torch.equal, *made))
    assert ((2, 12, 13, 16) in held[1]) is (cached > 0)  # torch's own keeps what it was given
    exact = joined.double()
    image = torch.randn(1, 12, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: exact[1](x), (image,), fast_mode=True)


def test_a_gradient_penalty_is_the_same_through_fast_and_plain_networks(monkeypatch):
    """Its gradient with respect to the weights of a discriminator, in float64: relative error below 1e-9."""
    monkeypatch.setattr(cpu_convolutions, "WORTHWHILE", 0.0)
    monkeypatch.setattr(cpu_convolutions, "CACHED_VALUES", 0)
    found = []
    for fast in (False, True):
        network = patch_discriminator(34, filters=9, channels=9)
        initialise(network, stream(0, "d"), frozen_bias=False)
        if fast:
            cpu_convolutions.accelerate(network)
        network.double()
        x = torch.randn(2, 9, 24, 24, generator=stream(0, "x"), dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(network(x).sum(), x, create_graph=True)
        penalty = (slope.flatten(1).norm(dim=1) - 1).square().mean()
        found.append(torch.autograd.grad(penalty, [p for p in network.parameters() if p.ndim == 4]))
    for plain, fast in zip(*found, strict=True):
        assert plain.norm() > 0 and (plain - fast).norm() < 1e-9 * plain.norm()


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 3), (3, 1)])
def test_generators_translate_between_grey_and_colour(inputs, outputs):
    for name in ("resnet", "unet"):
        network = build_generator(
            name, blocks=1, filters=2, pixels=16, flavour="lua", bottleneck_norm=False, generator=stream(0, "g"),
            inputs=inputs, outputs=outputs,
        )  # fmt: skip
        assert network(torch.zeros(1, inputs, 16, 16)).shape == (1, outputs, 16, 16)


def test_frozen_weights_get_no_gradient_and_images_do(monkeypatch):
    monkeypatch.setattr(cpu_convolutions, "WORTHWHILE", 0.0)
    layer = cpu_convolutions.accelerate(nn.Conv2d(16, 16, 3)).requires_grad_(False)
    x = torch.randn(1, 16, 8, 8, requires_grad=True)
    layer(x).sum().backward()
    assert x.grad is not None and layer.weight.grad is None


def test_winograd_is_used_where_it_pays(monkeypatch):
    """At 256 x 256; at 128 where there is no AVX-512; never in the embedded study (16 tiles), nor where products are slow."""
    saving = cpu_convolutions.saving
    assert saving(3, 256, 256, 256) > 2.8 > saving(3, 256, 256, 64) > 2 > saving(3, 64, 64, 16)
    assert saving(4, 256, 512, 441) > 2.8 > saving(4, 256, 512, 121) > 2
    layer, x, used = nn.Conv2d(256, 256, 3, padding=1), torch.randn(1, 256, 32, 32), []
    cpu_convolutions.accelerate(layer)
    monkeypatch.setattr(cpu_convolutions, "winograd", lambda x, *words: used.append(1) or x)
    for worthwhile, slow in ((2, 1), (2.8, 1), (2, 2.3)):
        monkeypatch.setattr(cpu_convolutions, "WORTHWHILE", worthwhile)
        monkeypatch.setattr(cpu_convolutions, "SLOW_PRODUCTS", slow)
        layer(x)
    assert used == [1]
    with torch.autocast("cpu", torch.bfloat16):  # whose products are oneDNN's
        layer(x)
    assert used == [1, 1]


@pytest.mark.parametrize("images", [1, 3])
@pytest.mark.parametrize("affine", [True, False])
def test_instance_norm_is_torchs(images, affine):
    """Equal to the bit for one image (which takes another way) and for several."""
    ours, theirs = InstanceNorm(5, affine=affine), nn.InstanceNorm2d(5, affine=affine)
    x = torch.randn(images, 5, 7, 6)
    assert torch.equal(ours(x), theirs(x))


def test_batch_norm_of_a_single_value_leaves_its_shift_and_stops_the_gradient():
    """What Torch computes: (x - x) / sqrt(0 + eps) * scale + shift; torch itself refuses."""
    norm, x = batch_norm(3), torch.randn(1, 3, 1, 1, requires_grad=True)
    norm.bias.data = torch.tensor([1.0, -2.0, 3.0])
    y = norm(x)
    assert y.flatten().tolist() == [1.0, -2.0, 3.0]
    y.sum().backward()
    assert not x.grad.any() and norm.bias.grad.tolist() == [1.0, 1.0, 1.0]
    two = torch.randn(2, 3, 1, 1)
    expected = (two - two.mean(0)) / (two.var(0, unbiased=False) + 1e-5).sqrt() * norm.weight[:, None, None] + norm.bias[
        :, None, None
    ]
    assert torch.allclose(norm(two), expected, atol=1e-5)


def test_a_frozen_weight_is_transformed_once_and_again_when_it_changes(monkeypatch):
    monkeypatch.setattr(cpu_convolutions, "WORTHWHILE", 0.0)
    made, original = [], cpu_convolutions.transformed
    monkeypatch.setattr(cpu_convolutions, "transformed", lambda w: (made.append(1), original(w))[1])
    network, x = nn.Sequential(nn.Conv2d(12, 16, 3, padding=1)), torch.randn(2, 12, 9, 10)
    cpu_convolutions.accelerate(network)
    expected = network(x).detach()
    network.requires_grad_(False)
    with torch.no_grad():
        assert torch.equal(network(x), expected) and torch.equal(network(x), expected)
        assert len(made) == 2  # one for the pass that learns, one for both frozen ones
        network[0].weight.mul_(2)
        network[0].bias.mul_(2)
        assert torch.allclose(network(x), 2 * expected, atol=1e-5)
    assert len(made) == 3 and set(network.state_dict()) == {"0.weight", "0.bias"}


# --- what a GPU wants otherwise ------------------------------------------------------------------


@pytest.mark.parametrize("pad", [1, 3])
def test_mirrored_rows_joined_on_are_torchs_reflection(pad):
    """Forward to the bit, gradients to rounding; the layout stays. So the pad that GPUs use is tested where there is none."""
    from ganrepro.nets.blocks import joined_reflection

    for layout in (torch.contiguous_format, torch.channels_last):
        x = torch.randn(2, 5, 7, 6, dtype=torch.float64).to(memory_format=layout).requires_grad_()
        made, theirs = joined_reflection(x, pad), nn.functional.pad(x, (pad,) * 4, mode="reflect")
        assert torch.equal(made, theirs) and made.is_contiguous(memory_format=layout)
        weights = torch.randn_like(theirs)
        mine, other = (torch.autograd.grad((y * weights).sum(), x)[0] for y in (made, theirs))
        assert torch.allclose(mine, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("fast", [False, True], ids=["torch", "fast"])
def test_zero_biases_that_stay_are_left_out_and_nothing_else(fast):
    """Same outputs; a bias that learns or is not zero is added still; names and state stay."""
    from ganrepro.nets.lean_convolutions import leave_out_zero_biases

    network = nn.Sequential(nn.Conv2d(3, 16, 3), nn.Conv2d(16, 16, 3), nn.Conv2d(16, 9, 3), nn.ConvTranspose2d(9, 4, 4, 2, 1))
    for layer in (network[0], network[1], network[3]):
        nn.init.zeros_(layer.bias)
    lean = copy.deepcopy(network)
    if fast:
        cpu_convolutions.accelerate(lean)
    leave_out_zero_biases(lean, {id(lean[1].bias)})
    assert [layer.used_bias() is None for layer in lean if hasattr(layer, "used_bias")] == (
        [True, False, False, True] if fast else [True, True]
    )
    x = torch.randn(2, 3, 20, 20)
    assert torch.allclose(lean(x), network(x), atol=1e-5) and lean.state_dict().keys() == network.state_dict().keys()
    with torch.no_grad():
        lean[1].bias.fill_(1.0)
        network[1].bias.fill_(1.0)
    assert torch.allclose(lean(x), network(x), atol=1e-5)


@pytest.mark.parametrize("how", [{"padding_mode": "reflect"}, {"kernel_size": (4, 2)}, {"kernel_size": (3, 4)}])
def test_convolutions_that_are_computed_otherwise_are_left_to_torch(how):
    torch.manual_seed(0)
    layer = nn.Conv2d(**({"in_channels": 16, "out_channels": 16, "kernel_size": 3, "padding": 1} | how))
    image = torch.randn(2, 16, 12, 12)
    expected = layer(image)
    assert torch.allclose(cpu_convolutions.accelerate(layer)(image), expected, atol=1e-6)


@pytest.mark.parametrize(("n", "inputs", "outputs"), [(1, 1, 1), (5, 17, 3), (64, 100, 1), (33, 130, 70)])
def test_products_of_onednn_equal_double_precision(n, inputs, outputs):
    """Values, and gradients of gradients, as of a penalty of slopes; 1e-5 of the largest."""
    random = torch.Generator().manual_seed(0)
    given = [torch.randn(size, generator=random, dtype=torch.float64) for size in ((n, inputs), (outputs, inputs), (outputs,))]

    def penalty(linear, dtype):
        x, weight, bias = (value.to(dtype).requires_grad_() for value in given)
        values = linear(x, weight, bias)
        (slope,) = torch.autograd.grad(values.square().sum(), x, create_graph=True)
        second = torch.autograd.grad(slope.square().mean() + values.sum(), [x, weight, bias])
        return [value.double() for value in (values, slope, *second)]

    for ours, exact in zip(penalty(by_onednn, torch.float32), penalty(functional.linear, torch.float64), strict=True):
        assert (ours - exact).abs().max() <= 1e-5 * exact.abs().max()


def test_linear_layers_are_torchs_unless_arithmetic_is_portable(monkeypatch):
    layer, x = Linear(7, 3), torch.randn(4, 7)
    plain = functional.linear(x, layer.weight, layer.bias)
    calls = []
    monkeypatch.setattr("ganrepro.nets.linear.by_onednn", lambda *given: calls.append(given) or plain)
    assert torch.equal(layer(x), plain) and not calls
    monkeypatch.setattr("ganrepro.arithmetic.is_set", lambda: True)
    layer(x)
    assert len(calls) == 1
    assert layer(torch.randn(2, 4, 7)).shape == (2, 4, 3) and layer.double()(x.double()).dtype == torch.float64
    assert len(calls) == 1  # only what oneDNN was measured on
