"""A tile of 256 pixels that a damaged file has nothing of: what stands there, against what a user could do instead.

Every tile of every Kodak picture is lost in turn, at quality 40, with and without a protective copy. PSNR inside the tile, in dB, a
mean over tiles. Inpainting and the mean colour are given the undamaged picture around the tile, which nobody has.

Run: python bench/repair.py KODAK_FOLDER [EVERY]    (needs opencv-python-headless; EVERY: take every so many pictures)
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from aecodec import Decoder, compress
from aecodec.container import Index
from aecodec.metrics import psnr
from aecodec.train.data import load
from results import write

QUALITY, TILE, RADIUS = 40, 256, 3


def without(data: bytes, tile: int, protected: bool) -> bytes:
    """The file with a tile's bytes set to zero in all streams; and, unless it is protected, with its copy."""
    index: Index = Decoder(data).index
    assert index.protection is not None
    broken = bytearray(data)
    parts = [tiles[tile] for tiles in index.streams] + ([] if protected else [index.protection])
    for part in parts:
        assert part is not None
        broken[part.payload : part.payload + part.size] = bytes(part.size)
    return bytes(broken)


def main() -> None:
    every = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    found: dict[str, list[float]] = {}
    for path in sorted(Path(sys.argv[1]).glob("*.png"))[every - 1 :: every]:
        picture = load(path)
        data = compress(picture, QUALITY, protect=True)
        columns = -(-picture.shape[1] // TILE)
        for tile in range(Decoder(data).header.tiles):
            y, x = (TILE * n for n in divmod(tile, columns))
            hole = np.zeros(picture.shape[:2], np.uint8)
            hole[y : y + TILE, x : x + TILE] = 1
            lost = Decoder(without(data, tile, protected=False), partial=True)
            alone = Decoder(without(data, tile, protected=False), partial=True)
            alone.__dict__["_coarse_guesses"] = None  # before it is computed
            shown = {
                "prior": alone.decode(),
                "guess": lost.decode(),
                "protected": Decoder(without(data, tile, protected=True), partial=True).decode(),
                "telea": cv2.inpaint(picture, hole, RADIUS, cv2.INPAINT_TELEA),
                "mean": np.broadcast_to(np.rint(picture[hole == 0].mean(0)).astype(np.uint8), picture.shape),
            }
            for name, pixels in shown.items():
                inside = hole > 0
                found.setdefault(name, []).append(psnr(picture[inside], pixels[inside]))
    means = {name: round(float(np.mean(values)), 2) for name, values in found.items()}
    print(write("repair", {"quality": QUALITY, "tiles": len(found["mean"]), "psnr": means}))


if __name__ == "__main__":
    main()
