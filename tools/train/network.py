"""The network as it runs, and as it learns."""
import math

import torch
from torch import nn


class Convolution(nn.Module):
    """The weights of one 3x3 convolution as it learns: its own, a wide 3x3 and a 1x1 convolution
    in turn, and a matrix for each of four fixed kernels. Only their sum is ever applied."""

    KERNELS = [[[0, 0, 0], [0, 1, 0], [0, 0, 0]],
               [[1, 0, -1], [2, 0, -2], [1, 0, -1]],
               [[1, 2, 1], [0, 0, 0], [-1, -2, -1]],
               [[0, 1, 0], [1, -4, 1], [0, 1, 0]]]

    def __init__(self, inputs, outputs, width=128):
        super().__init__()
        self.own = nn.Parameter(torch.zeros(outputs, inputs, 3, 3))
        self.wide = nn.Conv2d(inputs, width, 3, bias=False).weight
        self.narrow = nn.Conv2d(width, outputs, 1, bias=False).weight
        self.fixed = nn.Parameter(torch.zeros(len(self.KERNELS), outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        if inputs == outputs:
            nn.init.eye_(self.fixed.data[0])
        self.register_buffer("kernels", torch.tensor(self.KERNELS, dtype=torch.float32))

    def weight(self):
        product = self.narrow.flatten(1) @ self.wide.flatten(1)
        fixed = torch.einsum("koi,kyx->oiyx", self.fixed, self.kernels)
        return self.own + product.view(self.own.shape) + fixed


def compact(values, x, scale):
    """What the Compact network of these parameters makes of RGB in 0..1, NCHW: 3x3 convolutions with PRelu between
    them, DepthToSpace, and the picture with every pixel repeated."""
    y = x
    for weight, bias, slope in zip(values[0:-2:3], values[1:-2:3], values[2:-2:3]):
        y = nn.functional.prelu(nn.functional.conv2d(y, weight, bias, padding=1), slope)
    y = nn.functional.conv2d(y, values[-2], values[-1], padding=1)
    base = nn.functional.interpolate(x, scale_factor=float(scale), mode="nearest")
    return nn.functional.pixel_shuffle(y, scale) + base


class Learner(nn.Module):
    """A Compact network as it learns."""

    def __init__(self, features, body, scale):
        super().__init__()
        sizes = [3] + [features] * (body + 1) + [3 * scale * scale]
        self.convolutions = nn.ModuleList(Convolution(a, b) for a, b in zip(sizes, sizes[1:]))
        self.slopes = nn.ParameterList(nn.Parameter(torch.full((features,), 0.25)) for _ in range(body + 1))
        self.scale = scale

    def plain(self):
        """The parameters of the Compact network that this one is: weight, bias and slope in turn."""
        values = []
        for index, convolution in enumerate(self.convolutions):
            values += [convolution.weight(), convolution.bias]
            values += [self.slopes[index]] if index < len(self.slopes) else []
        return values

    @torch.no_grad()
    def start_from(self, values):
        """Becomes the Compact network of these parameters."""
        for index, convolution in enumerate(self.convolutions):
            convolution.own += values[3 * index] - convolution.weight()
            convolution.bias.copy_(values[3 * index + 1])
            if index < len(self.slopes):
                self.slopes[index].copy_(values[3 * index + 2])

    def forward(self, x):
        return compact(self.plain(), x, self.scale)


def finer(values, scale):
    """The parameters for a larger scale: what was one pixel of the result is several alike."""
    weight, bias = values[-2:]
    old = math.isqrt(len(bias) // 3)
    rows = torch.arange(scale) * old // scale
    places = (rows[:, None] * old + rows[None, :]).flatten()
    order = (torch.arange(3)[:, None] * old * old + places).flatten()
    return values[:-2] + [weight[order], bias[order]]
