"""What a generator is made of, as plain values: enough to build it anew wherever its weights are."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ganrepro.nets.blocks import BatchNorm, InstanceNorm
from ganrepro.nets.generators import ResnetBlock, UNet, build_generator
from ganrepro.nets.stargan import ToOneDomain
from ganrepro.nets.to_label_map import ToLabelMap
from ganrepro.nets.unet_sizes import Kind


@dataclass(frozen=True)
class Architecture:
    """A generator of `nets.generators`, with what published ones have otherwise.

    pixels: of a U-Net, the size that it halves down to one pixel.  norm: 'own' as its flavour has it, or the norm that all its
    layers have instead.  biased: whether convolutions before norms have a bias (None: as the flavour).  block_dropout:
    ResNet blocks with dropout between their convolutions, as old published models.  zero_padding, replicate_padding: zeros, or
    the pixels at the edge, in place of mirrored ones in ResNet blocks.  dropout: false where its layers of dropout are off.
    label, reflect: of 'stargan', what is wanted, and its padding.  segmenting, poolings, turned, colours: of 'segmenting', see
    `nets.to_label_map`.
    """

    generator: Literal["resnet", "unet", "encoder-decoder", "stargan", "segmenting"]
    filters: int
    inputs: int = 3
    outputs: int = 3
    blocks: int = 0
    pixels: int = 256
    flavour: Literal["lua", "pytorch"] = "lua"
    bottleneck_norm: bool = False
    norm: Literal["own", "batch", "instance", "none"] = "own"
    biased: bool | None = None
    block_dropout: bool = False
    zero_padding: bool = False
    replicate_padding: bool = False
    dropout: bool = True
    label: tuple[float, ...] = ()
    reflect: bool = False
    segmenting: Kind = "u-net"
    poolings: int = 0
    turned: bool = False
    colours: tuple[tuple[int, ...], ...] = ()

    @property
    def multiple(self) -> int:
        """Sizes have to be multiples of this: what the network halves, it doubles again."""
        return 1 if self.by_tiles else 4 if self.any_size else self.pixels

    @property
    def by_tiles(self) -> bool:
        """Whether it is given a large image whole: a network that segments goes through it by tiles itself, where it can."""
        return self.generator == "segmenting"

    @property
    def any_size(self) -> bool:
        """Whether it is the same function at any size, as no U-Net is."""
        return self.generator in ("resnet", "stargan", "segmenting")

    def build(self) -> nn.Module:
        """The network for images of any size that is a multiple, with weights to be filled in."""
        if self.generator == "stargan":
            return ToOneDomain(self.inputs, self.label, self.filters, self.blocks, self.reflect)
        if self.generator == "segmenting":
            return ToLabelMap(self.segmenting, self.inputs, self.colours, self.filters, self.poolings, self.turned)
        network = build_generator(
            self.generator, blocks=self.blocks, filters=self.filters, pixels=self.pixels, flavour=self.flavour,
            bottleneck_norm=self.bottleneck_norm, generator=torch.Generator(), inputs=self.inputs, outputs=self.outputs,
        )  # fmt: skip
        for module in list(network.modules()):
            if isinstance(module, ResnetBlock):
                _change_block(module, self.block_dropout, self.zero_padding, self.replicate_padding)
        for module in network.modules():
            if isinstance(module, nn.Dropout) and not self.dropout:
                module.p = 0.0
        if self.norm != "own":
            _change_norms(network, self.norm)
        if self.biased is not None:
            _change_biases(network, self.biased)
        return AnySizeUNet(network) if isinstance(network, UNet) else network

    def as_values(self) -> dict[str, Any]:
        """For config.json; what only some networks have, of these alone."""
        own = {"stargan": ("label", "reflect"), "segmenting": ("segmenting", "poolings", "turned", "colours")}
        others = {name for generator, names in own.items() if generator != self.generator for name in names}
        return {name: value for name, value in asdict(self).items() if name not in others}


class AnySizeUNet(nn.Module):
    """A U-Net without the check of its size: fully convolutional, for multiples of the size it was built for.

    At another size the innermost layer has more than one pixel, and its norm more than one value: the same weights, not
    quite the same function as at the size it was trained at.
    """

    def __init__(self, network: UNet):
        super().__init__()
        self.encoder, self.decoder, self.skips = network.encoder, network.decoder, network.skips

    def forward(self, x: Tensor) -> Tensor:
        kept = []
        for down in self.encoder:
            x = down(x)
            kept.append(x)
        for number, up in enumerate(self.decoder, 1):
            skip = kept[-number]
            x = up(torch.cat([x, skip], 1) if self.skips and number > 1 else x)
        return x


def _change_block(block: ResnetBlock, dropout: bool, zero_padding: bool, replicate_padding: bool) -> None:
    """Dropout before the second convolution; padding by the convolutions themselves, or with the pixels at the edge."""
    layers = list(block.body)
    if replicate_padding:
        layers = [nn.ReplicationPad2d(1) if isinstance(layer, nn.ReflectionPad2d) else layer for layer in layers]
    if zero_padding:
        layers = [layer for layer in layers if not isinstance(layer, nn.ReflectionPad2d)]
        for layer in layers:
            if isinstance(layer, nn.Conv2d):
                layer.padding = (1, 1)
    if dropout:
        second = next(i for i, layer in enumerate(layers) if isinstance(layer, nn.ReLU)) + 1
        layers.insert(second, nn.Dropout(0.5))
    block.body = nn.Sequential(*layers)


def _change_norms(network: nn.Module, kind: str) -> None:
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, (nn.BatchNorm2d, nn.InstanceNorm2d)):
                layer: nn.Module = nn.Identity()
                if kind == "batch":
                    layer = BatchNorm(child.num_features, track_running_stats=False)
                elif kind == "instance":
                    layer = InstanceNorm(child.num_features, affine=False, track_running_stats=False)
                setattr(parent, name, layer)


def _change_biases(network: nn.Module, biased: bool) -> None:
    """Gives every convolution a bias, or takes it away from all but the last, which no norm follows."""
    convolutions = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]
    for module in convolutions:
        width = module.out_channels
        if biased and module.bias is None:
            module.bias = nn.Parameter(torch.zeros(width))
        elif not biased and module is not convolutions[-1]:
            module.bias = None
