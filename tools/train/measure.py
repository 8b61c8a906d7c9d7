"""PSNR and SSIM, and tables of them."""
import math

import numpy
import PIL.Image

import degrade

LUMA = numpy.array([65.481, 128.553, 24.966]) / 255
FIGURES = ["<!-- figures -->", "<!-- end of figures -->"]  # judge.py writes between them


def luma(picture):
    """ITU-R BT.601 Y in 16..235 of RGB in 0..255, the convention of the Set5 literature."""
    return picture.astype(numpy.float64) @ LUMA + 16


def psnr(a, b, shave):
    difference = (luma(a) - luma(b))[shave:-shave, shave:-shave]
    return 10 * math.log10(255 ** 2 / max(numpy.mean(difference ** 2), 1e-9))


def blurred(picture):
    """By a Gaussian of 11x11 and sigma 1.5, where it fits."""
    kernel = numpy.exp(-(numpy.arange(11) - 5) ** 2 / (2 * 1.5 ** 2))
    kernel /= kernel.sum()
    rows = sum(weight * picture[at:picture.shape[0] - 10 + at] for at, weight in enumerate(kernel))
    return sum(weight * rows[:, at:rows.shape[1] - 10 + at] for at, weight in enumerate(kernel))


def ssim(a, b, shave):
    a, b = (luma(picture)[shave:-shave, shave:-shave] for picture in (a, b))
    mean_a, mean_b = blurred(a), blurred(b)
    spread_a, spread_b = blurred(a * a) - mean_a ** 2, blurred(b * b) - mean_b ** 2
    both = blurred(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return float(numpy.mean((2 * mean_a * mean_b + c1) * (2 * both + c2)
                            / ((mean_a ** 2 + mean_b ** 2 + c1) * (spread_a + spread_b + c2))))


def cut(picture, scale):
    """Without the rows and columns that make no whole pixel of the small picture."""
    return picture[:picture.shape[0] // scale * scale, :picture.shape[1] // scale * scale]


def enlarged(low, scale, kind):
    return numpy.asarray(PIL.Image.fromarray(low).resize((low.shape[1] * scale, low.shape[0] * scale),
                                                         degrade.FILTERS[kind]))


def table(heads, rows):
    return ["| " + " | ".join(str(cell) for cell in row) + " |" for row in (heads, ["---"] * len(heads), *rows)]
