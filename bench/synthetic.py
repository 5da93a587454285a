"""Synthetic pictures (graphics, screenshots, text, line art) against JPEG at equal size.

Run: python bench/synthetic.py TRAINING_PICTURES     writes bench/results/synthetic.json
Those of the validation set, and every third of the training set, which the network has seen. The JPEG is the best that is no
larger than the file, of both subsamplings and all qualities. Files that are worse are listed.
"""

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import aecodec
from aecodec.bench.distortions import finite_psnr as psnr
from aecodec.train.data import load, split
from results import write

QUALITIES = (5, 20, 40, 60, 75, 85, 90, 95, 100)
EVERY = 3
KINDS = "gs"  # what the names of graphics and synthetic drawings begin with


def jpegs(pixels: np.ndarray) -> list[tuple[int, float]]:
    """-> size in bytes and PSNR in dB of every JPEG."""
    found = []
    for subsampling in ("4:2:0", "4:4:4"):
        for quality in range(1, 101):
            out = io.BytesIO()
            Image.fromarray(pixels).save(out, "JPEG", quality=quality, subsampling=subsampling)
            found.append((out.tell(), psnr(pixels, np.asarray(Image.open(out)))))
    return found


def compare(path: Path, seen: bool) -> list[dict]:
    pixels, rows = load(path), []
    others = jpegs(pixels)
    for quality in QUALITIES:
        decoder = aecodec.Decoder(data := aecodec.compress(pixels, quality))
        ours, theirs = psnr(pixels, decoder.decode()), max((p for size, p in others if size <= len(data)), default=None)
        row = {"picture": path.name, "seen": seen, "quality": quality, "bytes": len(data), "lossless": decoder.lossless}
        rows.append(row | {"psnr": round(ours, 2), "jpeg": theirs and round(theirs, 2)})
    return rows


def main() -> None:
    train, validation = ([p for p in part if p.name[0] in KINDS] for part in split(Path(sys.argv[1])))
    rows = [row for path in validation for row in compare(path, False)]
    rows += [row for path in train[::EVERY] for row in compare(path, True)]
    matched = [r for r in rows if r["jpeg"] is not None]
    summary = {
        "pictures": len({r["picture"] for r in rows}),
        "of_validation": len(validation),
        "files": len(rows),
        "lossless": sum(r["lossless"] for r in rows),
        "no_jpeg_so_small": len(rows) - len(matched),
        "worse_than_jpeg": [r for r in matched if r["psnr"] < r["jpeg"]],
        "least_lead_db": round(min(r["psnr"] - r["jpeg"] for r in matched), 2),
        "median_lead_db": round(float(np.median([r["psnr"] - r["jpeg"] for r in matched if not r["lossless"]])), 2),
    }
    print(write("synthetic", summary))


if __name__ == "__main__":
    main()
