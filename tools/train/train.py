#!/usr/bin/env python3
"""Trains the bundled upscalers and writes each as ONNX, with its card beside it.

    tools/train/train.py photo-x2 photo-x4 art-x2 photo-x2-clean --photos PHOTOS --out FOLDER
    tools/train/judge.py ...        # the figures in the cards, by what the user runs

A Compact network (3x3 convolutions with PRelu, DepthToSpace, and the picture with every pixel
repeated) learns to undo a reduction, with or without traces of JPEG and noise: see recipes.py. It
learns from photos (PNG files in --photos) and from pages that are drawn (pictures.py: text, line art;
Debian's fonts-dejavu, fonts-liberation, fonts-freefont-ttf, and fonts-roboto-unhinted to judge). While it learns, each convolution is a
sum of products (network.py); what is written is the plain network. Needs PyTorch, NumPy and Pillow.

The same seed, thread count, batch, steps and PyTorch version give the same file, whatever the number
of workers. A run that was cut short goes on from its checkpoint. With a GPU, all four in 12 minutes:

    tools/train/train.py photo-x2 photo-x4 art-x2 photo-x2-clean --photos PHOTOS --out FOLDER \\
        --device cuda --workers 15 --batch 64 --patch 48 --pages 1200 --minutes 3
"""
import argparse
import json
import math
import pathlib
import time

import numpy
import torch
from torch import nn

import card
import degrade
import onnx_file
import pictures
from network import Learner, compact, finer
from recipes import RECIPES

LUMA = (65.481 / 255, 128.553 / 255, 24.966 / 255)
EDGE = 4  # pixels of a small picture that its end may have changed


class Batches(torch.utils.data.Dataset):
    """Batch number `step` is the same whoever makes it."""

    def __init__(self, recipe, photos, pages, options):
        self.recipe, self.photos, self.pages, self.options = recipe, photos, pages, options

    def __len__(self):
        return self.options.steps

    def window(self, high, size, rng):
        """Of two places drawn at random the one with more detail, turned and mirrored at random."""
        scale = self.recipe.scale
        size *= scale
        best, most = None, -1.0
        for _ in range(2):
            y, x = (int(rng.integers(0, (extent - size) // scale + 1)) * scale for extent in high.shape[:2])
            green = high[y:y + size:scale, x:x + size:scale, 1].astype(numpy.int16)
            detail = numpy.abs(numpy.diff(green, axis=0)).mean() + numpy.abs(numpy.diff(green, axis=1)).mean()
            if detail > most:
                best, most = high[y:y + size, x:x + size], detail
        best = numpy.rot90(best, int(rng.integers(4)))
        return numpy.ascontiguousarray(best[:, ::-1] if rng.integers(2) else best)

    def __getitem__(self, step):
        """Aligned patches, small and large. JPEG's blocks begin anywhere: more is degraded than is kept."""
        recipe, patch, scale = self.recipe, self.options.patch, self.recipe.scale
        rng = numpy.random.default_rng((recipe.seed, step))
        lows, highs = [], []
        for _ in range(self.options.batch):
            source = self.pages if rng.random() < recipe.pages else self.photos
            high = self.window(source[int(rng.integers(len(source)))], patch + 16 + 2 * EDGE, rng)
            low = degrade.reduced(high, scale, str(rng.choice(recipe.filters)))[EDGE:-EDGE, EDGE:-EDGE]
            low = degrade.degraded(numpy.ascontiguousarray(low), recipe, rng)
            y, x = (int(v) for v in rng.integers(0, 17, size=2))
            lows.append(low[y:y + patch, x:x + patch])
            y, x = (y + EDGE) * scale, (x + EDGE) * scale
            highs.append(high[y:y + patch * scale, x:x + patch * scale])
        return tuple(torch.from_numpy(numpy.stack(part)).permute(0, 3, 1, 2) for part in (lows, highs))


def loss_of(out, high):
    """Errors of RGB and of luma count alike."""
    error = out - high
    weights = torch.tensor(LUMA, dtype=error.dtype, device=error.device).view(1, 3, 1, 1)
    return error.abs().mean() + (error * weights).sum(1).abs().mean()


class Learning:
    """One model on its way: the network, the average of its parameters that is kept in the end, and the optimizer."""

    def __init__(self, name, options):
        self.name, self.options, self.recipe = name, options, RECIPES[name]
        self.out = pathlib.Path(options.out, name)
        self.checkpoint = self.out.with_suffix(".checkpoint")
        self.device = options.device
        torch.manual_seed(self.recipe.seed)
        self.learner = Learner(options.features, options.body, self.recipe.scale)
        start = options.start or pathlib.Path(__file__).parents[2] / "models" / f"{self.recipe.start}.onnx"
        values = [torch.from_numpy(value) for value in onnx_file.read_compact(start)]
        self.learner.start_from(finer(values, self.recipe.scale))
        self.learner.to(self.device)
        self.average = [value.detach().clone() for value in self.learner.plain()]
        self.optimizer = torch.optim.Adam(self.learner.parameters(), lr=self.recipe.rate)
        self.step, self.seconds, self.log = 0, 0.0, []
        if self.checkpoint.exists():
            self.load()

    def load(self):
        saved = torch.load(self.checkpoint, map_location=self.device)
        self.learner.load_state_dict(saved["learner"])
        self.average = saved["average"]
        self.optimizer.load_state_dict(saved["optimizer"])
        self.step, self.seconds, self.log = saved["step"], saved["seconds"], saved["log"]

    def save(self):
        torch.save({"learner": self.learner.state_dict(), "average": self.average, "step": self.step,
                    "optimizer": self.optimizer.state_dict(), "seconds": self.seconds, "log": self.log},
                   self.checkpoint)

    def rate(self):
        """Rises for 300 steps; after a fifth of all it falls to 0 by a cosine."""
        first = self.options.steps // 5
        progress = max(0, self.step - first) / (self.options.steps - first)
        return (self.options.rate or self.recipe.rate) * min(1.0, (self.step + 1) / 300) * 0.5 * (
            1 + math.cos(math.pi * progress))

    def learn(self, low, high):
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate()
        low, high = (part.to(self.device, non_blocking=True).float() / 255 for part in (low, high))
        loss = loss_of(self.learner(low), high)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.learner.parameters(), 0.5)
        self.optimizer.step()
        with torch.no_grad():
            for kept, new in zip(self.average, self.learner.plain()):
                kept.lerp_(new, 1 - self.options.average)
        self.step += 1
        return loss.detach()

    def upscaled(self, low):
        """By the average: uint8 HWC of uint8 HWC."""
        with torch.no_grad():
            x = torch.from_numpy(low.copy()).permute(2, 0, 1)[None].float().to(self.device) / 255
            out = compact(self.average, x, self.recipe.scale)[0]
        return (out.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()

    def finish(self):
        values = [value.cpu().numpy() for value in self.average]
        card.write(self, sum(value.size for value in values))
        onnx_file.write_compact(self.out.with_suffix(".onnx"), values, self.recipe.scale,
                                {"name": self.name, "description": f"x{self.recipe.scale} for {self.recipe.purpose}",
                                 "licence": "Apache-2.0"})


def batches_from(first, dataset, options):
    return iter(torch.utils.data.DataLoader(torch.utils.data.Subset(dataset, range(first, options.steps)),
                                            batch_size=None, num_workers=options.workers,
                                            pin_memory=options.device != "cpu",
                                            prefetch_factor=8 if options.workers else 2))


def train(name, photos, pages, options):
    learning = Learning(name, options)
    dataset = Batches(learning.recipe, photos, pages, options)
    if options.minutes:
        set_steps(learning, dataset, options)
    held = card.Held(learning.recipe.scale, options)
    losses = []
    begin = time.time() - learning.seconds
    for low, high in batches_from(learning.step, dataset, options):
        losses.append(learning.learn(low, high))
        if learning.step % options.report == 0 or learning.step == options.steps:
            learning.seconds = time.time() - begin
            learning.log.append({"step": learning.step, "loss": float(torch.stack(losses).mean()),
                                 **held.gains(learning.upscaled)})
            losses = []
            print(json.dumps({"model": name, **learning.log[-1], "seconds": round(learning.seconds)}), flush=True)
            learning.save()
    learning.finish()
    learning.checkpoint.unlink(missing_ok=True)


def set_steps(learning, dataset, options):
    """As many as fit in --minutes, by the time that some take."""
    if learning.step:
        raise SystemExit(f"{learning.checkpoint}: goes on only with --steps: --minutes has measured them")
    options.steps = 2_000_000
    batches = batches_from(0, dataset, options)
    begin, count = 0.0, 0
    for low, high in batches:
        learning.learn(low, high).item()
        count += 1
        if count == 20:
            begin = time.time()
        if count > 20 and time.time() - begin > 5:
            break
    options.steps = int((count - 20) * (60 * options.minutes - 15) / (time.time() - begin))
    learning.__init__(learning.name, options)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=sorted(RECIPES), metavar="NAME", help=", ".join(RECIPES))
    parser.add_argument("--photos", required=True, help="folder of PNG photos to learn from")
    parser.add_argument("--judge", help="folder of other PNG photos, for the curve in the card")
    parser.add_argument("--out", required=True, help="folder of the results and checkpoints")
    parser.add_argument("--start", help="a network of the same body (default: the bundled one of the recipe)")
    parser.add_argument("--features", type=int, default=32)
    parser.add_argument("--body", type=int, default=8)
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--minutes", type=float, help="of each model: sets --steps")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--patch", type=int, default=40)
    parser.add_argument("--rate", type=float, help="in place of the recipe's")
    parser.add_argument("--average", type=float, default=0.999, help="decay of the weight average")
    parser.add_argument("--reductions", type=float, nargs="+", default=[1, 1.5, 2.2, 3.2], help="sizes of each photo")
    parser.add_argument("--pages", type=int, default=240, help="pages to draw")
    parser.add_argument("--fonts", default=pictures.FONTS, help="folder of the fonts' folders")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--workers", type=int, default=0, help="processes that make batches; 0: this one")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--report", type=int, default=1000, help="steps between log lines and checkpoints")
    return parser.parse_args()


def main():
    options = parse()
    torch.set_num_threads(options.threads)
    pathlib.Path(options.out).mkdir(parents=True, exist_ok=True)
    photos = list(pictures.photos(options.photos, options.reductions))
    if not photos:
        raise SystemExit(f"{options.photos}: no PNG files in it")
    drawn = any(RECIPES[name].pages for name in options.names)
    fonts = pictures.font_files(options.fonts, pictures.LEARNT_FONTS) if drawn else []
    pages = pictures.pages(1, options.pages if drawn else 0, 384, fonts)
    for name in options.names:
        train(name, photos, pages, options)


if __name__ == "__main__":
    main()
