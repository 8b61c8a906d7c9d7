#!/usr/bin/env python3
"""Trains the bundled x2 upscaler and writes it as ONNX, with a model card beside it.

A Compact network (Conv 3x3 + PRelu, repeated; DepthToSpace; plus the nearest-neighbour
base image) learns to undo a bicubic reduction, with or without the traces of JPEG and
noise. While it learns, each convolution is a sum of products (see Convolution); what is
written is the plain network. Photos come from --photos; --set5 holds pairs NAME_HR.png /
NAME_LR.png and --judge other photos, for the figures that the card reports.

    tools/train/train.py --photos DIR --set5 DIR --judge DIR --out models/photo-x2

Runs on a GPU where PyTorch sees one, else on the CPU. The same seed, thread count and
PyTorch version give the same file. A run that was cut short goes on from its checkpoint.
"""
import argparse
import io
import json
import math
import pathlib
import time

import numpy
import PIL.Image
import torch
from torch import nn

LUMA = numpy.array([65.481, 128.553, 24.966]) / 255
QUALITIES = [None, 90, 75, 50, 30]  # of the judged JPEGs; None: not compressed


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


class Learner(nn.Module):
    """A Compact network as it learns."""

    def __init__(self, features, body, scale):
        super().__init__()
        sizes = [3] + [features] * (body + 1) + [3 * scale * scale]
        self.convolutions = nn.ModuleList(Convolution(a, b) for a, b in zip(sizes, sizes[1:]))
        self.slopes = nn.ParameterList(nn.Parameter(torch.full((features,), 0.25)) for _ in range(body + 1))
        self.scale = scale

    def plain(self):
        """The parameters of the Compact network that this one is."""
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
                self.slopes[index].copy_(values[3 * index + 2].flatten())

    def forward(self, x):
        values = self.plain()
        y = x
        for weight, bias, slope in zip(values[0:-2:3], values[1:-2:3], values[2:-2:3]):
            y = nn.functional.prelu(nn.functional.conv2d(y, weight, bias, padding=1), slope)
        y = nn.functional.conv2d(y, values[-2], values[-1], padding=1)
        base = nn.functional.interpolate(x, scale_factor=float(self.scale), mode="nearest")
        return nn.functional.pixel_shuffle(y, self.scale) + base


def fields(data):
    """(number, value) of each field of a protobuf message: an integer or bytes."""
    at = 0

    def varint():
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
            continue
        size = {1: 8, 5: 4}.get(key & 7) or varint()
        yield key >> 3, data[at:at + size]
        at += size


def parameters_of(path):
    """The parameters of a network that this program wrote, as Learner.plain has them."""
    convolutions, slopes = [], []
    graph = dict(fields(pathlib.Path(path).read_bytes()))[7]
    for tensor in (value for number, value in fields(graph) if number == 5):
        parts = list(fields(tensor))
        shape = [value for number, value in parts if number == 1]
        raw = next(value for number, value in parts if number == 9)
        parameter = torch.from_numpy(numpy.frombuffer(raw, "<f4").reshape(shape).copy())
        (slopes if len(shape) == 3 else convolutions).append(parameter)
    for index, slope in enumerate(slopes):
        convolutions.insert(3 * index + 2, slope)
    return convolutions


def load_rgb(path):
    return PIL.Image.open(path).convert("RGB")


def jpeg(picture, quality, subsampling):
    """`picture` (uint8 HWC) as it comes back from a JPEG file."""
    file = io.BytesIO()
    PIL.Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return numpy.asarray(PIL.Image.open(file))


def pairs_of(photo, scale, reductions):
    """(high, low) uint8 HWC pictures of one photo at several sizes; low is a bicubic reduction."""
    for reduction in reductions:
        width = int(photo.width / reduction) // scale * scale
        height = int(photo.height / reduction) // scale * scale
        high = photo.resize((width, height), PIL.Image.BICUBIC)
        low = high.resize((width // scale, height // scale), PIL.Image.BICUBIC)
        yield numpy.asarray(high), numpy.asarray(low)


def degrade(low, rng, clean):
    """A share of the pictures stays as it is; the others are JPEGs, more of them of low quality, noisy, or both."""
    kind = (rng.random() - clean) / (1 - clean)
    if kind >= 0.8:
        noise = rng.standard_normal(low.shape) * rng.uniform(3, 8)
        low = (low + noise).round().clip(0, 255).astype(numpy.uint8)
    if 0 <= kind < 0.9:
        low = jpeg(low, int(20 + 76 * rng.random() ** 2), "4:2:0" if rng.random() < 0.7 else "4:4:4")
    return low


def window(pair, rng, size, scale):
    """Of two places drawn at random the one with more detail, turned and mirrored at random."""
    high, low = pair
    best, most = None, -1.0
    for _ in range(2):
        y = int(rng.integers(0, low.shape[0] - size + 1))
        x = int(rng.integers(0, low.shape[1] - size + 1))
        green = low[y:y + size, x:x + size, 1].astype(numpy.int16)
        detail = numpy.abs(numpy.diff(green, axis=0)).mean() + numpy.abs(numpy.diff(green, axis=1)).mean()
        if detail > most:
            best, most = (y, x), detail
    y, x = best
    turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
    parts = high[y * scale:(y + size) * scale, x * scale:(x + size) * scale], low[y:y + size, x:x + size]
    parts = [numpy.rot90(part, turns) for part in parts]
    return [numpy.ascontiguousarray(part[:, ::-1] if mirror else part) for part in parts]


def batch_of(pairs, rng, count, patch, scale, clean):
    """`count` aligned patches. JPEG's blocks begin anywhere: more is degraded than is kept."""
    lows, highs = [], []
    for index in rng.integers(len(pairs), size=count):
        high, low = window(pairs[index], rng, patch + 16, scale)
        low = degrade(low, rng, clean)
        y, x = (int(v) for v in rng.integers(0, 17, size=2))
        lows.append(low[y:y + patch, x:x + patch])
        highs.append(high[y * scale:(y + patch) * scale, x * scale:(x + patch) * scale])
    return to_tensor(numpy.stack(lows)), to_tensor(numpy.stack(highs))


def to_tensor(pictures):
    return torch.tensor(pictures).permute(0, 3, 1, 2).float() / 255


def loss_of(out, high):
    """Errors of RGB and of luma count alike."""
    error = out - high
    weights = torch.tensor(LUMA, dtype=error.dtype, device=error.device).view(1, 3, 1, 1)
    return error.abs().mean() + (error * weights).sum(1).abs().mean()


def psnr_y(a, b, shave):
    """On ITU-R BT.601 Y in 16..235 of RGB in 0..255, the convention of the Set5 literature."""
    difference = ((a.astype(numpy.float64) - b) @ LUMA)[shave:-shave, shave:-shave]
    return 10 * math.log10(255 ** 2 / numpy.mean(difference ** 2))


def psnr_of(network, low, high, scale, device):
    """(network, bicubic) for one picture."""
    with torch.no_grad():
        out = network(to_tensor(low[None]).to(device))[0]
    out = (out.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    size = (low.shape[1] * scale, low.shape[0] * scale)
    plain = numpy.asarray(PIL.Image.fromarray(low).resize(size, PIL.Image.BICUBIC))
    return [psnr_y(picture[:high.shape[0], :high.shape[1]], high, scale) for picture in (out, plain)]


def score_set5(network, options, device):
    """Mean PSNR over the pairs of --set5: (network, bicubic)."""
    rows = []
    for path in sorted(pathlib.Path(options.set5).glob("*_LR.png")):
        low = numpy.asarray(load_rgb(path))
        high = numpy.asarray(load_rgb(str(path).replace("_LR", "_HR")))
        rows.append(psnr_of(network, low, high[:low.shape[0] * options.scale, :low.shape[1] * options.scale],
                            options.scale, device))
    return numpy.mean(rows, axis=0)


def score_photos(network, options, device, qualities=tuple(QUALITIES), every=1):
    """For each quality, over the photos of --judge: mean PSNR of network and bicubic, photos won, photos."""
    table = []
    paths = sorted(pathlib.Path(options.judge).glob("*.png"))[::every]
    for quality in qualities:
        rows = []
        for path in paths:
            high, low = next(pairs_of(load_rgb(path), options.scale, [1]))
            if quality:
                low = jpeg(low, quality, "4:2:0")
            rows.append(psnr_of(network, low, high, options.scale, device))
        rows = numpy.array(rows)
        table.append([*rows.mean(axis=0), int((rows[:, 0] > rows[:, 1]).sum()), len(rows)])
    return table


def write_card(path, options, parameters, set5, photos, seconds, log):
    lines = [
        f"# {path.name}", "",
        f"A x{options.scale} upscaler for photos: Compact, {options.features} features, "
        f"{options.body} body convolutions, {parameters:,} parameters.",
        "Input `in`, output `out`: float32, NCHW, RGB in 0..1, any height and width.", "",
        f"Set5 x{options.scale}, PSNR on Y, {options.scale} px shaved: **{set5[0]:.2f} dB** "
        f"(bicubic {set5[1]:.2f} dB).", "",
        f"Other photos ({photos[0][3]} of the Kodak set, none of them learnt from), reduced by {options.scale}, "
        "kept as a JPEG (4:2:0) and enlarged again; mean PSNR on Y against the photo:", "",
        "| JPEG quality | this model | bicubic | photos better than bicubic |", "|---|---|---|---|",
    ]
    lines += [f"| {quality or 'not compressed'} | **{row[0]:.2f} dB** | {row[1]:.2f} dB | {row[2]} of {row[3]} |"
              for quality, row in zip(QUALITIES, photos)]
    lines += [
        "", "| training | |", "|---|---|",
        f"| data | {log['photos']} photos, each at {len(options.reductions)} sizes; bicubic reduction; of two places "
        "drawn the one with more detail |",
        f"| degradation | {100 * options.clean:.0f} % none; JPEG of quality 20 to 95, 4:2:0 or 4:4:4; noise of sigma 3 "
        "to 8 of 255; both |",
        f"| steps, batch, patch | {options.steps}, {options.batch}, {options.patch} px (low side) |",
        *([f"| begins with | the mean of {', '.join(options.start)} |"] if options.start else []),
        "| loss | L1 of RGB and of luma |",
        f"| optimizer | Adam, {options.rate}, from step {options.decay_from} falling to 0 by a cosine; "
        f"weight average {options.average} |",
        f"| seed, PyTorch, device | {options.seed}, {torch.__version__}, {log['device']} |",
        f"| time | {seconds / 60:.0f} min |", "",
        "Command: `tools/train/train.py --photos PHOTOS --set5 SET5 --judge KODAK "
        + (f"--start {' '.join(options.start)} " if options.start else "")
        + f"--out {options.out} --steps {options.steps} --decay-from {options.decay_from} --rate {options.rate} "
        f"--clean {options.clean} --seed {options.seed} --threads {options.threads}`", "",
        "The last two columns: dB above bicubic, every fourth photo.", "",
        "| step | loss | Set5 dB | JPEG 75 | JPEG 30 |", "|---|---|---|---|---|",
    ]
    lines += [f"| {row['step']} | {row['loss']:.5f} | {row['set5']:.2f} | {row['jpeg75']:+.2f} | {row['jpeg30']:+.2f} |"
              for row in log["rows"]]
    path.with_suffix(".md").write_text("\n".join(lines) + "\n")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", required=True, help="folder of PNG photos to learn from")
    parser.add_argument("--set5", required=True, help="folder of *_HR.png and *_LR.png to judge by")
    parser.add_argument("--judge", required=True, help="folder of PNG photos to judge JPEGs by")
    parser.add_argument("--out", default="models/photo-x2", help="path without extension")
    parser.add_argument("--start", nargs="+", default=[],
                        help="earlier networks of the same size: the mean of them is the beginning")
    parser.add_argument("--clean", type=float, default=0.7, help="share of pictures without JPEG and noise")
    parser.add_argument("--scale", type=int, default=2)
    parser.add_argument("--features", type=int, default=32)
    parser.add_argument("--body", type=int, default=8)
    parser.add_argument("--steps", type=int, default=10000)
    parser.add_argument("--decay-from", type=int, help="the step from which the rate falls (a fifth of all)")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--patch", type=int, default=40)
    parser.add_argument("--rate", type=float, default=4e-4)
    parser.add_argument("--average", type=float, default=0.999, help="decay of the weight average")
    parser.add_argument("--reductions", type=float, nargs="+", default=[1, 1.5, 2.2, 3.2])
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--report", type=int, default=500, help="steps between log lines and checkpoints")
    options = parser.parse_args()
    # Until then nothing depends on --steps: a run may be made longer or shorter.
    options.decay_from = options.decay_from or options.steps // 5
    return options


def rate_at(step, options):
    progress = max(0, step - options.decay_from) / (options.steps - options.decay_from)
    return options.rate * min(1.0, (step + 1) / 300) * 0.5 * (1 + math.cos(math.pi * progress))


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

    learner = Learner(options.features, options.body, options.scale)
    if options.start:
        earlier = [parameters_of(path) for path in options.start]
        learner.start_from([sum(values) / len(values) for values in zip(*earlier)])
    learner.to(device)
    average = Compact(options.features, options.body, options.scale).to(device).requires_grad_(False)
    for kept, new in zip(average.parameters(), learner.plain()):
        kept.copy_(new.view(kept.shape))
    optimizer = torch.optim.Adam(learner.parameters(), lr=options.rate)
    log = {"photos": len(paths), "device": device, "rows": []}
    first, spent = 0, 0.0
    checkpoint = out.with_suffix(".checkpoint")
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location=device)
        learner.load_state_dict(saved["learner"])
        average.load_state_dict(saved["average"])
        optimizer.load_state_dict(saved["optimizer"])
        first, spent, log = saved["step"], saved["seconds"], saved["log"]

    begin = time.time() - spent
    losses = []
    for step in range(first, options.steps):
        rng = numpy.random.default_rng((options.seed, step))
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, options)
        low, high = batch_of(pairs, rng, options.batch, options.patch, options.scale, options.clean)
        loss = loss_of(learner(low.to(device)), high.to(device))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(learner.parameters(), 0.5)
        optimizer.step()
        with torch.no_grad():
            for kept, new in zip(average.parameters(), learner.plain()):
                kept.lerp_(new, 1 - options.average)
        losses.append(loss.item())
        if (step + 1) % options.report == 0 or step + 1 == options.steps:
            photos = score_photos(average, options, device, (75, 30), 4)
            row = {"step": step + 1, "loss": float(numpy.mean(losses)),
                   "set5": float(score_set5(average, options, device)[0]),
                   "jpeg75": photos[0][0] - photos[0][1], "jpeg30": photos[1][0] - photos[1][1]}
            log["rows"].append(row)
            losses = []
            print(json.dumps({**row, "seconds": round(time.time() - begin)}), flush=True)
            torch.save({"learner": learner.state_dict(), "average": average.state_dict(),
                        "optimizer": optimizer.state_dict(), "step": step + 1, "log": log,
                        "seconds": time.time() - begin}, checkpoint)

    set5, photos = score_set5(average, options, device), score_photos(average, options, device)
    print(json.dumps({"set5": list(set5), "photos": photos}), flush=True)
    average.cpu().eval()
    torch.onnx.export(
        average, torch.zeros(1, 3, 16, 16), str(out.with_suffix(".onnx")), opset_version=17,
        input_names=["in"], output_names=["out"],
        dynamic_axes={"in": {0: "batch", 2: "height", 3: "width"},
                      "out": {0: "batch", 2: "out_height", 3: "out_width"}})
    parameters = sum(p.numel() for p in average.parameters())
    write_card(out, options, parameters, set5, photos, time.time() - begin, log)
    checkpoint.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
