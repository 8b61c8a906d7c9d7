#!/usr/bin/env python3
"""Puts a part of a picture, enlarged by a bicubic filter, beside the same part of its upscaled result.

    tools/before_after.py examples/demo.png docs/demo_x2.png docs/before_after.png

Needs Pillow."""
import sys

from PIL import Image

LEFT, TOP, WIDTH, HEIGHT, TIMES, GAP = 52, 50, 72, 52, 6, 8

source, result = (Image.open(name).convert("RGB") for name in sys.argv[1:3])
scale = result.width // source.width
size = (WIDTH * TIMES, HEIGHT * TIMES)
sheet = Image.new("RGB", (2 * size[0] + GAP, size[1]), "white")
for place, (picture, factor) in enumerate(((source, 1), (result, scale))):
    part = picture.crop([factor * edge for edge in (LEFT, TOP, LEFT + WIDTH, TOP + HEIGHT)])
    sheet.paste(part.resize(size, Image.BICUBIC), (place * (size[0] + GAP), 0))
sheet.save(sys.argv[3], optimize=True)
