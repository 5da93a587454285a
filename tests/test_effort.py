"""What the encoder's effort changes."""

import numpy as np
import pytest
import torch

import aecodec
from aecodec import _core, effort
from aecodec.effort import LEVELS
from aecodec.model import shipped
from aecodec.network.loss import distortion, visual_share
from aecodec.options import EFFORT_DEFAULT, EFFORT_MAX, EFFORT_MIN, quality_to_lambda


def cost_of(photo: np.ndarray, size: int, decoded: np.ndarray, quality: int) -> float:
    """bits/pixel + λ·distortion, what training makes small"""
    x, y = (torch.from_numpy(p.astype(np.float32)).permute(2, 0, 1)[None] for p in (photo, decoded))
    share = visual_share(torch.tensor([float(quality)]))
    return 8 * size / (photo.size / 3) + quality_to_lambda(quality) * distortion(x, y, share).item()


def cost(photo: np.ndarray, data: bytes, quality: int) -> float:
    return cost_of(photo, len(data), aecodec.decompress(data), quality)


def test_levels_are_those_that_are_promised():
    assert list(LEVELS) == list(range(EFFORT_MIN, EFFORT_MAX + 1)) and EFFORT_DEFAULT in LEVELS


@pytest.mark.parametrize("quality", [30, 80])
def test_more_effort_is_better(photo, quality):
    costs = [cost(photo, aecodec.compress(photo, quality, effort=e), quality) for e in (1, EFFORT_DEFAULT, 7)]
    assert costs[0] >= costs[1] >= costs[2] and costs[2] < 0.99 * costs[0]


def test_descent_lowers_the_cost_of_large_pictures_too(photo, monkeypatch):
    """In windows that are smaller than the picture, with a picture that is no multiple of 64."""
    from aecodec.network import refine

    picture, model = photo[:183, :250].copy(), shipped()
    monkeypatch.setattr(refine, "WINDOW", 128)
    corrections = refine.corrections(model, picture, 40, 4)
    assert [c.shape for c in corrections] == [
        (192 // (8 << s["level"]), 256 // (8 << s["level"]), s["latents"]) for s in model.shape["stages"]
    ]

    def price(corrections: list[np.ndarray]) -> float:
        streams, _ = model.network.encode(picture, _core.Frame(*picture.shape[:2], 40, 10), model.betas, corrections=corrections)
        decoded = model.network.decode(streams, _core.Frame(183, 250, 40, 10))
        size = sum(len(tile) for stream in streams for tile in stream)
        return cost_of(picture, size, decoded, 40)

    assert price(corrections) < price([]) == price([np.zeros_like(c) for c in corrections])
    with pytest.raises(ValueError, match="corrections of stage 0 are"):
        price([c[1:] for c in corrections])
    with pytest.raises(ValueError, match="but the model has"):
        price(corrections[1:])


def test_every_level_searches_longer_than_the_one_before():
    levels = [effort.level_of(e) for e in range(EFFORT_MIN, EFFORT_MAX + 1)]
    spent = [(level.iterations, level.paths) for level in levels]
    assert spent == sorted(set(spent))
    assert [level.iterations > 0 for level in levels] == [e >= 5 for e in range(EFFORT_MIN, EFFORT_MAX + 1)]


@pytest.mark.parametrize("refining", [5, 9])
def test_without_torch_there_is_less_to_gain(photo, monkeypatch, refining):
    monkeypatch.setattr(effort, "find_spec", lambda name: None)
    assert aecodec.compress(photo, 40, effort=refining) == aecodec.compress(photo, 40, effort=4)


def test_no_time_goes_into_refining_what_is_kept_without_loss(photo, monkeypatch):
    def refined(*_):
        raise AssertionError("refined in vain")

    monkeypatch.setattr(effort, "refined", refined)
    stripes = np.repeat(np.arange(64, dtype=np.uint8) % 2 * 255, 64).reshape(64, 64)
    assert aecodec.Decoder(aecodec.compress(stripes, 60, effort=7)).lossless
    with pytest.raises(AssertionError, match="in vain"):
        aecodec.compress(photo[:64, :64], 60, effort=7)


def test_effort_is_checked(photo):
    for level in (-1, 0, 10, 2.5):
        for picture in (photo, np.zeros((8, 8), np.uint8)):
            with pytest.raises(aecodec.OptionError, match="effort"):
                aecodec.compress(picture, effort=level)
