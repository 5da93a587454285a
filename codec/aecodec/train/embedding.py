"""Fits the projection of the embedding to versions of the training pictures.

Run: python -m aecodec.train.embedding DATA
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from ..embedding import CLIP, DIMENSIONS, TABLES, Floats, descriptor, thumbnail
from ..picture import Picture
from .data import load, split
from .versions import random_version

VERSIONS = 12  # of every picture, beside itself
SHRINKAGE = 0.05  # of the mean variance, added to that within pictures
LEAST_DEVIATION = 1e-3  # of a feature that is kept


def describe(image: Image.Image) -> Floats:
    return descriptor(thumbnail(Picture.of(image)))


def fit(found: Floats) -> tuple[Floats, Floats, Floats]:
    """(pictures, versions, D) descriptors -> mean, deviation, and the projection (D, DIMENSIONS)."""
    flat = found.reshape(-1, found.shape[2]).astype(np.float64)
    mean, deviation = flat.mean(0), flat.std(0)
    deviation[deviation < LEAST_DEVIATION] = np.inf
    z = np.clip((found - mean) / deviation, -CLIP, CLIP)
    centres = z.mean(1)
    within = (z - centres[:, None]).reshape(-1, z.shape[2])
    covariance = within.T @ within / len(within)
    covariance += SHRINKAGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    values, vectors = np.linalg.eigh(covariance)
    whiten = vectors / np.sqrt(values)
    spread = np.cov((centres @ whiten).T)
    _, directions = np.linalg.eigh(spread)
    return mean.astype(np.float32), deviation.astype(np.float32), (whiten @ directions[:, ::-1][:, :DIMENSIONS]).astype(np.float32)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    rng = np.random.default_rng(0)
    found = []
    for path in tqdm(split(Path(sys.argv[1]))[0], disable=None):
        image = Image.fromarray(load(path))
        found.append([describe(v) for v in (image, *(random_version(image, rng) for _ in range(VERSIONS)))])
    mean, deviation, projection = fit(np.array(found))
    scale = np.abs(projection).max(0) / 127
    np.savez_compressed(
        Path(__file__).parents[1] / TABLES,
        mean=mean,
        deviation=deviation,
        projection=np.rint(projection / scale).astype(np.int8),
        scale=scale.astype(np.float32),
    )


if __name__ == "__main__":
    main()
