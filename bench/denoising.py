"""De-noising before coding, against what else one would do: non-local means of OpenCV, wavelets of scikit-image, or BM3D, and AVIF.

Run: python bench/denoising.py PICTURES [EVERY]     writes bench/results/denoising.json
Of every third picture (EVERY), the 256x256 in its middle, with one draw of noise; PSNR is against the picture without it, the best
that a quality reaches within the rate, a mean over the pictures. The rivals know the noise, and take the strength that is best on
these very pictures; ours is `denoise="auto"`. Needs opencv-python-headless, scikit-image, PyWavelets and
bm3d (whose authors allow research alone).
"""

import io
import sys
import time
from collections.abc import Callable
from pathlib import Path

import bm3d
import cv2
import numpy as np
from PIL import Image
from skimage.restoration import denoise_wavelet

import aecodec
from aecodec.denoising import denoised
from aecodec.metrics import psnr
from aecodec.picture import Picture
from aecodec.train.data import load, pictures
from results import write

SIDE, EVERY, QUALITIES, RATES = 256, 3, range(14, 87, 6), (0.35, 0.5, 1.0)
NOISE = {"10": lambda x: 10.0, "20": lambda x: 20.0, "35": lambda x: 35.0, "poisson": lambda x: np.sqrt(2.5 * x + 16)}
TOLD = {"10": 10, "20": 20, "35": 35, "poisson": 17}  # the rivals
STRENGTHS = {"nlm": (0.5, 0.75, 1.0, 1.3), "wavelet": (0.5, 0.75, 1.0, 1.3), "bm3d": (0.8, 1.0)}  # times the noise


def nlm(pixels: np.ndarray, h: float) -> np.ndarray:
    return cv2.fastNlMeansDenoisingColored(pixels, None, h, h, 7, 21)


def wavelet(pixels: np.ndarray, sigma: float) -> np.ndarray:
    found = denoise_wavelet(pixels / 255, sigma=sigma / 255, channel_axis=2, convert2ycbcr=True, rescale_sigma=True)
    return np.clip(np.rint(found * 255), 0, 255).astype(np.uint8)


def block_matching(pixels: np.ndarray, sigma: float) -> np.ndarray:
    return np.clip(np.rint(255 * bm3d.bm3d_rgb(pixels / 255, sigma / 255)), 0, 255).astype(np.uint8)


def avif(pixels: np.ndarray, quality: int) -> tuple[int, np.ndarray]:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "AVIF", quality=quality, speed=6, subsampling="4:4:4")
    return file.tell(), np.asarray(Image.open(file).convert("RGB"))


def ours(pixels: np.ndarray, quality: int) -> tuple[int, np.ndarray]:
    data = aecodec.compress(pixels, quality)
    return len(data), aecodec.decompress(data)


RIVALS = {"nlm": nlm, "wavelet": wavelet, "bm3d": block_matching}


def within(codec: Callable[[np.ndarray, int], tuple[int, np.ndarray]], pixels: np.ndarray, clean: np.ndarray) -> list[float]:
    """-> the best PSNR at each rate."""
    found = [codec(pixels, q) for q in QUALITIES]
    points = [(8 * size / (SIDE * SIDE), psnr(clean, back)) for size, back in found]
    return [max(db for bpp, db in points if bpp <= rate) for rate in RATES]


def strongest(
    work: Callable[[np.ndarray, float], np.ndarray], strengths: tuple[float, ...], told: float, pairs: list
) -> list[np.ndarray]:
    """What the rival makes of the noisy pictures with the strength that is best for them."""
    results = [[work(noisy, s * told) for _, noisy in pairs] for s in strengths]
    return max(results, key=lambda r: float(np.mean([psnr(clean, p) for (clean, _), p in zip(pairs, r, strict=True)])))


def measure(name: str, pictures: list[np.ndarray]) -> dict:
    rng = np.random.default_rng(0)
    draws = [clean + rng.normal(0, 1, clean.shape) * NOISE[name](clean.astype(float)) for clean in pictures]
    pairs = [(clean, np.clip(np.rint(n), 0, 255).astype(np.uint8)) for clean, n in zip(pictures, draws, strict=True)]
    before = time.process_time()
    found = [denoised(Picture.from_array(noisy), "auto", threads=1) for _, noisy in pairs]
    seconds = time.process_time() - before
    rivals = {key: strongest(work, STRENGTHS[key], TOLD[name], pairs) for key, work in RIVALS.items()}
    arms = {"noisy, aec": (ours, [n for _, n in pairs]), "denoised, aec": (ours, [p.pixels for p, _ in found])}
    arms |= {"noisy, avif": (avif, [n for _, n in pairs])} | {f"{key}, avif": (avif, made) for key, made in rivals.items()}
    rates, alone = {}, {}
    for arm, (codec, made) in arms.items():
        rows = [within(codec, p, clean) for p, (clean, _) in zip(made, pairs, strict=True)]
        rates[arm] = [round(float(v), 2) for v in np.mean(rows, 0)]
        alone[arm] = round(float(np.mean([psnr(clean, p) for p, (clean, _) in zip(made, pairs, strict=True)])), 2)
    estimates = [round(sigma, 1) for _, sigma in found]
    return {"psnr_at_rates": rates, "psnr_not_coded": alone, "estimates": estimates, "denoising_seconds": round(seconds, 2)}


def main() -> None:
    every = int(sys.argv[2]) if len(sys.argv) == 3 else EVERY
    middle = []
    for path in pictures(Path(sys.argv[1]))[every - 1 :: every]:
        p = load(path)
        top, left = ((s - SIDE) // 2 for s in p.shape[:2])
        middle.append(p[top : top + SIDE, left : left + SIDE].copy())
    print(write("denoising", {"rates": RATES, "pictures": len(middle), **{name: measure(name, middle) for name in NOISE}}))


if __name__ == "__main__":
    main()
