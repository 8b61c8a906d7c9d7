"""The models: what each is for, and what it learns from."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Recipe:
    scale: int
    purpose: str
    pages: float = 0.0                  # share of what is learnt from that is drawn
    filters: tuple = ("bicubic",)       # by which pictures are made small
    clean: float = 0.6                  # share of pictures without JPEG and noise
    noise: tuple = (3.0, 8.0)           # sigma, of 255
    quality: tuple = (20, 96)           # of the JPEGs
    start: str = "photo-x2"             # the network that is the beginning
    rate: float = 6e-4
    seed: int = 7


PHOTO_FILTERS = ("bicubic", "bicubic", "bicubic", "box")

RECIPES = {
    "photo-x2": Recipe(2, "photos", pages=0.15, filters=PHOTO_FILTERS),
    "photo-x4": Recipe(4, "photos", pages=0.15, filters=PHOTO_FILTERS),
    "art-x2": Recipe(2, "line art, text and screens", pages=0.8, clean=0.7, quality=(40, 96),
                     filters=("bicubic", "bicubic", "box", "box", "lanczos", "bilinear")),
    "photo-x2-clean": Recipe(2, "photos with traces of JPEG and noise, which it removes", pages=0.1, clean=0.05,
                             noise=(2.0, 20.0), quality=(10, 80), filters=PHOTO_FILTERS),
}
