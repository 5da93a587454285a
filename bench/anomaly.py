"""How well `aecodec.anomaly` tells the odd picture out: magnetic tiles with real faults, and handwritten digits, one against all.

The tiles' split is the data's own, and leaks: most good tiles that are scored were taken within moments of a fitted one, as the
numbers in their names say. Those that were not are reported apart, as strangers. Of the digits (MNIST's test set) 500 of a kind are
fitted to, and the rest of them scored, with every fourth of the others. Times are the processor's.

Run: pip install scikit-learn; OPENBLAS_NUM_THREADS=1 python bench/anomaly.py ../shared/data/seed     also writes docs/anomaly.png
"""

import argparse
import gzip
import re
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from sklearn.metrics import roc_auc_score

import results
from aecodec import anomaly
from aecodec.anomaly import maps, model
from aecodec.picture import Picture

GAP = 150  # of numbers, within which a tile is near another
FIT, EVERY = 500, 4
BOTH = model.WEIGHT
WEIGHTS = {"both": BOTH, "de-noiser alone": 0.0}  # of the codebook


def gray(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("L"))


def number(path: Path) -> int:
    return int(re.search(r"num_(\d+)", path.name)[1])


def tiles(folder: Path, weight: float, fit: int | None = None) -> dict:
    """fit: how many of the good tiles to fit to, spread over all; None for every one."""
    model.WEIGHT = weight
    normal = sorted((folder / "normal").iterdir(), key=number)
    if fit is not None:
        normal = [normal[i] for i in np.linspace(0, len(normal) - 1, fit).astype(int)]
    start = time.process_time()
    fitted = anomaly.fit(map(gray, normal))
    seconds = time.process_time() - start
    good, bad = sorted((folder / "test-normal").iterdir()), sorted((folder / "test-defect").glob("*/*"))
    scores, places = zip(*(fitted.score(gray(p)) for p in good + bad), strict=True)
    scores, odd = np.array(scores), np.arange(len(good + bad)) >= len(good)
    mask = [np.zeros(p.size, bool) for p in places[: len(good)]]
    mask += [(gray(folder / "mask" / p.parent.name / f"{p.stem}.png") >= 128).ravel() for p in bad]
    near = np.array([min(abs(number(p) - number(n)) for n in normal) <= GAP for p in good + bad])
    kinds = np.array([""] * len(good) + [p.parent.name for p in bad])
    strangers = odd | ~near
    flat = [p.ravel() for p in places]

    def auroc(chosen: np.ndarray) -> float:
        return float(roc_auc_score(odd[chosen], scores[chosen]))

    def pixels(chosen: np.ndarray) -> float:
        return float(roc_auc_score(*(np.concatenate([v[i] for i in np.flatnonzero(chosen)]) for v in (mask, flat))))

    return {
        "fitted_to": len(normal),
        "image": auroc(odd | ~odd),
        "pixel": pixels(odd | ~odd),
        "image_of_strangers": auroc(strangers),
        "pixel_of_strangers": pixels(strangers),
        "good_near": int((near & ~odd).sum()),
        "good_strangers": int((~near & ~odd).sum()),
        "kinds": {k: auroc(~odd | (kinds == k)) for k in sorted(set(kinds) - {""})},
        "good_that_reach_half": float((scores[~odd] >= 0.5).mean()),
        "said_to_be_between": fitted.uncertainty,
        "bad_that_reach_half": float((scores[odd] >= 0.5).mean()),
        "fit_cpu_seconds": seconds,
    }


def digits(folder: Path, weight: float, count: int = FIT) -> dict:
    model.WEIGHT = weight
    images, labels = (gzip.decompress((folder / f"t10k-{name}-ubyte.gz").read_bytes()) for name in ("images-idx3", "labels-idx1"))
    x, y = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28), np.frombuffer(labels, np.uint8, offset=8)
    found, fits, scorings = [], [], []
    for digit in range(10):
        own, others = np.flatnonzero(y == digit), np.flatnonzero(y != digit)[::EVERY]
        start = time.process_time()
        fitted = anomaly.fit(x[own[:count]])
        fits.append(time.process_time() - start)
        scored = np.concatenate([own[FIT:], others])
        start = time.process_time()
        scores = [fitted.score(x[i])[0] for i in scored]
        scorings.append((time.process_time() - start) / len(scored))
        found.append(float(roc_auc_score(y[scored] != digit, scores)))
        print(digit, round(found[-1], 4), flush=True)
    times = {"fit_cpu_seconds": max(fits), "score_cpu_milliseconds": 1000 * float(np.mean(scorings))}
    return {"fitted_to": count, "mean": float(np.mean(found)), "worst": min(found), "digits": found, **times}


def part(seed: int, fault: str = "") -> Image.Image:
    """A drawn thing with six holes, never quite the same."""
    rng = np.random.default_rng(seed)
    image = Image.new("L", (240, 240), 60)
    draw = ImageDraw.Draw(image)
    x, y, turn = (*rng.normal(120, 2, 2), rng.normal(0, 0.03))

    def disc(x: float, y: float, r: float, fill: int) -> None:
        draw.ellipse((x - r, y - r, x + r, y + r), fill=fill)

    disc(x, y, rng.normal(96, 1), 165)
    disc(x, y, 26, 60)
    for hole in range(5 if fault == "hole" else 6):
        disc(x + 62 * np.cos(turn + hole * np.pi / 3), y + 62 * np.sin(turn + hole * np.pi / 3), 11, 60)
    if fault == "scratch":
        draw.line((x + 20, y + 50, x + 60, y + 66, x + 72, y + 58), fill=215, width=4)
    if fault == "bite":
        disc(x - 92, y - 30, 18, 60)
    grain = np.asarray(image.filter(ImageFilter.GaussianBlur(1.2))) + rng.normal(0, 5, (240, 240))
    return Image.fromarray(grain.clip(0, 255).astype(np.uint8))


def page() -> Image.Image:
    """Drawn parts above, and below where they are odd: one that is good, and three with faults."""
    fitted = anomaly.fit(part(i) for i in range(100))
    sheet = Image.new("RGB", (4 * 240, 2 * 240))
    for column, fault in enumerate(("", "hole", "scratch", "bite")):
        image = part(1000 + column, fault)
        score, places = fitted.score(image)
        print(fault or "good", round(score, 3))
        sheet.paste(image.convert("RGB"), (240 * column, 0))
        sheet.paste(maps.overlay(Picture.of(image), places), (240 * column, 240))
    return sheet.resize((sheet.width * 3 // 4, sheet.height * 3 // 4), Image.Resampling.LANCZOS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder of magnetic-tiles and mnist")
    data = parser.parse_args().data
    page().quantize(128).save(results.ROOT / "docs" / "anomaly.png", optimize=True)
    found: dict = {"tiles": {name: tiles(data / "magnetic-tiles", weight) for name, weight in WEIGHTS.items()}}
    found["tiles"]["both, 20 to fit"] = tiles(data / "magnetic-tiles", BOTH, 20)
    found["mnist"] = {name: digits(data / "mnist", weight) for name, weight in WEIGHTS.items()}
    found["mnist"]["both, 20 to fit"] = digits(data / "mnist", BOTH, 20)
    print(results.write("anomaly", found))


if __name__ == "__main__":
    main()
