"""The gate that weights must pass to be shipped: a lower rate at equal distortion than the shipped ones, with real files.

Run: python tools/ship.py CANDIDATE.safetensors DATA [--install]

DATA is the folder of training pictures, of which those held out for validation are coded, at ten qualities. Exits with status 1
if the mean of the candidate's BD-rates against the shipped weights, by PSNR and by SSIMULACRA2, is not below zero. --install
puts a candidate that passes in the package, installs that, and makes the conformance files anew.
"""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from aecodec import encoder
from aecodec.bench.codecs import CODECS, Codec
from aecodec.bench.distortions import DISTORTIONS
from aecodec.bench.summary import Curve, bd_rate
from aecodec.decoder import decode
from aecodec.model import SHIPPED, Model, shipped
from aecodec.picture import Picture
from aecodec.train.data import evenly, split

ROOT = Path(__file__).parent.parent
QUALITIES = (5, 15, 25, 35, 45, 55, 65, 75, 85, 95)
PICTURES = 16
TUNES = ("psnr", "ssimulacra2")
MAX_SIDE = 1024


def ours(model: Model) -> Codec:
    def to_bytes(pixels: np.ndarray, quality: float) -> bytes:
        return encoder.encode(Picture(pixels), int(quality), 1, model, mode="lossy").data

    return Codec("aecodec", QUALITIES, to_bytes, lambda data: decode(data, 1, model=model).pixels)


def measure(codec: Codec, pixels: np.ndarray, setting: float) -> tuple[float, ...]:
    """-> bits per pixel and the distortions of a real file."""
    data = codec.encode(pixels, setting)
    decoded = codec.decode(data)
    return 8 * len(data) / (pixels.size / 3), *(DISTORTIONS[d].measure(pixels, decoded) for d in TUNES)


def curve(codec: Codec, pictures: list[np.ndarray], name: str) -> Curve:
    """Means over the pictures."""
    with ThreadPoolExecutor() as pool:
        tasks = [pool.submit(measure, codec, p, s) for s in codec.settings for p in pictures]
        values = [t.result() for t in tqdm(tasks, desc=name, disable=None)]
    bpp, *distortions = np.reshape(values, (len(codec.settings), len(pictures), -1)).mean(1).T.tolist()
    return Curve(list(codec.settings), bpp, dict(zip(TUNES, distortions, strict=True)))


def main() -> None:
    arguments = [a for a in sys.argv[1:] if a != "--install"]
    if len(arguments) != 2:
        sys.exit(__doc__)
    candidate, held_out = Model(Path(arguments[0])), split(Path(arguments[1]))[1]
    pictures = [np.ascontiguousarray(Picture.load(p).pixels[:MAX_SIDE, :MAX_SIDE]) for p in evenly(held_out, PICTURES)]
    pictures = [p for p in pictures if p.ndim == 3]
    old, new = curve(ours(shipped()), pictures, "shipped"), curve(ours(candidate), pictures, "candidate")
    avif = curve(CODECS["avif444"](), pictures, "AVIF")
    for i, quality in enumerate(QUALITIES):
        shown = [f"{c.bpp[i]:.4f} bpp " + " ".join(f"{c.distortions[d][i]:.3f}" for d in TUNES) for c in (old, new)]
        print(f"quality {quality:2}: {shown[0]} -> {shown[1]}")
    changes = [bd_rate(old, new, d) for d in TUNES]
    for d, change in zip(TUNES, changes, strict=True):
        beside = [f"{bd_rate(avif, c, d):+.2f} %" for c in (old, new)]
        print(f"BD-rate by {DISTORTIONS[d].name}: {change:+.2f} %; against {CODECS['avif444']().label}: {beside[0]} -> {beside[1]}")
    if None in changes or not sum(changes) < 0:
        sys.exit("refused: the candidate is not better")
    if "--install" in sys.argv:
        shutil.copyfile(arguments[0], ROOT / "codec" / "aecodec" / SHIPPED)
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", ROOT], check=True)
        subprocess.run([sys.executable, ROOT / "tools" / "make_conformance.py"], check=True)  # by the package as it is now


if __name__ == "__main__":
    main()
