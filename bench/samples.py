"""Pictures from the prior, and what becomes of a photograph of which the first stages are kept: docs/samples.jpg.

Run: python bench/samples.py
"""

from pathlib import Path

import numpy as np
from PIL import Image

import aecodec

ROOT = Path(__file__).parent.parent
WIDTH, HEIGHT = 288, 192
TEMPERATURES = (1.0, 0.8, 0.6)
STAGES = (2, 3, 5)
SEED = 7


def main() -> None:
    photo = Image.open(ROOT / "examples" / "parrots.png").convert("RGB")
    left, top = 250, 100
    data = aecodec.compress(photo.crop((left, top, left + WIDTH, top + HEIGHT)), 60)
    drawn = [aecodec.sample((WIDTH, HEIGHT), seed=SEED, temperature=t) for t in TEMPERATURES]
    kept = [aecodec.sample(like=data, stage=s, seed=SEED) for s in STAGES]
    page = np.concatenate([np.concatenate(row, 1) for row in (drawn, kept)])
    Image.fromarray(page).save(ROOT / "docs" / "samples.jpg", quality=88)


if __name__ == "__main__":
    main()
