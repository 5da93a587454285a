"""What the encoder's effort changes."""

import numpy as np
import pytest

import aecodec
from aecodec.effort import LEVELS
from aecodec.quality import EFFORT_DEFAULT, EFFORT_MAX, EFFORT_MIN, quality_to_lambda


def cost(photo: np.ndarray, data: bytes, quality: int) -> float:
    """bits/pixel + λ·MSE"""
    mse = np.mean((photo.astype(float) - aecodec.decompress(data)) ** 2)
    return 8 * len(data) / (photo.size / 3) + quality_to_lambda(quality) * mse


def test_levels_are_those_that_are_promised():
    assert list(LEVELS) == list(range(EFFORT_MIN, EFFORT_MAX + 1)) and EFFORT_DEFAULT in LEVELS


@pytest.mark.parametrize("quality", [30, 80])
def test_more_effort_is_better(photo, quality):
    costs = [cost(photo, aecodec.compress(photo, quality, effort=effort), quality) for effort in (1, EFFORT_DEFAULT, EFFORT_MAX)]
    assert costs[0] >= costs[1] >= costs[2] and (quality < 80 or costs[0] > costs[2])  # a low rate may leave nothing to choose


def test_effort_is_checked(photo):
    for effort in (0, 10, 2.5):
        with pytest.raises(aecodec.PictureError, match="effort"):
            aecodec.compress(photo, effort=effort)
