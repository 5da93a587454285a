"""Pages with photographs in them, screens, scanned text, comics and halftones of our own making, against AVIF, JPEG, WebP and PNG.

Run: python bench/pages.py TRAINING_PICTURES     writes bench/results/pages.json
The photographs in them are of the validation set; so are the graphics and the drawings beside them. AVIF is at 4:4:4, speed 6. A
file is dominated if one of JPEG (4:2:0, 4:4:4), lossless WebP and PNG is no larger and no worse. BD-rates are missing where the
curves have no distortion in common, as those of pictures that are exact at every quality.
"""

import io
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from aecodec.bench.codecs import CODECS
from aecodec.bench.distortions import DISTORTIONS
from aecodec.bench.summary import Curve, bd_rate
from aecodec.train.data import load, split
from results import write

SIDE = 512
WORDS = "the of and a codec to in is that picture it was for on pages as with his they block at be this from have or".split()
QUALITIES = (10, 25, 40, 60, 75, 90, 100)
Box, Colour = tuple[int, int, int, int], tuple[int, ...]
METRICS = ("psnr", "ssimulacra2")


def mirrored(photo: np.ndarray) -> np.ndarray:
    """As large as a page, by reflections of what there is."""
    return np.pad(photo, [(0, max(0, SIDE - n)) for n in photo.shape[:2]] + [(0, 0)], "reflect")[:SIDE, :SIDE]


def lines(draw: ImageDraw.ImageDraw, box: Box, size: int, ink: Colour, rng: np.random.Generator) -> None:
    for y in range(box[1], box[3] - size, int(1.3 * size)):
        text = " ".join(rng.choice(WORDS, (box[2] - box[0]) // (3 * size)))
        draw.text((box[0], y), text, ink, ImageFont.load_default(size))


def article(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    image = Image.new("RGB", (SIDE, SIDE), (252, 252, 250))
    draw = ImageDraw.Draw(image)
    lines(draw, (20, 16, 490, 60), 24, (10, 10, 30), rng)
    lines(draw, (20, 70, 230, 500), 12, (40, 40, 40), rng)
    lines(draw, (250, 310, 490, 500), 12, (40, 40, 40), rng)
    image.paste(Image.fromarray(photo[:225, :240]), (250, 72))
    return np.asarray(image)


def screen(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Windows over a photograph as the desktop's background."""
    image = Image.fromarray(photo).resize((SIDE, SIDE))
    draw = ImageDraw.Draw(image)
    for x, y, w, h, paper, ink in (
        (40, 60, 280, 300, (255, 255, 255), (0, 0, 0)),
        (230, 220, 250, 240, (30, 30, 36), (200, 220, 200)),
    ):
        draw.rectangle((x - 1, y - 23, x + w + 1, y + h + 1), fill=(120, 120, 125))
        draw.rectangle((x, y, x + w, y + h), fill=paper)
        draw.text((x + 8, y - 19), "aecodec", (250, 250, 250), ImageFont.load_default(13))
        lines(draw, (x + 6, y + 6, x + w - 30, y + h - 8), 12, ink, rng)
    return np.asarray(image)


def thumbnails(photos: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    image = Image.new("RGB", (SIDE, SIDE), (245, 246, 248))
    draw = ImageDraw.Draw(image)
    for i, photo in enumerate(photos):
        x, y = 16 + 166 * (i % 3), 16 + 166 * (i // 3)
        draw.rounded_rectangle((x, y, x + 148, y + 148), 10, (255, 255, 255), (210, 210, 214))
        image.paste(Image.fromarray(photo[:400, :500]).resize((130, 104)), (x + 9, y + 9))
        draw.text((x + 10, y + 120), " ".join(rng.choice(WORDS, 3)), (60, 60, 70), ImageFont.load_default(13))
    return np.asarray(image)


def gallery(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Nine parts of one photograph, which have most in common."""
    return thumbnails([np.roll(photo, 60 * i, 1) for i in range(9)], rng)


def scan(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Printed text and a picture, as a scanner sees them: soft, and with a little noise."""
    soft = Image.fromarray(article(photo, rng)).filter(ImageFilter.GaussianBlur(0.7))
    return np.clip(np.asarray(soft) * 0.93 + 8 + rng.normal(0, 2, (SIDE, SIDE, 1)), 0, 255).astype(np.uint8)


def comic(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    large = Image.new("RGB", (3 * SIDE, 3 * SIDE), (255, 250, 235))
    draw = ImageDraw.Draw(large)
    for _ in range(30):
        x, y, r = rng.integers(0, 3 * SIDE, 3)
        colour = tuple(map(int, rng.integers(60, 256, 3)))
        draw.ellipse((x - r // 3, y - r // 4, x + r // 3, y + r // 4), colour, (0, 0, 0), 9)
    return np.asarray(large.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def newspaper(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Text and a halftone, in gray values that are not quite two."""
    pixels = article(photo, rng).mean(2)
    y, x = np.mgrid[:SIDE, :SIDE]
    screen = 127 + 60 * (np.cos(2.1 * x + 0.9 * y) + np.cos(2.1 * y - 0.9 * x))
    pixels[72:297, 250:490] = np.where(pixels > screen, 235, 25)[72:297, 250:490]
    return np.repeat(pixels.astype(np.uint8)[:, :, None], 3, axis=2)


PAGES = {f.__name__: f for f in (article, screen, gallery, scan, comic, newspaper)}


def curve(codec: str, pixels: np.ndarray, settings: tuple[float, ...]) -> tuple[Curve, list[int]]:
    made = CODECS[codec]()
    files = [made.encode(pixels, s) for s in settings]
    decoded = [made.decode(f) for f in files]
    found = {m: [DISTORTIONS[m].measure(pixels, d) for d in decoded] for m in METRICS}
    return Curve(list(settings), [8 * len(f) / pixels[:, :, 0].size for f in files], found), [len(f) for f in files]


def simple(pixels: np.ndarray) -> list[tuple[int, float]]:
    """-> bytes and PSNR of every JPEG, and of lossless WebP and PNG."""
    found = []
    for subsampling in ("4:2:0", "4:4:4"):
        for quality in range(1, 101, 3):
            out = io.BytesIO()
            Image.fromarray(pixels).save(out, "JPEG", quality=quality, subsampling=subsampling)
            found.append((out.tell(), DISTORTIONS["psnr"].measure(pixels, np.asarray(Image.open(out)))))
    for format, options in (("WEBP", {"lossless": True}), ("PNG", {"optimize": True})):
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, format, **options)
        found.append((out.tell(), 100.0))
    return found


def seconds(pixels: np.ndarray) -> float:
    """To encode at quality 60, the least of three."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        CODECS["aec"]().encode(pixels, 60)
        times.append(time.perf_counter() - start)
    return min(times)


def compare(name: str, pixels: np.ndarray, photo_seconds: float) -> dict:
    ours, sizes = curve("aec", pixels, QUALITIES)
    avif, _ = curve("avif444", pixels, CODECS["avif444"]().settings)
    others = simple(pixels)
    points = zip(QUALITIES, sizes, ours.distortions["psnr"], strict=True)
    worse = [q for q, size, p in points if p < 100 and any(a <= size and b >= p for a, b in others)]
    return {
        "page": name,
        "bytes": sizes,
        "psnr": [round(p, 2) for p in ours.distortions["psnr"]],
        "ssimulacra2": [round(p, 2) for p in ours.distortions["ssimulacra2"]],
        "avif_bytes": [round(b * pixels[:, :, 0].size / 8) for b in avif.bpp],
        "avif_psnr": [round(p, 2) for p in avif.distortions["psnr"]],
        "bd_rate": {m: bd_rate(avif, ours, m) for m in METRICS},
        "lossless_webp_and_png": [s for s, p in others if p == 100.0][-2:],
        "dominated": worse,
        "encode_time_of_a_photograph": round(seconds(pixels) / photo_seconds, 2),
    }


def main() -> None:
    _, validation = split(Path(sys.argv[1]))
    photos = [mirrored(load(p)) for p in validation if p.name[0] not in "gs"][:9]
    graphics = {p.name: load(p)[:SIDE, :SIDE].copy() for p in validation if p.name[0] in "gs"}
    reference = seconds(photos[0][:SIDE, :SIDE].copy())
    rows = []
    pages = {name: make(photos[i], np.random.default_rng(i)) for i, (name, make) in enumerate(PAGES.items())}
    pages["contact_sheet"] = thumbnails(photos[:9], np.random.default_rng(9))
    for name, pixels in (pages | graphics).items():
        rows.append(compare(name, pixels, reference))
        print(rows[-1], flush=True)
    print(write("pages", {"qualities": QUALITIES, "pages": rows}))


if __name__ == "__main__":
    main()
