"""What the latents of each stage carry, and pictures with the light and colours of others: docs/restyle.jpg.

Run: pip install scikit-learn; python bench/restyle.py

Of a photograph, one dimension of one stage at a time is moved by noise of a tenth of its standard deviation. Of what this changes
in the pixels: the share of the energy that is luma (of luma and two colour differences, orthonormal), and the wavelength, in
pixels, that halves the energy; of a stage, means of its dimensions, weighted by their energy.
"""

import numpy as np
import torch
from PIL import Image
from scipy.fft import dctn
from sklearn.datasets import load_sample_images

import aecodec
from aecodec.model import shipped
from aecodec.network.network import quality_features
from aecodec.network.refine import float_model
from aecodec.network.restyle import QUALITY, latents, picture
from results import ROOT, write

WIDTH, HEIGHT = 288, 192
SIDE, MOVE = 256, 0.1
OPPONENT = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])
WAYS = (None, (0, 1), (2, 3, 4, 5, 6))  # stages


def photo() -> Image.Image:
    return Image.open(ROOT / "examples" / "parrots.png").convert("RGB")


def effect(change: np.ndarray) -> tuple[float, float]:
    """(H, W, 3) of a square picture -> the share of luma, and the wavelength."""
    energy = dctn(change @ OPPONENT.T, axes=(0, 1), norm="ortho") ** 2
    energy[0, 0] += 1e-12
    y, x = np.indices(energy.shape[:2])
    frequency = np.hypot(y, x).ravel()
    order = frequency.argsort()
    total = energy.sum(2).ravel()[order].cumsum()
    half = frequency[order][np.searchsorted(total, total[-1] / 2)]
    return energy[..., 0].sum() / energy.sum(), 2 * SIDE / max(half, 1)


@torch.no_grad()
def carried() -> list[dict]:
    torch.manual_seed(0)
    net, _ = float_model(shipped())
    q = quality_features(torch.tensor([QUALITY]))
    pixels = np.asarray(photo().crop((250, 60, 250 + SIDE, 60 + SIDE)))
    found = latents(net, pixels, q)
    before = picture(net, found, q)
    stages = []
    for i, z in enumerate(found):
        rows = []
        for d in range(z.shape[1]):
            moved = z.clone()
            moved[:, d] += MOVE * z[:, d].std() * torch.randn_like(z[:, d])
            change = (picture(net, [*found[:i], moved, *found[i + 1 :]], q) - before)[0].permute(1, 2, 0).numpy()
            if np.abs(change).max() > 1e-3:
                rows.append((*effect(change.astype(float)), float(np.square(change).mean())))
        luma, wavelength, energy = np.array(rows).T
        stages.append(
            {
                "stage": i,
                "dimensions": z.shape[1],
                "luma": float(np.average(luma, weights=energy)),
                "mostly_luma": int((luma > 0.8).sum()),
                "mostly_colour": int((luma < 0.2).sum()),
                "wavelength": float(np.average(wavelength, weights=energy)),
            }
        )
    return stages


def page() -> None:
    content = photo().crop((250, 100, 250 + WIDTH, 100 + HEIGHT))
    others = [Image.fromarray(image).resize((WIDTH, HEIGHT), Image.Resampling.BOX) for image in load_sample_images().images]
    rows = []
    for a, b in ((content, others[0]), (content, others[1]), (others[0], content)):
        row = [np.asarray(a), np.asarray(b), *(aecodec.restyle(a, b, stages=way) for way in WAYS)]
        rows.append(np.concatenate(row, 1))
    Image.fromarray(np.concatenate(rows)).resize((5 * WIDTH * 3 // 4, 3 * HEIGHT * 3 // 4)).save(
        ROOT / "docs" / "restyle.jpg", quality=85
    )


def main() -> None:
    page()
    print(write("restyle", {"stages": carried()}))


if __name__ == "__main__":
    main()
