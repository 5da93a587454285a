"""How well the embedding finds versions of a picture among others, beside hashes and thumbnails.

Run: python bench/duplicates.py VALIDATION KODAK     writes bench/results/duplicates.json

Gallery: the pictures held out from training, and Kodak, apart. Queries: thirteen versions of each that are like those that the
projection was fitted on, though of other pictures, and four that are not. Ours are of .aec files of quality 60, the gallery's too,
by their coarse codes alone; "pixels" says the same from the pictures. Needs imagehash and pdqhash.
"""

import io
import sys
import time
from collections.abc import Callable
from pathlib import Path

import imagehash
import numpy as np
import pdqhash
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

import aecodec
from aecodec.embedding import descriptor, embed, project, thumbnail
from aecodec.picture import Picture
from aecodec.train.data import load, split
from aecodec.train.versions import captioned, cropped, jpeg, resized, rotated
from results import write

RNG = np.random.default_rng(1)
Change = Callable[[Image.Image], Image.Image]


def darker(i: Image.Image) -> Image.Image:
    return ImageEnhance.Brightness(i).enhance(0.7)


FITTED: dict[str, Change] = {
    "JPEG 20": lambda i: jpeg(i, 20),
    "half size": lambda i: resized(i, 0.5),
    "crop 10 %": lambda i: cropped(i, 0.1, RNG),
    "crop 30 %": lambda i: cropped(i, 0.3, RNG),
    "crop 50 %": lambda i: cropped(i, 0.5, RNG),
    "blur": lambda i: i.filter(ImageFilter.GaussianBlur(2)),
    "brighter": lambda i: ImageEnhance.Brightness(i).enhance(1.3),
    "darker": darker,
    "text": lambda i: captioned(i, RNG),
    "rotate 5": lambda i: rotated(i, 5),
    "flip": ImageOps.mirror,
    "gray": lambda i: ImageOps.grayscale(i).convert("RGB"),
    "crop 30 % + JPEG 30 + flip": lambda i: ImageOps.mirror(jpeg(cropped(i, 0.3, RNG), 30)),
}


def bordered(i: Image.Image) -> Image.Image:
    return ImageOps.expand(i, round(0.1 * min(i.size)), "white")


def in_a_page(i: Image.Image) -> Image.Image:
    """Like a screenshot: below a bar, on a page."""
    page = Image.new("RGB", (round(i.width * 1.3), round(i.height * 1.4)), (245, 245, 245))
    page.paste((60, 70, 90), (0, 0, page.width, round(0.1 * i.height)))
    page.paste(i, (round(0.15 * i.width), round(0.2 * i.height)))
    return page


def noisy(i: Image.Image) -> Image.Image:
    pixels = np.asarray(i) + RNG.normal(0, 20, (i.height, i.width, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


OTHERS: dict[str, Change] = {
    "border": bordered,
    "in a page": in_a_page,
    "noise 20": noisy,
    "warmer": lambda i: Image.blend(i, Image.new("RGB", i.size, (255, 150, 50)), 0.25),
}


def bits_of(hash_of: Callable[[Image.Image], np.ndarray]) -> Callable[[Image.Image], np.ndarray]:
    def signs(image: Image.Image) -> np.ndarray:
        bits = np.asarray(hash_of(image)).ravel().astype(np.float32) * 2 - 1
        return bits / np.linalg.norm(bits)

    return signs


def small(image: Image.Image) -> np.ndarray:
    values = np.asarray(image.resize((8, 8), Image.Resampling.BOX), np.float32).ravel()
    values -= values.mean()
    return values / max(1e-6, np.linalg.norm(values))


METHODS: dict[str, Callable[[Image.Image], np.ndarray]] = {
    "coarse codes": lambda i: embed(aecodec.compress(i, 60, effort=1)),
    "pixels": lambda i: project(descriptor(thumbnail(Picture.of(i)))),
    "pHash": bits_of(lambda i: imagehash.phash(i).hash),
    "PDQ": bits_of(lambda i: pdqhash.compute(np.asarray(i))[0]),
    "thumbnail": small,
}


def score(gallery: np.ndarray, queries: np.ndarray) -> tuple[float, float]:
    """queries: (versions, n, d), of the gallery's (n, d) -> recall at 1, and the share found at one false match in 1000."""
    likeness = np.einsum("vnd,md->vnm", queries, gallery)
    right = np.eye(len(gallery), dtype=bool)
    first = (likeness.argmax(2) == np.arange(len(gallery))).mean()
    wrong = likeness[:, ~right]
    threshold = np.quantile(wrong, 0.999)
    return float(first), float((likeness[:, right] > threshold).mean())


def compare(pictures: list[Image.Image], changes: dict[str, Change]) -> dict[str, dict[str, float]]:
    changed = [[change(p) for p in pictures] for change in changes.values()]
    found = {}
    for name, method in METHODS.items():
        gallery = np.stack([method(p) for p in pictures])
        recall, at_one = score(gallery, np.array([[method(p) for p in row] for row in changed]))
        found[name] = {"recall_at_1": round(recall, 4), "found_at_1_in_1000": round(at_one, 4)}
    return found


def milliseconds(work: Callable[[], object], count: int = 20) -> float:
    start = time.process_time()
    for _ in range(count):
        work()
    return round(1000 * (time.process_time() - start) / count, 2)


def main() -> None:
    sets = {
        "held out": [Image.fromarray(load(p)) for p in split(Path(sys.argv[1]))[1] if p.name.startswith("p_")],
        "Kodak": [Image.open(p).convert("RGB") for p in sorted(Path(sys.argv[2]).glob("*.png"))],
    }
    found: dict[str, object] = {}
    for name, pictures in sets.items():
        found[name] = {"pictures": len(pictures), "fitted": compare(pictures, FITTED), "others": compare(pictures, OTHERS)}
        print(name, found[name], flush=True)
    photo = sets["Kodak"][0]
    data, out = aecodec.compress(photo, 60, effort=1), io.BytesIO()
    photo.save(out, "JPEG", quality=75)
    found["milliseconds"] = {
        "coarse codes of an .aec file": milliseconds(lambda: embed(data)),
        "decoding it": milliseconds(lambda: aecodec.decompress(data, threads=1), 5),
        "a JPEG": milliseconds(lambda: embed(out.getvalue())),
    }
    print(write("duplicates", found))


if __name__ == "__main__":
    main()
