"""Versions of one picture, as people and services make them: to fit the embedding on, and to measure it by."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

Rng = np.random.Generator


def cropped(image: Image.Image, share: float, rng: Rng) -> Image.Image:
    """Without `share` of the area, anywhere."""
    side = (1 - share) ** 0.5
    width, height = max(1, round(image.width * side)), max(1, round(image.height * side))
    x, y = rng.integers(image.width - width + 1), rng.integers(image.height - height + 1)
    return image.crop((x, y, x + width, y + height))


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return Image.open(out).convert("RGB")


def resized(image: Image.Image, scale: float) -> Image.Image:
    return image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.Resampling.LANCZOS)


def rotated(image: Image.Image, degrees: float) -> Image.Image:
    """About its middle; the corners are black, as in programs that do no more."""
    return image.rotate(degrees, Image.Resampling.BILINEAR)


def captioned(image: Image.Image, rng: Rng) -> Image.Image:
    result, draw = image.copy(), None
    draw = ImageDraw.Draw(result)
    size = image.height * rng.uniform(0.06, 0.14)
    at = (image.width * rng.uniform(0, 0.4), image.height * rng.uniform(0, 0.85))
    draw.text(at, "a picture of mine", fill=tuple(rng.integers(0, 256, 3).tolist()), font_size=max(8, size))
    return result


def random_version(image: Image.Image, rng: Rng) -> Image.Image:
    """With one to three changes, each of a random strength."""
    changes: list[Callable[[Image.Image], Image.Image]] = [
        lambda i: cropped(i, rng.uniform(0.05, 0.55), rng),
        lambda i: cropped(i, rng.uniform(0.05, 0.55), rng),
        ImageOps.mirror,
        lambda i: jpeg(i, int(rng.integers(10, 60))),
        lambda i: resized(i, rng.uniform(0.3, 0.9)),
        lambda i: i.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 3))),
        lambda i: ImageEnhance.Brightness(i).enhance(rng.uniform(0.6, 1.5)),
        lambda i: ImageEnhance.Contrast(i).enhance(rng.uniform(0.6, 1.5)),
        lambda i: ImageEnhance.Color(i).enhance(rng.uniform(0, 1.6)),
        lambda i: rotated(i, rng.uniform(-8, 8)),
        lambda i: captioned(i, rng),
        lambda i: ImageOps.grayscale(i).convert("RGB"),
    ]
    for i in rng.choice(len(changes), rng.integers(1, 4), replace=False):
        image = changes[i](image)
    return image
