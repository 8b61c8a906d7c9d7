"""The card of a model: what it learnt from, and how that went."""
import pathlib

import torch

import degrade
import measure
import pictures


class Held:
    """Pictures that are not learnt from, as they are measured while a network learns: photos of --judge, text and line art."""

    def __init__(self, scale, options):
        highs = [measure.cut(picture, scale) for picture in pictures.photos(options.judge, [1])][::4] if options.judge else []
        lows = [degrade.reduced(high, scale) for high in highs]
        self.scale = scale
        self.sets = {"photos": list(zip(lows, highs)),
                     "JPEG 75": [(degrade.jpeg(low, 75, "4:2:0"), high) for low, high in zip(lows, highs)],
                     "JPEG 30": [(degrade.jpeg(low, 30, "4:2:0"), high) for low, high in zip(lows, highs)]}
        fonts = pictures.font_files(options.fonts, pictures.JUDGED_FONTS)
        for kind in ("text", "art"):
            highs = pictures.pages(2, 3, 240, fonts, kind)
            self.sets[kind] = [(degrade.reduced(high, scale), high) for high in highs]
        self.sets = {name: pairs for name, pairs in self.sets.items() if pairs}
        self.plain = self.means(lambda low: measure.enlarged(low, scale, "bicubic"))

    def means(self, upscaled):
        return {name: sum(measure.psnr(upscaled(low), high, self.scale) for low, high in pairs) / len(pairs)
                for name, pairs in self.sets.items()}

    def gains(self, upscaled):
        """dB above bicubic."""
        means = self.means(upscaled)
        return {name: round(means[name] - self.plain[name], 3) for name in means}


def write(learning, parameters):
    recipe, options = learning.recipe, learning.options
    device = torch.cuda.get_device_name() if learning.device == "cuda" else learning.device
    columns = [name for name in learning.log[-1] if name not in ("step", "loss")]
    rows = [[row["step"], f"{row['loss']:.5f}", *(f"{row[name]:+.2f}" for name in columns)] for row in learning.log]
    drawn = f"; {100 * recipe.pages:.0f} % of the windows from {options.pages} drawn pages (text, line art)"
    text = [
        f"# {learning.name}", "",
        f"A x{recipe.scale} upscaler for {recipe.purpose}. Apache-2.0. Compact: {options.features} features, "
        f"{options.body} body convolutions, {parameters:,} parameters.",
        "Input `in`, output `out`: float32, NCHW, RGB in 0..1, any height and width.", "",
        *measure.FIGURES, "",
        "On pictures that are drawn by its tests (tests/upscale_bundled_test.cpp) it is at least **? dB** above bicubic.", "",
        "## Training", "",
        "| | |", "|---|---|",
        f"| data | {len(list(pathlib.Path(options.photos).glob('*.png')))} photos of the CLIC 2025 validation set (Unsplash licence), "
        f"each at {len(options.reductions)} sizes{drawn if recipe.pages else ''}; of two places drawn the one with more "
        "detail |",
        f"| reduced by | {', '.join(recipe.filters)} |",
        f"| degraded | {100 * (1 - recipe.clean):.0f} %: JPEG of quality {recipe.quality[0]} to {recipe.quality[1]}, 4:2:0 or 4:4:4; noise of "
        f"sigma {recipe.noise[0]:g} to {recipe.noise[1]:g} of 255; both |",
        f"| steps, batch, patch | {learning.step}, {options.batch}, {options.patch} px (low side) |",
        f"| begins with | {pathlib.Path(options.start).stem if options.start else recipe.start} |",
        "| loss | L1 of RGB and of luma |",
        f"| optimizer | Adam, {options.rate or recipe.rate:g}, after a fifth of the steps falling to 0 by a cosine; weight average "
        f"{options.average} |",
        f"| seed, PyTorch, device | {recipe.seed}, {torch.__version__}, {device} |",
        f"| time | {learning.seconds / 60:.0f} min |", "",
        f"Command: `tools/train/train.py {learning.name} --photos PHOTOS --judge KODAK --out models --steps {options.steps} "
        f"--batch {options.batch} --patch {options.patch}`", "",
        "dB above bicubic, on photos and pages that it does not learn from:", "",
        *measure.table(["step", "loss", *columns], rows),
    ]
    learning.out.with_suffix(".md").write_text("\n".join(text) + "\n")
