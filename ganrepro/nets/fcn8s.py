"""FCN-8s: VGG-16 whose scores at strides 32, 16 and 8 are summed upwards (Long, Shelhamer and Darrell 2015).

The network of the papers' FCN-score, layer by layer as their deploy.prototxt (scripts/eval_cityscapes/caffemodel)
has it: conv1_1 pads by 100, learnt deconvolutions, crops by 5, 9 and 31, 20 outputs for 19 classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

MEANS = (72.78044, 83.21195, 73.45286)  # subtracted, BGR, 0..255
BLOCKS = {1: (2, 64), 2: (2, 128), 3: (3, 256), 4: (3, 512), 5: (3, 512)}  # convolutions, width
OUTPUTS = 20


class FCN8s(nn.Module):
    """RGB (n, 3, h, w) in [-1, 1] -> scores (n, outputs, h, w).  shrink: divides every width, for tests."""

    def __init__(self, outputs: int = OUTPUTS, shrink: int = 1):
        super().__init__()
        self.layers = nn.ModuleDict()
        inputs = 3
        for block, (count, width) in BLOCKS.items():
            for i in range(1, count + 1):
                name = f"conv{block}_{i}"
                self.layers[name] = nn.Conv2d(inputs, width // shrink, 3, padding=100 if name == "conv1_1" else 1)
                inputs = width // shrink
        top = 4096 // shrink
        self.layers["fc6_cs"] = nn.Conv2d(inputs, top, 7)
        self.layers["fc7_cs"] = nn.Conv2d(top, top, 1)
        self.layers["score_fr"] = nn.Conv2d(top, outputs, 1)
        self.layers["score_pool4"] = nn.Conv2d(512 // shrink, outputs, 1)
        self.layers["score_pool3"] = nn.Conv2d(256 // shrink, outputs, 1)
        for name, kernel, stride in (("upscore2", 4, 2), ("upscore_pool4", 4, 2), ("upscore8", 16, 8)):
            self.layers[name] = nn.ConvTranspose2d(outputs, outputs, kernel, stride, bias=False)

    def forward(self, photos: Tensor) -> Tensor:
        height, width = photos.shape[-2:]
        means = torch.tensor(MEANS, device=photos.device).view(3, 1, 1)
        x, pools = (photos.flip(1) + 1) * 127.5 - means, {}
        for block, (count, _) in BLOCKS.items():
            for i in range(1, count + 1):
                x = functional.relu(self.layers[f"conv{block}_{i}"](x), inplace=True)
            x = pools[block] = functional.max_pool2d(x, 2, ceil_mode=True)  # Caffe rounds sizes up
        x = functional.relu(self.layers["fc6_cs"](x), inplace=True)
        x = functional.relu(self.layers["fc7_cs"](x), inplace=True)
        x = self.layers["upscore2"](self.layers["score_fr"](x))
        x = x + _crop(self.layers["score_pool4"](pools[4]), 5, x)
        x = self.layers["upscore_pool4"](x)
        x = x + _crop(self.layers["score_pool3"](pools[3]), 9, x)
        return self.layers["upscore8"](x)[..., 31 : 31 + height, 31 : 31 + width]


def _crop(x: Tensor, offset: int, like: Tensor) -> Tensor:
    height, width = like.shape[-2:]
    return x[..., offset : offset + height, offset : offset + width]
