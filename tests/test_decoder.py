"""Decoding in part, reduced, and from damaged files; tokens."""

import io

import numpy as np
import pytest
from PIL import Image

import aecodec
from aecodec import Decoder
from aecodec.model import shipped
from conftest import PHOTO, expect_region_is_a_crop, parse, psnr


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.asarray(Image.open(PHOTO).convert("RGB"))[:301, :403].copy()


@pytest.fixture(scope="module")
def data(picture) -> bytes:
    return aecodec.compress(picture, 50)


class Counting(io.BytesIO):
    """A file that counts the bytes that are read from it."""

    count = 0

    def read(self, size: int = -1) -> bytes:
        part = super().read(size)
        self.count += len(part)
        return part


def test_a_decoder_knows_the_file_before_it_decodes(data):
    with Decoder(data) as decoder:
        assert (decoder.size, decoder.quality, decoder.mode, decoder.problems) == ((403, 301), 50, "RGB", [])
        np.testing.assert_array_equal(decoder.decode(), aecodec.decompress(data))


def test_paths_and_files(data, tmp_path):
    path = tmp_path / "a.aec"
    path.write_bytes(data)
    for source in (path, str(path), io.BytesIO(data), bytearray(data)):
        assert Decoder(source).decode(scale=8).shape == (38, 51, 3)
    with pytest.raises(FileNotFoundError):
        Decoder(tmp_path / "none.aec")


@pytest.mark.parametrize("scale", [1, 2, 4, 8])
@pytest.mark.parametrize("region", [(0, 0, 1, 1), (100, 33, 57, 64), (402, 300, 1, 1), (0, 0, 403, 301)])
def test_regions_are_crops(data, scale, region):
    expect_region_is_a_crop(data, scale, region)


def test_reduced_pictures_are_like_averages_of_the_original(picture, data):
    decoder = Decoder(data)
    for scale in (2, 4, 8):
        h, w = (n // scale for n in picture.shape[:2])
        means = picture[: h * scale, : w * scale].reshape(h, scale, w, scale, 3).mean((1, 3))
        assert psnr(means, decoder.decode(scale)[:h, :w]) > 33


@pytest.mark.parametrize(("quality", "behind"), [(10, 1.6), (30, 1.8), (60, 1.4), (90, 1)])
def test_a_preview_is_nearly_as_exact_as_the_whole(picture, quality, behind):
    """In dB, the mean of three qualities, as one picture's figures have their whims; it is smoother than most: the mean over
    validation photographs is at most 1.1 (bench/parts.py)."""
    means = picture[:296, :400].reshape(37, 8, 50, 8, 3).mean((1, 3))
    found = []
    for q in (quality - 1, quality, quality + 1):
        decoder = Decoder(aecodec.compress(picture, q))
        of_whole = decoder.decode()[:296, :400].reshape(37, 8, 50, 8, 3).mean((1, 3))
        found.append(psnr(means, np.round(of_whole)) - psnr(means, decoder.decode(8)[:37, :50]))
    assert np.mean(found) < behind


def test_reduced_pictures_read_less(data):
    whole, eighth = Counting(data), Counting(data)
    Decoder(whole).decode()
    Decoder(eighth).decode(8)
    assert eighth.count < 0.8 * whole.count


def test_alpha_is_reduced_and_cropped(picture):
    alpha = np.zeros(picture.shape[:2], np.uint8)
    alpha[:, 200:] = 255
    decoder = Decoder(aecodec.compress(np.dstack([picture, alpha]), 40))
    assert decoder.mode == "RGBA"
    np.testing.assert_array_equal(decoder.decode(region=(190, 0, 20, 5))[:, :, 3], alpha[:5, 190:210])
    assert decoder.decode(scale=4).shape == (76, 101, 4)


def test_gray_stays_gray(picture):
    decoder = Decoder(aecodec.compress(picture[:, :, 1], 40))
    assert decoder.mode == "L" and decoder.decode(8).shape == (38, 51)


def test_progressive_pictures_get_better(picture, data):
    distortions = [psnr(picture, p) for p in Decoder(data).progressive()]
    assert len(distortions) == 3 and distortions == sorted(distortions)
    assert distortions[-1] == psnr(picture, aecodec.decompress(data))


def test_wrong_scales_and_regions(data):
    decoder = Decoder(data)
    with pytest.raises(aecodec.OptionError, match="scale"):
        decoder.decode(3)
    for region in ((0, 0, 0, 1), (-1, 0, 5, 5), (400, 0, 4, 1), (0, 300, 1, 2)):
        with pytest.raises(aecodec.OptionError, match="region"):
            decoder.decode(region=region)


def test_what_is_left_of_a_truncated_file(picture, data):
    """Every cut behind the header gives a picture, and a longer file never a much worse one."""
    header = Decoder(data).index.head.end
    with pytest.raises(aecodec.FileError):
        Decoder(data[: header - 1], partial=True)
    last = 0.0
    for n in np.linspace(header, len(data) - 1, 12).astype(int):
        with pytest.raises(aecodec.FileError):
            Decoder(data[:n]).decode()
        decoder = Decoder(data[:n], partial=True)
        assert len(decoder.problems) == 1 and "cut short" in decoder.problems[0]
        now = psnr(picture, decoder.decode())
        assert now >= last
        last = now
    assert last > 20
    assert Decoder(data, partial=True).problems == []


def test_what_is_left_of_a_damaged_file(picture, data):
    damaged = bytearray(data)
    damaged[-10] ^= 1  # in the finest codes
    decoder = Decoder(bytes(damaged), partial=True)
    assert "checksum" in decoder.problems[0] and psnr(picture, decoder.decode()) > 20
    intact = Decoder(bytes(damaged))  # nobody has looked yet
    intact.decode(scale=8)
    with pytest.raises(aecodec.FileError, match="checksum"):
        intact.decode()


def test_tokens_there_and_back(picture, data):
    tokens = aecodec.tokens(picture, 50)
    assert [t.dtype for t in tokens.stages] == [np.uint8] * len(tokens.stages)
    assert (tokens.height, tokens.width, tokens.quality) == (301, 403, 50)
    np.testing.assert_array_equal(aecodec.from_tokens(tokens), aecodec.decompress(data))
    assert tokens.to_bytes() == data and aecodec.tokens(data).to_bytes() == data
    gray = aecodec.tokens(picture[:, :, 0], 30)
    assert aecodec.from_tokens(gray).ndim == 2


def test_tokens_of_the_first_stages(data):
    tokens = aecodec.tokens(data)
    assert tokens.first(7).to_bytes() == data and len(tokens.bits()) == 7
    assert abs(sum(tokens.bits()) / 8 - len(data)) < 60
    three = tokens.first(3)
    assert all(np.array_equal(a, b) for a, b in zip(three.stages[:3], tokens.stages[:3], strict=True))
    assert not any(s.any() for s in three.stages[3:]) and tokens.stages[6].any()
    assert three.bits()[:3] == tokens.bits()[:3]
    with pytest.raises(aecodec.OptionError, match="0 to 7"):
        tokens.first(8)


def test_tokens_can_be_changed(data):
    """Without the codes of the finest stages the picture is what the prior expects there: what a truncated file shows."""
    tokens = aecodec.tokens(data)
    for stage in tokens.stages[-2:]:  # those at 1/8
        stage[...] = 0
    known = parse(data)
    streams = known.streams[:-1] + [[None]]
    model = shipped()
    cut = model.network.decode(streams, model.frame(known.header))
    np.testing.assert_array_equal(aecodec.from_tokens(tokens), cut)
    with pytest.raises(aecodec.PictureError, match="tokens"):
        aecodec.from_tokens(aecodec.Tokens(tokens.stages[1:], 301, 403, 50))
