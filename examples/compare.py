#!/usr/bin/env python3
"""A picture made larger by pixels, by a straight line and by tessera: drawn side by side, and measured.

    python3 examples/compare.py [comparison.png]

Matplotlib draws it where it is installed; else the panels are a PNG without titles.
"""
# %% A picture of things that are hard to enlarge: edges at all angles, thin lines, a soft sky.
import struct
import sys
import zlib

import numpy as np

import tessera


def draw(size=256, samples=4):
    y, x = (np.mgrid[0:size * samples, 0:size * samples] + 0.5) / (size * samples)
    picture = np.stack([0.55 + 0.3 * y, 0.7 + 0.2 * y, 0.95 - 0.1 * y], -1)
    angle = np.arctan2(y - 0.5, x - 0.5)
    radius = np.hypot(y - 0.5, x - 0.5)
    picture[(radius < 0.4) & (np.sin(24 * angle) > 0)] = 0.9, 0.35, 0.2
    picture[radius < 0.12] = 0.1, 0.15, 0.3
    picture[np.abs(radius - 0.45) < 0.006] = 0.05, 0.05, 0.05
    picture[(np.abs(x + y - 0.25) < 0.004) | (np.abs(x - 2 * y + 1.6) < 0.006)] = 1, 1, 1
    means = picture.reshape(size, samples, size, samples, 3).mean((1, 3))
    return (means * 255).round().astype(np.uint8)


# %% The original, and what a camera with half the pixels would have seen.
original = draw()
small = original.reshape(128, 2, 128, 2, 3).mean((1, 3)).round().astype(np.uint8)


# %% Three ways back.
def linear(picture):
    for axis in (0, 1):
        n = picture.shape[axis]
        at = np.clip((np.arange(2 * n) + 0.5) / 2 - 0.5, 0, n - 1)
        low = np.minimum(at.astype(int), n - 2)
        share = (at - low).reshape([-1 if axis == i else 1 for i in range(3)])
        picture = np.take(picture, low, axis) * (1 - share) + np.take(picture, low + 1, axis) * share
    return picture.round().astype(np.uint8)


results = {"pixels": small.repeat(2, 0).repeat(2, 1), "linear": linear(small), "tessera": tessera.upscale(small)}


# %% How far each is from the original: more decibels are nearer.
def decibels(picture):
    return 10 * np.log10(255**2 / np.mean((picture.astype(float) - original)**2))


for name, picture in results.items():
    print(f"{name:8} {decibels(picture):.2f} dB")

# %% Side by side, the same corner of each.
panels = {"original": original, **results}
corner = np.s_[20:148, 20:148]


def write_png(path, pixels):
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
                   chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


path = sys.argv[1] if len(sys.argv) > 1 else "comparison.png"
try:
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
except ImportError:
    gap = np.full((256, 8, 3), 255, np.uint8)
    shown = [part for picture in panels.values() for part in (picture[corner].repeat(2, 0).repeat(2, 1), gap)]
    write_png(path, np.concatenate(shown[:-1], 1))
else:
    figure, axes = plt.subplots(1, len(panels), figsize=(4 * len(panels), 4.3))
    for axis, (name, picture) in zip(axes, panels.items()):
        axis.imshow(picture[corner], interpolation="nearest")
        axis.set_title(name if name == "original" else f"{name}, {decibels(picture):.2f} dB")
        axis.axis("off")
    figure.tight_layout()
    figure.savefig(path)
print(path)
