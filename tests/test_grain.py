"""Grain: drawn where a textured picture has nothing coded; the same each time, in regions too; nowhere else."""

import hashlib

import numpy as np
import pytest
from PIL import Image

import aecodec
from aecodec.grain import textured


@pytest.fixture(scope="module")
def data(photo) -> bytes:
    half = photo.copy()
    half[:, : photo.shape[1] // 2] = half.mean((0, 1))  # no texture there
    return aecodec.compress(half, 20)


def test_texture_comes_back_where_there_was_some(data):
    plain, drawn = (aecodec.decompress(data, grain=g).astype(int) for g in (0, 1))
    change = np.abs(drawn - plain)
    assert change[:, -64:].mean() > 0.5 and change[:, :32].max() == 0
    assert np.abs(np.diff(drawn[:, -64:], axis=1)).mean() > np.abs(np.diff(plain[:, -64:], axis=1)).mean()
    weak = np.abs(aecodec.decompress(data, grain=0.5) - plain)
    assert 0 < weak.mean() < change.mean()
    assert np.array_equal(aecodec.decompress(data, grain=1e-9), plain)


def test_the_same_everywhere(data):
    found = {hashlib.sha256(aecodec.decompress(data, grain=0.7, threads=n).tobytes()).digest() for n in (1, 3)}
    assert len(found) == 1
    decoder = aecodec.Decoder(data, grain=0.7)
    whole = decoder.decode()
    width, height = decoder.size
    box = (width - 41, height - 30, 37, 23)
    assert np.array_equal(decoder.decode(region=box), whole[box[1] : box[1] + box[3], box[0] : box[0] + box[2]])
    assert np.array_equal(decoder.decode(scale=8), aecodec.Decoder(data).decode(scale=8))
    assert decoder.decode(bits=16).dtype == np.uint16


def test_all_kinds_of_files(photo, data, tmp_path):
    (tmp_path / "a.aec").write_bytes(data)
    aecodec.decompress_file(tmp_path / "a.aec", tmp_path / "a.png", grain=1)
    assert np.array_equal(Image.open(tmp_path / "a.png"), aecodec.decompress(data, grain=1))
    pictures = (photo[:1, :1], photo[:, :, 0], np.dstack([photo, photo[:, :, 0]]), photo[:3])
    for picture in pictures:
        assert aecodec.decompress(aecodec.compress(picture, 10), grain=1).shape == picture.shape
    exact = aecodec.compress(photo, lossless=True)
    assert np.array_equal(aecodec.decompress(exact, grain=1), photo)
    cut = data[: len(data) - 50]
    lost, same = (aecodec.Decoder(cut, partial=True, grain=g).decode() for g in (1, 0))
    assert np.array_equal(lost, same)
    for wrong in (-0.1, 1.1, float("nan"), "1", None):
        with pytest.raises(aecodec.OptionError):
            aecodec.decompress(data, grain=wrong)


def test_texture_is_looked_for_around():
    codes = np.zeros((12, 12, 2, 1), np.uint8)
    codes[6, 6:9, 0] = 1
    places = textured([codes, codes])
    assert places[4:9, 5:10].all() and not places[:4].any() and not places[:, :4].any()
