#!/usr/bin/env python3
"""Trains the bundled x2 upscaler and writes it as ONNX, with a model card beside it.

A Compact network (Conv 3x3 + PRelu, repeated; DepthToSpace; plus the nearest-neighbour
base image) learns to undo a bicubic reduction. Photos come from --photos; --set5 holds
pairs NAME_HR.png / NAME_LR.png for the figure that the card reports.

    tools/train/train.py --photos DIR --set5 DIR --out models/photo-x2

Runs on a GPU where PyTorch sees one, else on the CPU. The same seed, thread count and
PyTorch version give the same file. A run that was cut short goes on from its checkpoint.
"""
import argparse
import json
import math
import pathlib
import time

import numpy
import PIL.Image
import torch
from torch import nn


class Compact(nn.Module):
    """RGB in 0..1, NCHW -> the same picture `scale` times as large."""

    def __init__(self, features, body, scale):
        super().__init__()
        layers = [nn.Conv2d(3, features, 3, padding=1), nn.PReLU(features)]
        for _ in range(body):
            layers += [nn.Conv2d(features, features, 3, padding=1), nn.PReLU(features)]
        layers += [nn.Conv2d(features, 3 * scale * scale, 3, padding=1)]
        self.body = nn.Sequential(*layers)
        self.shuffle = nn.PixelShuffle(scale)
        self.scale = scale

    def forward(self, x):
        base = nn.functional.interpolate(x, scale_factor=float(self.scale), mode="nearest")
        return self.shuffle(self.body(x)) + base


def load_rgb(path):
    return PIL.Image.open(path).convert("RGB")


def to_tensor(image):
    return torch.from_numpy(numpy.asarray(image).copy()).permute(2, 0, 1)


def pairs_of(photo, scale, reductions):
    """(high, low) uint8 CHW tensors of one photo at several sizes; low is a bicubic reduction."""
    for reduction in reductions:
        width = int(photo.width / reduction) // scale * scale
        height = int(photo.height / reduction) // scale * scale
        high = photo.resize((width, height), PIL.Image.BICUBIC)
        low = high.resize((width // scale, height // scale), PIL.Image.BICUBIC)
        yield to_tensor(high), to_tensor(low)


def batch_of(pairs, weights, rng, count, patch, scale):
    """Random aligned patches, each turned and mirrored at random."""
    lows, highs = [], []
    for index in rng.choice(len(pairs), size=count, p=weights):
        high, low = pairs[index]
        y = int(rng.integers(0, low.shape[1] - patch + 1))
        x = int(rng.integers(0, low.shape[2] - patch + 1))
        a = low[:, y:y + patch, x:x + patch]
        b = high[:, y * scale:(y + patch) * scale, x * scale:(x + patch) * scale]
        turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
        a, b = torch.rot90(a, turns, (1, 2)), torch.rot90(b, turns, (1, 2))
        if mirror:
            a, b = a.flip(2), b.flip(2)
        lows.append(a)
        highs.append(b)
    return torch.stack(lows).float() / 255, torch.stack(highs).float() / 255


def luma(picture):
    """ITU-R BT.601 Y in 16..235 of RGB in 0..255, the convention of the Set5 literature."""
    weights = numpy.array([65.481, 128.553, 24.966]) / 255
    return 16 + picture.astype(numpy.float64) @ weights


def psnr_y(a, b, shave):
    difference = (luma(a) - luma(b))[shave:-shave, shave:-shave]
    return 10 * math.log10(255 ** 2 / numpy.mean(difference ** 2))


def score(network, set5, scale, device):
    """Mean PSNR on Y over the pairs in `set5`: (network, bicubic)."""
    ours, bicubic = [], []
    for low_path in sorted(pathlib.Path(set5).glob("*_LR.png")):
        low = load_rgb(low_path)
        high = load_rgb(str(low_path).replace("_LR", "_HR"))
        with torch.no_grad():
            out = network(to_tensor(low)[None].float().to(device) / 255)[0]
        out = (out.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
        high = numpy.asarray(high)[:out.shape[0], :out.shape[1]]
        ours.append(psnr_y(out, high, scale))
        plain = low.resize((low.width * scale, low.height * scale), PIL.Image.BICUBIC)
        bicubic.append(psnr_y(numpy.asarray(plain), high, scale))
    return float(numpy.mean(ours)), float(numpy.mean(bicubic))


def write_card(path, options, parameters, figures, seconds, log):
    lines = [
        f"# {path.name}", "",
        f"A x{options.scale} upscaler for photos: Compact, {options.features} features, "
        f"{options.body} body convolutions, {parameters:,} parameters.",
        "Input `in`, output `out`: float32, NCHW, RGB in 0..1, any height and width.", "",
        f"Set5 x{options.scale}, PSNR on Y, {options.scale} px shaved: **{figures[0]:.2f} dB** "
        f"(bicubic {figures[1]:.2f} dB).", "",
        "| training | |", "|---|---|",
        f"| data | {log['photos']} photos, each at {len(options.reductions)} sizes; bicubic reduction |",
        f"| steps, batch, patch | {options.steps}, {options.batch}, {options.patch} px (low side) |",
        f"| loss, optimizer | L1; Adam, {options.rate} falling to 0 by a cosine; weight average {options.average} |",
        f"| seed, PyTorch, device | {options.seed}, {torch.__version__}, {log['device']} |",
        f"| time | {seconds / 60:.0f} min |", "",
        f"Command: `tools/train/train.py --photos PHOTOS --set5 SET5 --out {options.out} "
        f"--steps {options.steps} --seed {options.seed}`", "",
        "| step | loss | Set5 dB |", "|---|---|---|",
    ]
    lines += [f"| {row['step']} | {row['loss']:.5f} | {row['set5']:.2f} |" for row in log["rows"]]
    path.with_suffix(".md").write_text("\n".join(lines) + "\n")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", required=True, help="folder of PNG photos to learn from")
    parser.add_argument("--set5", required=True, help="folder of *_HR.png and *_LR.png to judge by")
    parser.add_argument("--out", default="models/photo-x2", help="path without extension")
    parser.add_argument("--scale", type=int, default=2)
    parser.add_argument("--features", type=int, default=32)
    parser.add_argument("--body", type=int, default=8)
    parser.add_argument("--steps", type=int, default=14000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--patch", type=int, default=40)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--average", type=float, default=0.998, help="decay of the weight average")
    parser.add_argument("--reductions", type=float, nargs="+", default=[1, 1.6, 2.5])
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--report", type=int, default=500, help="steps between log lines and checkpoints")
    return parser.parse_args()


def main():
    options = parse()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    out = pathlib.Path(options.out)
    out.parent.mkdir(parents=True, exist_ok=True)

    pairs = []
    paths = sorted(pathlib.Path(options.photos).glob("*.png"))
    for path in paths:
        pairs += pairs_of(load_rgb(path), options.scale, options.reductions)
    # A photo's smaller versions are sharper per pixel: every version is drawn equally often.
    weights = numpy.full(len(pairs), 1 / len(pairs))

    network = Compact(options.features, options.body, options.scale).to(device)
    average = Compact(options.features, options.body, options.scale).to(device)
    average.load_state_dict(network.state_dict())
    optimizer = torch.optim.Adam(network.parameters(), lr=options.rate)
    log = {"photos": len(paths), "device": device, "rows": []}
    first, spent = 0, 0.0
    checkpoint = out.with_suffix(".checkpoint")
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location=device)
        network.load_state_dict(saved["network"])
        average.load_state_dict(saved["average"])
        optimizer.load_state_dict(saved["optimizer"])
        first, spent, log = saved["step"], saved["seconds"], saved["log"]

    begin = time.time() - spent
    losses = []
    for step in range(first, options.steps):
        rng = numpy.random.default_rng((options.seed, step))
        for group in optimizer.param_groups:
            warm = min(1.0, (step + 1) / 200)
            group["lr"] = options.rate * warm * 0.5 * (1 + math.cos(math.pi * step / options.steps))
        low, high = batch_of(pairs, weights, rng, options.batch, options.patch, options.scale)
        loss = (network(low.to(device)) - high.to(device)).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 0.5)
        optimizer.step()
        with torch.no_grad():
            for kept, new in zip(average.parameters(), network.parameters()):
                kept.lerp_(new, 1 - options.average)
        losses.append(loss.item())
        if (step + 1) % options.report == 0 or step + 1 == options.steps:
            figures = score(average, options.set5, options.scale, device)
            row = {"step": step + 1, "loss": float(numpy.mean(losses)), "set5": figures[0]}
            log["rows"].append(row)
            losses = []
            print(json.dumps({**row, "bicubic": figures[1], "seconds": round(time.time() - begin)}), flush=True)
            torch.save({"network": network.state_dict(), "average": average.state_dict(),
                        "optimizer": optimizer.state_dict(), "step": step + 1, "log": log,
                        "seconds": time.time() - begin}, checkpoint)

    figures = score(average, options.set5, options.scale, device)
    average.cpu().eval()
    torch.onnx.export(
        average, torch.zeros(1, 3, 16, 16), str(out.with_suffix(".onnx")), opset_version=17,
        input_names=["in"], output_names=["out"],
        dynamic_axes={"in": {0: "batch", 2: "height", 3: "width"},
                      "out": {0: "batch", 2: "out_height", 3: "out_width"}})
    parameters = sum(p.numel() for p in average.parameters())
    write_card(out, options, parameters, figures, time.time() - begin, log)
    checkpoint.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
