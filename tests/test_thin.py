"""Thin pictures are folded: they cost what their pixels cost."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import aecodec
from aecodec import Decoder
from aecodec.encoder import encode
from aecodec.errors import PictureError
from aecodec.fold import SHORT, WIDE, fold_of
from aecodec.folding import folded, unfolded
from aecodec.picture import Picture, crop, reduce
from conftest import psnr

SIDES = st.tuples(st.integers(1, SHORT), st.integers(1, 3000))


@settings(max_examples=200, deadline=None)
@given(SIDES, st.booleans(), st.data())
def test_every_part_comes_back(sides, tall, data):
    height, width = sides[::-1] if tall else sides
    fold = fold_of(height, width)
    pixels = np.arange(height * width, dtype=np.uint32).reshape(height, width, 1)
    if fold is None:
        assert max(sides) <= 256
        return
    coded = folded(pixels, fold)
    assert coded.shape[:2] == fold.coded_size
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    box = (top, left, data.draw(st.integers(top + 1, height)), data.draw(st.integers(left + 1, width)))
    np.testing.assert_array_equal(unfolded(crop(coded, fold.coded_box(box)), fold, box), crop(pixels, box))


@pytest.mark.parametrize("size", [(1, 65535), (65535, 1), (1, 1 << 24), (16, 1 << 24), (32, 1 << 23), (3, 1 << 24), (17, 4000)])
def test_what_is_coded_is_about_as_large_as_the_picture(size):
    rows, columns = fold_of(*size).coded_size
    padded = [-(-n // 64) * 64 for n in (rows, columns)]
    pixels = size[0] * size[1]
    assert padded[0] * padded[1] <= max(1.2 * pixels, 64 * 64 + 1.8 * pixels) and max(padded) <= 1.1 * pixels**0.5 + 128


def test_only_thin_and_very_wide_pictures_are_folded():
    assert fold_of(33, 4000) is None and fold_of(4000, 33) is None and fold_of(16, 64) is None
    assert fold_of(100, WIDE) is None and fold_of(100, WIDE + 1) is not None and fold_of(WIDE + 1, 100) is None


@pytest.fixture(scope="module")
def strip() -> np.ndarray:
    """Thin and noisy: uint8 (5, 3000, 3)."""
    return np.random.default_rng(0).integers(0, 256, (5, 3000, 3), np.uint8)


def test_a_thin_picture_costs_what_a_square_one_does(strip):
    square = np.resize(strip, (122, 123, 3))
    sizes = [len(encode(Picture(p), 60, mode="lossy").data) for p in (strip[:1], strip, square)]
    assert sizes[1] < 1.2 * sizes[2] and sizes[0] < sizes[1] / 3


@pytest.mark.parametrize("scale", [1, 2, 8])
@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
def test_regions_and_reduced_pictures(strip, scale, gray, bits):
    for tall in (False, True):
        pixels = strip[:, :1000, 0] if gray else strip[:, :1000]
        decoder = Decoder(aecodec.compress(np.ascontiguousarray(pixels.swapaxes(0, 1)) if tall else pixels, 40))
        whole = decoder.decode(bits=bits)
        small = decoder.decode(scale, bits=bits)
        np.testing.assert_array_equal(small, reduce(whole, scale))
        for x, y, w, h in ((0, 0, 1, 1), (100, 1, 40, 3), (60, 0, 500, 5), (999, 4, 1, 1)):
            x, y, w, h = (y, x, h, w) if tall else (x, y, w, h)
            part = small[y // scale : -(-(y + h) // scale), x // scale : -(-(x + w) // scale)]
            np.testing.assert_array_equal(decoder.decode(scale, (x, y, w, h), bits), part)


def test_progressive_tokens_and_alpha(photo):
    picture = np.dstack([photo[:20], photo[:20, :, 0]])
    data = aecodec.compress(picture, 50)
    decoder = Decoder(data)
    whole = decoder.decode()
    assert psnr(picture[:, :, :3], whole[:, :, :3]) > 26
    np.testing.assert_array_equal(whole[:, :, 3], picture[:, :, 3])
    pictures = list(decoder.progressive())
    np.testing.assert_array_equal(pictures[-1], whole[:, :, :3])
    np.testing.assert_array_equal(aecodec.from_tokens(aecodec.tokens(data)), whole[:, :, :3])


def test_longer_sides_than_files_can_say_are_refused():
    with pytest.raises(PictureError, match="16777216"):
        aecodec.compress(np.broadcast_to(np.uint8(0), (1, (1 << 24) + 1)))
