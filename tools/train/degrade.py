"""How a picture comes to be small and bad."""
import io

import numpy
import PIL.Image

FILTERS = {"bicubic": PIL.Image.BICUBIC, "box": PIL.Image.BOX, "lanczos": PIL.Image.LANCZOS,
           "bilinear": PIL.Image.BILINEAR}


def jpeg(picture, quality, subsampling):
    """`picture` (uint8 HWC) as it comes back from a JPEG file."""
    file = io.BytesIO()
    PIL.Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return numpy.asarray(PIL.Image.open(file))


def noisy(picture, sigma, rng, gray=False):
    noise = rng.standard_normal(picture.shape[:2] + (1 if gray else 3,)) * sigma
    return (picture + noise).round().clip(0, 255).astype(numpy.uint8)


def reduced(high, scale, kind="bicubic"):
    """1/scale of the picture."""
    picture = PIL.Image.fromarray(high)
    return numpy.asarray(picture.resize((high.shape[1] // scale, high.shape[0] // scale), FILTERS[kind]))


def degraded(low, recipe, rng):
    """A share of the pictures stays as it is; of the others four in five are JPEGs, more of them of low quality, three in ten
    have noise."""
    kind = (rng.random() - recipe.clean) / (1 - recipe.clean)
    if kind >= 0.7:
        low = noisy(low, rng.uniform(*recipe.noise), rng, gray=rng.random() < 0.3)
    if 0 <= kind < 0.85:
        lowest, highest = recipe.quality
        low = jpeg(low, int(lowest + (highest - lowest) * rng.random() ** 2), "4:2:0" if rng.random() < 0.7 else "4:4:4")
    return low
