import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import aecodec
from aecodec import _core, container, encoder
from aecodec.decoder import decode
from aecodec.header import RGB
from aecodec.model import shipped
from aecodec.picture import Picture
from conftest import PHOTO, parse, psnr, with_simd


def test_a_photograph_survives(photo):
    data = aecodec.compress(photo, 70)
    back = aecodec.decompress(data)
    assert back.shape == photo.shape and back.dtype == np.uint8
    assert psnr(photo, back) > 32 and 8 * len(data) / photo[:, :, 0].size < 2
    jpeg = io.BytesIO()
    Image.fromarray(photo).save(jpeg, "JPEG", quality=50)
    jpeg_psnr = psnr(photo, np.asarray(Image.open(jpeg)))
    ours = next(q for q in range(20, 101, 5) if psnr(photo, aecodec.decompress(aecodec.compress(photo, q))) >= jpeg_psnr)
    assert len(aecodec.compress(photo, ours)) < 0.9 * len(jpeg.getvalue())


def test_quality_is_monotone(photo):
    sizes, distortions = [], []
    for q in (1, 20, 40, 60, 80, 100):
        data = aecodec.compress(photo, q)
        sizes.append(len(data))
        distortions.append(psnr(photo, aecodec.decompress(data)))
    assert sizes == sorted(sizes) and distortions == sorted(distortions)
    assert distortions[-1] > 40


@pytest.mark.parametrize("size", [(1, 1), (1, 200), (63, 65), (64, 64), (7, 129)])
@pytest.mark.parametrize("channels", [None, 2, 3, 4])
def test_any_size_and_kind(photo, size, channels):
    h, w = size
    picture = np.resize(photo, (h, w, 3))
    if channels is None:
        picture = picture[:, :, 0]
    elif channels != 3:
        alpha = np.arange(h * w, dtype=np.uint32).astype(np.uint8).reshape(h, w, 1)
        picture = np.concatenate([picture[:, :, : channels - 1], alpha], 2)
    back = aecodec.decompress(aecodec.compress(picture, 50))
    assert back.shape == picture.shape
    if channels in (2, 4):
        np.testing.assert_array_equal(back[:, :, -1], picture[:, :, -1])  # alpha is lossless


def test_pillows_limit_on_pixels_does_not_hold_for_alpha(photo, monkeypatch):
    picture = np.dstack([photo, photo[:, :, 0]])
    data = aecodec.compress(picture, 30)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    np.testing.assert_array_equal(aecodec.decompress(data)[:, :, 3], picture[:, :, 3])


def test_strange_layouts_of_memory(photo):
    data = aecodec.compress(photo, 30)
    assert aecodec.compress(np.asfortranarray(photo), 30) == data
    assert aecodec.compress(photo[:, ::-1][:, ::-1], 30) == data


def test_gray_is_gray_and_cheaper(photo):
    gray = photo.mean(2).astype(np.uint8)
    data = aecodec.compress(gray, 60)
    back = aecodec.decompress(data)
    assert back.ndim == 2 and psnr(gray, back) > 30
    assert len(data) < len(aecodec.compress(photo, 60))
    assert aecodec.info(data)["colour"] == "gray"


@pytest.mark.parametrize("quality", [1, 20, 60])
@pytest.mark.parametrize("depth", [8, 16])
def test_equal_channels_stay_equal(photo, quality, depth):
    gray = photo.mean(2).astype(np.uint8)
    picture = np.repeat(gray[:, :, None], 3, axis=2)
    data = aecodec.compress(picture.astype(np.uint16) * 257 if depth == 16 else picture, quality)
    back = aecodec.decompress(data)
    assert back.shape == picture.shape and (np.ptp(back, axis=2) == 0).all()
    np.testing.assert_array_equal(back[:, :, 0], aecodec.decompress(aecodec.compress(gray, quality)))
    assert aecodec.info(data)["colour"] == "neutral"
    for part in (
        aecodec.Decoder(data).decode(scale=8),
        aecodec.Decoder(data).decode(region=(3, 5, 70, 40)),
        aecodec.from_tokens(aecodec.tokens(data)),
        aecodec.sample(like=data, stage=4),
    ):
        assert part.shape[2] == 3 and (np.ptp(part, axis=2) == 0).all()
    picture[7, 9, 2] ^= 1
    assert aecodec.info(aecodec.compress(picture, quality))["colour"] == "RGB"


def test_denoising_gives_no_colour(photo):
    noisy = photo.mean(2) + np.random.default_rng(0).normal(0, 20, photo.shape[:2])
    picture = np.repeat(np.clip(noisy, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)
    assert aecodec.info(aecodec.compress(picture, 30, denoise=20))["colour"] == "neutral"


def test_result_depends_on_nothing_but_the_bytes(photo):
    data = aecodec.compress(photo, 60)
    expected = aecodec.decompress(data)
    for name in _core.available_simd():
        with with_simd(name):
            for threads in (1, 2, 5):
                np.testing.assert_array_equal(aecodec.decompress(data, threads=threads), expected)
                assert aecodec.compress(photo, 60, threads=threads) == data


def test_tiles_leave_no_trace(photo):
    network, beta = shipped().network, shipped().betas
    results = []
    for tile in (6, 7, 10):
        streams, _ = network.encode(photo, _core.Frame(*photo.shape[:2], 60, tile), beta)
        assert [len(s) for s in streams] == [len(streams[0])] * len(streams)
        results.append(network.decode(streams, _core.Frame(*photo.shape[:2], 60, tile)))
    np.testing.assert_array_equal(results[0], results[2])
    np.testing.assert_array_equal(results[1], results[2])


def test_large_pictures_have_small_tiles():
    for (height, width), side in (((2000, 2000), 1024), ((2100, 2000), 512)):
        assert 2 ** encoder.header_for(height, width, 50, RGB, shipped()).tile_log2 == side


@pytest.mark.parametrize("quality", [1, 30, 50, 90])
def test_the_prior_predicts_the_files_size(quality):
    encoding = encoder.encode(Picture.load(PHOTO), quality)
    predicted, size = sum(encoding.predicted_bits) / 8, len(encoding.data)
    assert abs(size - predicted) < 80 + 0.002 * predicted  # header, checksums, rANS states
    if predicted > 7500:
        assert abs(size / predicted - 1) < 0.01


def test_overhead_is_small():
    """Header, checksums, lengths and coder states, that is all but what the prior expects of the codes."""
    picture = Picture.load(PHOTO)
    assert (picture.width, picture.height) == (768, 512)
    for quality in (1, 50, 100):
        encoding = encoder.encode(picture, quality)
        assert len(encoding.data) - sum(encoding.predicted_bits) / 8 <= 40
    pixel = encoder.encode(Picture.of(picture.pixels[:1, :1]), 60, mode="lossy")
    assert len(pixel.data) - sum(pixel.predicted_bits) / 8 <= 24


def test_a_damaged_stream_is_noticed_without_its_checksum(photo):
    """Checksums made right again: the coder's own checks must catch what they can, and nothing may crash."""
    contents = parse(aecodec.compress(photo, 40))
    rng = np.random.default_rng(0)
    caught = 0
    for _ in range(60):
        streams = [list(s) for s in contents.streams]
        s = rng.integers(len(streams))
        damaged = bytearray(streams[s][0])
        damaged[rng.integers(len(damaged))] ^= 1 << rng.integers(8)
        streams[s][0] = bytes(damaged)
        try:
            decode(container.write(container.Contents(contents.header, streams)))
        except aecodec.FileError:
            caught += 1
    assert caught >= 59


def test_other_models_are_refused(photo):
    contents = parse(aecodec.compress(photo, 40))
    other = replace(contents.header, model=contents.header.model ^ 1)
    with pytest.raises(aecodec.FileError, match="needs model"):
        aecodec.decompress(container.write(container.Contents(other, contents.streams)))


def test_wrong_arguments(photo):
    for quality in (0, 101, 50.5):
        with pytest.raises(aecodec.OptionError, match="quality"):
            aecodec.compress(photo, quality)
    for array in (photo.astype(float), photo[None], photo[:0], np.zeros((4, 4, 5), np.uint8)):
        with pytest.raises(aecodec.PictureError):
            aecodec.compress(array)


def test_info(photo):
    data = aecodec.compress(photo, 33)
    facts = aecodec.info(data)
    assert (facts["width"], facts["height"], facts["quality"], facts["colour"]) == (256, 192, 33, "RGB")
    assert facts["bytes"] == len(data) and sum(s["bytes"] for s in facts["streams"]) < len(data)
    assert [c["type"] for c in facts["chunks"]] == ["H", "S", "S", "S"]


class TestPillow:
    def test_images(self, photo):
        image = Image.fromarray(photo)
        assert aecodec.compress(image, 50) == aecodec.compress(photo, 50)
        for mode, shape in [
            ("L", (192, 256)),
            ("1", (192, 256)),
            ("P", photo.shape),
            ("CMYK", photo.shape),
            ("YCbCr", photo.shape),
        ]:
            assert aecodec.decompress(aecodec.compress(image.convert(mode), 50)).shape == shape

    def test_sixteen_bits_are_scaled(self):
        ramp = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
        picture = Picture.from_pillow(Image.fromarray(ramp))
        np.testing.assert_array_equal(picture.eight_bit().pixels, np.round(ramp / 257).astype(np.uint8))

    def test_transparent_palette(self, photo):
        image = Image.fromarray(photo).quantize(16)
        image.info["transparency"] = 3
        picture = Picture.from_pillow(image)
        np.testing.assert_array_equal(picture.alpha, np.where(np.asarray(image) == 3, 0, 255))

    def test_orientation_is_applied_once(self, photo):
        out = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112], exif[0x010F] = 6, "A camera"
        Image.fromarray(photo).save(out, "PNG", exif=exif, icc_profile=b"not really a profile")
        picture = decode(encoder.encode(Picture.load(out), 50).data)
        assert picture.pixels.shape == (256, 192, 3)
        back = picture.to_pillow()
        assert back.getexif().get(0x0112) is None and back.getexif()[0x010F] == "A camera"
        assert picture.metadata["icc"] == b"not really a profile"

    @pytest.mark.parametrize(("mode", "premultiplied"), [("RGBA", "RGBa"), ("LA", "La")])
    def test_premultiplied_alpha(self, photo, mode, premultiplied):
        image = Image.fromarray(np.dstack([photo, photo[:, :, 0] | 128])).convert(mode).convert(premultiplied)
        picture = Picture.of(image)
        np.testing.assert_array_equal(picture.to_array(), np.asarray(image.convert(mode)))

    def test_animations_are_refused(self, photo):
        out = io.BytesIO()
        Image.fromarray(photo).save(out, "GIF", save_all=True, append_images=[Image.fromarray(photo[::-1].copy())])
        with pytest.raises(aecodec.PictureError, match="animated"):
            Picture.load(out)

    def test_floats_are_refused(self):
        with pytest.raises(aecodec.PictureError, match="floating"):
            aecodec.compress(Image.fromarray(np.zeros((8, 8), np.float32)))
