#!/usr/bin/env python3
"""Judges upscalers by what the command makes of pictures: PSNR and SSIM on Y, beside bicubic and Lanczos.

    tools/train/judge.py --scale 2 --pairs Set5=SET5 --pairs Set14=SET14 --photos Kodak=KODAK \\
        --models models/photo-x2.onnx models/art-x2.onnx other.onnx --cards

--pairs has *_HR.png and, where they have the right size, *_LR.png (else the large ones are reduced). --photos are reduced,
and again as JPEG of quality 50 and 30 (4:2:0), and with noise of sigma 10. Pages of text and line art are drawn, in fonts
that no model learnt (Debian's fonts-roboto-unhinted), and reduced by bicubic and by box. The table goes to standard output;
--cards writes it into the card beside each model that has one.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy
import PIL.Image

import degrade
import measure
import pictures


def pairs_of(folder, scale):
    for path in sorted(pathlib.Path(folder).glob("*_HR.png")):
        high = numpy.asarray(pictures.load_rgb(path))
        beside = path.with_name(path.name.replace("_HR", "_LR"))
        low = numpy.asarray(pictures.load_rgb(beside)) if beside.exists() else high
        if low.shape[0] != high.shape[0] // scale:
            high = measure.cut(high, scale)
            low = degrade.reduced(high, scale)
        yield low, high[:low.shape[0] * scale, :low.shape[1] * scale]


def sets_of(options):
    """Name -> (small, large) pictures."""
    scale, sets = options.scale, {}
    for name, folder in (word.split("=", 1) for word in options.pairs):
        sets[name] = list(pairs_of(folder, scale))
    for name, folder in (word.split("=", 1) for word in options.photos):
        highs = [measure.cut(picture, scale) for picture in pictures.photos(folder, [1])]
        lows = [degrade.reduced(high, scale) for high in highs]
        sets[name] = list(zip(lows, highs))
        for quality in (50, 30):
            sets[f"{name}, JPEG {quality}"] = [(degrade.jpeg(low, quality, "4:2:0"), high) for low, high in zip(lows, highs)]
        rng = numpy.random.default_rng(1)
        sets[f"{name}, noise"] = [(degrade.noisy(low, 10, rng), high) for low, high in zip(lows, highs)]
    fonts = pictures.font_files(options.fonts, pictures.JUDGED_FONTS)
    for kind in ("text", "art"):
        highs = pictures.pages(3, 6, 384, fonts, kind)
        for filter_name in ("bicubic", "box"):
            sets[f"{kind}, {filter_name}"] = [(degrade.reduced(high, scale, filter_name), high) for high in highs]
    return sets


def by_command(sets, model, options):
    """What `tessera upscale` makes of all pictures."""
    with tempfile.TemporaryDirectory() as folder:
        small = pathlib.Path(folder, "small")
        small.mkdir()
        for place, pairs in enumerate(sets.values()):
            for index, (low, _) in enumerate(pairs):
                PIL.Image.fromarray(low).save(small / f"{place}-{index}.png")
        subprocess.run([options.tessera, "upscale", str(small), "-o", f"{folder}/large", "-m", model, "-s",
                        str(options.scale), "-g", "cpu", "--threads", str(options.threads), "-q"], check=True)
        return {name: [numpy.asarray(pictures.load_rgb(f"{folder}/large/{place}-{index}.png"))
                       for index in range(len(pairs))] for place, (name, pairs) in enumerate(sets.items())}


def scores(sets, made, scale):
    """For each set the means of PSNR and SSIM, and which pictures are how good."""
    result = {}
    for name, pairs in sets.items():
        psnr = [measure.psnr(out, high, scale) for out, (_, high) in zip(made[name], pairs)]
        ssim = [measure.ssim(out, high, scale) for out, (_, high) in zip(made[name], pairs)]
        result[name] = (numpy.mean(psnr), numpy.mean(ssim), numpy.array(psnr))
    return result


def write_cards(table, rows, sets, options):
    counts = ", ".join(f"{name}: {len(pairs)}" for name, pairs in sets.items())
    for model in options.models:
        path = pathlib.Path(model).with_suffix(".md")
        if not path.exists():
            continue
        won = [f"{name} {int((rows[model][name][2] > rows['bicubic'][name][2]).sum())} of {len(pairs)}"
               for name, pairs in sets.items()]
        text = path.read_text()
        first, last = (text.index(mark) for mark in measure.FIGURES)
        figures = [measure.FIGURES[0], "## Figures", "",
                   f"By `tessera upscale`, beside other models x{options.scale}: PSNR in dB and SSIM, both on Y, {options.scale} pixels at the "
                   "edges left out. None of these pictures was learnt from. The large ones are made small by bicubic (Set5: as "
                   "published) or box, kept as JPEG (4:2:0), or get noise (sigma 10 of 255); text (in fonts that were not learnt) and "
                   "art are drawn by tools/train/pictures.py.", "",
                   f"Pictures: {counts}.", "", *table, "",
                   f"Pictures that are better than bicubic: {', '.join(won)}.", ""]
        path.write_text(text[:first] + "\n".join(figures) + text[last:])


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=int, required=True)
    parser.add_argument("--pairs", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--photos", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--models", nargs="+", default=[], help="ONNX files of that scale")
    parser.add_argument("--fonts", default=pictures.FONTS)
    parser.add_argument("--tessera", default=str(pathlib.Path(__file__).parents[2] / "build/release/bin/tessera"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cards", action="store_true", help="write the table into the models' cards")
    return parser.parse_args()


def main():
    options = parse()
    sets = sets_of(options)
    rows = {}
    for kind in ("bicubic", "lanczos"):
        made = {name: [measure.enlarged(low, options.scale, kind) for low, _ in pairs] for name, pairs in sets.items()}
        rows[kind] = scores(sets, made, options.scale)
    for model in options.models:
        print(model, file=sys.stderr)
        rows[model] = scores(sets, by_command(sets, model, options), options.scale)
    # One line for each set: there are more of them than of models.
    names = {model: pathlib.Path(model).stem.replace("_", " ") for model in rows}
    lines = []
    for name in sets:
        best = max(row[name][0] for row in rows.values())
        lines.append([name, *(f"{'**' if row[name][0] == best else ''}{row[name][0]:.2f}{'**' if row[name][0] == best else ''} "
                              f"{row[name][1]:.4f}" for row in rows.values())])
    table = measure.table(["", *names.values()], lines)
    print("\n".join(table))
    if options.cards:
        write_cards(table, rows, sets, options)


if __name__ == "__main__":
    main()
