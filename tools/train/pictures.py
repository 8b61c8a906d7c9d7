"""What is learnt from: photos from a folder, and pages that are drawn here."""
import functools
import math
import pathlib
import string

import numpy
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

FONTS = "/usr/share/fonts/truetype"
LEARNT_FONTS = ("dejavu", "liberation", "freefont")
JUDGED_FONTS = ("roboto",)
FINE = 4  # pages are drawn so many times as large: edges are mixed from 16 samples
LETTERS = (string.ascii_lowercase * 6 + string.ascii_uppercase * 2 + string.digits * 2 + ".,;:!?()-+*/=%&@#'\""
           + "äöüßéèçñåøœ" + "αβγδλμπσω" + "бвгджилнпрстя")


def load_rgb(path):
    return PIL.Image.open(path).convert("RGB")


def photos(folder, reductions):
    """Each photo at several sizes (uint8 HWC)."""
    for path in sorted(pathlib.Path(folder).glob("*.png")):
        photo = load_rgb(path)
        for reduction in reductions:
            size = int(photo.width / reduction), int(photo.height / reduction)
            yield numpy.asarray(photo.resize(size, PIL.Image.BICUBIC))


def font_files(folder, families):
    files = []
    for family in families:
        found = sorted(str(path) for path in pathlib.Path(folder, family).rglob("*.ttf"))
        if not found:
            raise SystemExit(f"{folder}/{family}: no fonts in it; the packages are named in tools/train/train.py --help")
        files += found
    return files


@functools.lru_cache(maxsize=256)
def font_of(file, size):
    return PIL.ImageFont.truetype(file, size)


class Page:
    """A page that is drawn FINE times as large, in random colors."""

    def __init__(self, rng, size, fonts):
        self.rng, self.size, self.fonts = rng, size * FINE, fonts
        self.picture = PIL.Image.new("RGB", (self.size, self.size))
        self.draw = PIL.ImageDraw.Draw(self.picture)

    def between(self, low, high):
        """Pixels of the finished page, in those of the drawing; small ones are as likely as large ones."""
        return float(low * (high / low) ** self.rng.random()) * FINE

    def anywhere(self):
        return self.rng.random(2) * self.size

    def color(self, kind=None):
        kind = self.rng.random() if kind is None else kind
        if kind < 0.4:  # nearly black or nearly white
            return (int(self.rng.integers(0, 40) if kind < 0.25 else self.rng.integers(215, 256)),) * 3
        if kind < 0.5:
            return (int(self.rng.integers(0, 256)),) * 3
        return tuple(int(v) for v in self.rng.integers(0, 256, 3))

    def ground(self):
        """Mostly paper or dark, at times a gradient."""
        kind = self.rng.random()
        if kind < 0.55:
            self.fill((255, 255, 255) if kind < 0.35 else tuple(int(v) for v in self.rng.integers(225, 256, 3)))
        elif kind < 0.85:
            self.fill(self.color())
        else:
            self.picture.paste(self.gradient())

    def fill(self, color):
        self.draw.rectangle((0, 0, self.size, self.size), fill=color)

    def gradient(self):
        turn = self.rng.random() * 2 * math.pi
        rows, columns = numpy.mgrid[0:1:64j, 0:1:64j]
        part = (numpy.cos(turn) * columns + numpy.sin(turn) * rows) / 3 + 0.5
        ends = [numpy.array(self.color()) for _ in range(2)]
        small = (ends[0] + (ends[1] - ends[0]) * part.clip(0, 1)[..., None]).astype(numpy.uint8)
        return PIL.Image.fromarray(small).resize((self.size, self.size), PIL.Image.BILINEAR)

    def curve(self):
        """Points of a smooth line: a cubic by its four corners."""
        corners = self.anywhere() + (self.rng.random((4, 2)) - 0.5) * self.between(30, 300)
        t = numpy.linspace(0, 1, 40)[:, None]
        points = sum(math.comb(3, k) * t ** k * (1 - t) ** (3 - k) * corners[k] for k in range(4))
        return [tuple(point) for point in points]

    def stroke(self, color, width):
        points = self.curve() if self.rng.random() < 0.7 else [tuple(self.anywhere()) for _ in range(2)]
        self.draw.line(points, fill=color, width=max(1, round(width)), joint="curve")

    def outline(self):
        """The corners of a closed shape: a circle, a polygon, or something round."""
        count = int(self.rng.choice([3, 4, 5, 40, 40, 40]))
        turns = numpy.arange(count) * 2 * math.pi / count + self.rng.random() * 2 * math.pi
        radius = self.between(6, 110) * numpy.ones(count)
        if count == 40:
            for wave in range(2, 5):
                radius *= 1 + self.rng.normal() * 0.12 * numpy.cos(wave * turns + self.rng.random() * 6)
        else:
            radius *= 0.6 + 0.8 * self.rng.random(count)
        center = self.anywhere()
        return [(center[0] + r * math.cos(a), center[1] + r * math.sin(a)) for r, a in zip(radius, turns)]

    def shape(self):
        """Filled flat, by a gradient, hatched or with a screentone; mostly with an outline."""
        corners, kind = self.outline(), self.rng.random()
        if kind < 0.5:
            self.draw.polygon(corners, fill=self.color())
        else:
            mask = PIL.Image.new("L", self.picture.size)
            PIL.ImageDraw.Draw(mask).polygon(corners, fill=255)
            self.picture.paste(self.gradient() if kind < 0.65 else self.tone(kind < 0.82), mask=mask)
        if self.rng.random() < 0.75:
            self.draw.line(corners + corners[:2], fill=self.color(self.rng.random() * 0.6),
                           width=max(1, round(self.between(0.6, 5))), joint="curve")

    def tone(self, lines):
        """Parallel lines or dots in rows, at an angle."""
        pitch, turn = self.between(2.5, 14), self.rng.choice([0.0, math.pi / 4, self.rng.random() * math.pi])
        part = 0.15 + 0.5 * self.rng.random()
        rows, columns = numpy.mgrid[0:self.size, 0:self.size].astype(numpy.float32)
        u = ((columns * math.cos(turn) + rows * math.sin(turn)) / pitch) % 1 - 0.5
        v = ((rows * math.cos(turn) - columns * math.sin(turn)) / pitch) % 1 - 0.5
        dark = numpy.abs(u) < part / 2 if lines else u * u + v * v < part * part / 2
        ends = numpy.array([self.color(), self.color()], numpy.uint8)
        return PIL.Image.fromarray(ends[dark.astype(numpy.uint8)])

    def words(self, width):
        text = ""
        for _ in range(width):
            letters = self.rng.choice(list(LETTERS), int(self.rng.integers(1, 10)))
            text += "".join(letters) + " "
        return text

    def text(self, lines):
        """Lines of one font, at a place between pixels."""
        font = font_of(str(self.rng.choice(self.fonts)), round(self.between(9, 48)))
        color = self.color(self.rng.random() * 0.7)
        x, y = self.anywhere() * (0.1 if lines > 3 else 0.8)
        for _ in range(lines):
            self.draw.text((x, y), self.words(12 if lines > 3 else 2), font=font, fill=color)
            y += font.size * (1.15 + 0.3 * self.rng.random())
            if y > self.size:
                break

    def boxes(self):
        """Frames, buttons and rules, as programs and tables draw them."""
        for _ in range(int(self.rng.integers(2, 7))):
            x, y = (int(v) for v in self.anywhere())
            corner = x, y, x + round(self.between(10, 160)), y + round(self.between(8, 90))
            self.draw.rounded_rectangle(corner, radius=round(self.between(1, 12)), fill=self.color(),
                                        outline=self.color(self.rng.random() * 0.6),
                                        width=max(1, round(self.between(0.8, 3))))

    def finished(self):
        return numpy.asarray(self.picture.reduce(FINE))


def page(seed, index, size, fonts, kind=None):
    """One page (uint8 HWC); kind: "text" or "art", else what chance says."""
    rng = numpy.random.default_rng((seed, index))
    drawn = Page(rng, size, fonts)
    drawn.ground()
    if kind == "text" or (kind is None and rng.random() < 0.45):
        if rng.random() < 0.4:
            drawn.boxes()
        drawn.text(lines=40)
        for _ in range(int(rng.integers(0, 5))):
            drawn.text(lines=1)
    else:
        for _ in range(int(rng.integers(3, 12))):
            drawn.shape()
        ink = drawn.color(rng.random() * 0.6)
        for _ in range(int(rng.integers(3, 16))):
            drawn.stroke(ink if rng.random() < 0.7 else drawn.color(), drawn.between(0.6, 6))
        for _ in range(int(rng.integers(0, 3))):
            drawn.text(lines=int(rng.integers(1, 3)))
    return drawn.finished()


def pages(seed, count, size, fonts, kind=None):
    return [page(seed, index, size, fonts, kind) for index in range(count)]
