#!/usr/bin/env python3
"""Draws examples/demo.png: a small landscape of our own, with edges, textures, fine lines and gradients.

    tools/demo_picture.py examples/demo.png
"""
import math
import struct
import sys
import zlib

WIDTH, HEIGHT, SAMPLES = 192, 128, 4


def mix(a, b, t):
    t = min(1.0, max(0.0, t))
    return tuple(x + (y - x) * t for x, y in zip(a, b))


def noise(x, y):
    """A repeatable value in 0..1 per lattice point, smoothly joined."""
    def at(i, j):
        n = (i * 374761393 + j * 668265263) & 0xFFFFFFFF
        n = ((n ^ (n >> 13)) * 1274126177) & 0xFFFFFFFF
        return (n & 0xFFFF) / 0xFFFF
    i, j = math.floor(x), math.floor(y)
    u, v = x - i, y - j
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    top = at(i, j) + (at(i + 1, j) - at(i, j)) * u
    low = at(i, j + 1) + (at(i + 1, j + 1) - at(i, j + 1)) * u
    return top + (low - top) * v


def ridge(x, base, height, seed):
    return base - height * (0.7 * noise(x * 3 + seed, seed) + 0.3 * noise(x * 11 + seed, seed + 5))


def sky(x, y):
    color = mix((0.22, 0.42, 0.78), (0.98, 0.80, 0.62), y * 1.5)
    cloud = noise(x * 6, y * 14) * 0.6 + noise(x * 15, y * 30) * 0.4
    color = mix(color, (1, 0.97, 0.93), (cloud - 0.55) * 2.2)
    distance = math.hypot(x - 1.16, y - 0.2)
    return (1.0, 0.93, 0.66) if distance < 0.075 else mix((1.0, 0.88, 0.62), color, distance * 4)


def house(x, y):
    """A house at the lake; None beside it."""
    if abs(x - 0.42) < 0.13 and 0.56 < y < 0.72:
        if abs(x - 0.36) < 0.028 and 0.60 < y < 0.66 or abs(x - 0.48) < 0.028 and 0.60 < y < 0.66:
            bar = abs(x - 0.36) < 0.003 or abs(x - 0.48) < 0.003 or abs(y - 0.63) < 0.003
            return (0.95, 0.95, 0.9) if bar else (0.24, 0.30, 0.42)
        if abs(x - 0.42) < 0.02 and y > 0.63:
            return (0.35, 0.18, 0.10)
        return mix((0.80, 0.32, 0.24), (0.70, 0.25, 0.19), (math.sin(y * 260) + 1) / 2)
    if 0.44 < y <= 0.56 and abs(x - 0.42) < (y - 0.44) * 1.35:
        tile = (math.sin(y * 330) * math.sin(x * 170 + math.floor(y * 52) * 1.5) + 1) / 2
        return mix((0.36, 0.22, 0.20), (0.48, 0.31, 0.26), tile)
    if abs(x - 0.50) < 0.016 and 0.44 < y < 0.52:
        return (0.55, 0.45, 0.42)
    return None


def tree(x, y, cx, foot, size):
    top = foot - size
    if top < y < foot:
        part = (y - top) / size
        steps = part * 4
        width = size * 0.30 * (0.25 + 0.75 * part) * (0.65 + 0.35 * (steps - math.floor(steps)))
        if abs(x - cx) < width + 0.012 * (noise(x * 90, y * 90) - 0.5):
            return mix((0.06, 0.20, 0.12), (0.16, 0.36, 0.18), noise(x * 60, y * 60) + (cx - x) * 2)
    if foot <= y < foot + size * 0.12 and abs(x - cx) < size * 0.03:
        return (0.28, 0.19, 0.12)
    return None


def land(x, y):
    if y > 0.82 + 0.02 * noise(x * 5, 1):
        blade = noise(x * 120 + y * 25, y * 18)
        color = mix((0.22, 0.36, 0.10), (0.56, 0.62, 0.22), blade)
        return mix(color, (0.9, 0.85, 0.3), 3 * (noise(x * 70, y * 90) - 0.82))
    for cx, foot, size in ((0.12, 0.72, 0.30), (0.22, 0.72, 0.20), (0.66, 0.71, 0.17), (1.34, 0.74, 0.36), (1.22, 0.72, 0.22)):
        color = tree(x, y, cx, foot, size)
        if color:
            return color
    color = house(x, y)
    if color:
        return color
    if y > 0.72:
        mirror = scene(x + 0.006 * math.sin(y * 210), 1.44 - y)
        return mix(mix(mirror, (0.16, 0.30, 0.42), 0.45), (0.9, 0.93, 0.95), 2 * (noise(x * 14, y * 150) - 0.78))
    if y > ridge(x, 0.76, 0.14, 9):
        return mix((0.25, 0.40, 0.20), (0.38, 0.50, 0.24), noise(x * 40, y * 60))
    if y > ridge(x, 0.66, 0.30, 3):
        snow = noise(x * 25, y * 12) + (0.45 - y) * 5
        return mix(mix((0.36, 0.38, 0.50), (0.46, 0.47, 0.58), noise(x * 30, y * 30)), (0.96, 0.97, 1.0), snow * 1.5 - 0.6)
    return None


def scene(x, y):
    return land(x, y) or sky(x, y)


def pixel(px, py):
    total = [0.0, 0.0, 0.0]
    for sy in range(SAMPLES):
        for sx in range(SAMPLES):
            color = scene((px + (sx + 0.5) / SAMPLES) / HEIGHT, (py + (sy + 0.5) / SAMPLES) / HEIGHT)
            total = [t + c for t, c in zip(total, color)]
    return bytes(round(255 * min(1.0, max(0.0, t / SAMPLES ** 2))) for t in total)


def main():
    rows = b"".join(b"\0" + b"".join(pixel(x, y) for x in range(WIDTH)) for y in range(HEIGHT))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    with open(sys.argv[1], "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


if __name__ == "__main__":
    main()
