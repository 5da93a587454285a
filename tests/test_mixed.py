"""Pictures of codewords and a lossless layer, block by block, and layers of larger steps."""

import io
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

import aecodec
from aecodec import Decoder, _core, container, encoder, segment
from aecodec.layer import BLOCK, Layer, divided, expanded, multiplied
from aecodec.metrics import psnr
from aecodec.options import quality_to_lambda
from aecodec.picture import Picture, reduce
from aecodec.target import for_psnr, for_size, for_ssimulacra2


@pytest.fixture(scope="module")
def page(photo) -> np.ndarray:
    """A page of text with a photograph in it, uint8 (400, 500, 3)."""
    image = Image.new("RGB", (500, 400), (250, 250, 252))
    draw = ImageDraw.Draw(image)
    for i in range(22):
        line = f"The quick brown fox jumps over {i} lazy dogs, and then on."
        draw.text((8, 8 + 17 * i), line, (20, 20, 60), ImageFont.load_default(13))
    pixels = np.asarray(image).copy()
    pixels[101:293, 203:459] = photo
    return pixels


@pytest.fixture(scope="module")
def noisy(photo) -> np.ndarray:
    return np.clip(photo + np.random.default_rng(0).normal(0, 20, photo.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def halftone(photo) -> np.ndarray:
    rng = np.random.default_rng(0)
    gray = photo[:128, :128].mean(2)
    return (np.where(gray / 255 > rng.random(gray.shape), 240, 10)[..., None] + rng.integers(0, 10, (128, 128, 3))).astype(np.uint8)


def mask_of(data: bytes, pixels: np.ndarray) -> np.ndarray:
    """Of pixels."""
    found = container.read(io.BytesIO(data), Decoder(data).index)
    mask = Layer.unpack(found.layer, *pixels.shape[:2]).mask
    return expanded(mask, *pixels.shape[:2])


def near(pixels: np.ndarray, original: np.ndarray, quality: int) -> None:
    """What is in the layer has fewer colours at most, of which one is paper that stays as it is."""
    errors = np.square(pixels.astype(float) - original).reshape(len(original), -1).mean(1)
    assert errors.max() <= 8 / quality_to_lambda(quality) + 1 and quality_to_lambda(quality) * errors.mean() < 0.2
    assert np.median(errors) == 0


def test_a_page_with_a_photograph_has_both(page):
    for quality in (20, 60, 90):
        data = aecodec.compress(page, quality)
        decoder, pixels = Decoder(data), aecodec.decompress(data)
        inside = mask_of(data, page)
        assert decoder.mixed and not decoder.lossless
        near(pixels[inside], page[inside], quality)
        assert not inside[150:250, 230:430].any() and inside[:80].mean() > 0.9  # the photograph is not in it, and the text is
        lossy = encoder.encode(Picture(page), quality, mode="lossy").data
        exact = encoder.encode(Picture(page), mode="lossless").data
        assert len(data) < len(exact) and psnr(page, pixels) > psnr(page, aecodec.decompress(lossy)) + 1
        assert quality == 20 or len(data) < len(lossy)


def test_every_way_to_decode(page):
    data = aecodec.compress(page, 60)
    decoder, whole, inside = Decoder(data), aecodec.decompress(data), mask_of(data, page)
    for scale in (1, 2, 4, 8):
        reduced = decoder.decode(scale)
        assert reduced.shape[:2] == (-(-400 // scale), -(-500 // scale))
        chosen = expanded(Layer.unpack(decoder_layer(data), 400, 500).mask, 400, 500, scale)
        np.testing.assert_array_equal(reduced[chosen], reduce(whole, scale)[chosen])
        x, y, w, h = 192, 96, 64, 48
        part = reduced[y // scale : (y + h) // scale, x // scale : (x + w) // scale]
        np.testing.assert_array_equal(decoder.decode(scale, (x, y, w, h)), part)
    sixteen = decoder.decode(bits=16)
    np.testing.assert_array_equal(sixteen[inside], whole[inside].astype(np.uint16) * 257)
    assert np.abs(sixteen / 257 - whole).max() <= 0.51
    steps = list(decoder.progressive())
    assert len(steps) == 3 and all((p[inside] == whole[inside]).all() for p in steps)
    np.testing.assert_array_equal(steps[-1], whole)
    assert psnr(page, steps[0]) < psnr(page, steps[-1])


def decoder_layer(data: bytes) -> bytes:
    return container.read(io.BytesIO(data), Decoder(data).index).layer


def test_gray_and_alpha_and_sixteen_bits(page):
    alpha = np.linspace(0, 255, page[:, :, 0].size).reshape(page.shape[:2]).astype(np.uint8)
    for picture in (page[:, :, 1], np.dstack([page, alpha]), np.dstack([page[:, :, 1], alpha])):
        data = aecodec.compress(picture, 50)
        back = aecodec.decompress(data)
        assert Decoder(data).mixed and back.shape == picture.shape
        inside = mask_of(data, page)
        colours = 1 if picture.ndim == 2 or picture.shape[2] == 2 else 3
        back, given = (p.reshape(*page.shape[:2], -1) for p in (back, picture))
        np.testing.assert_array_equal(back[..., colours:], given[..., colours:])  # alpha
        near(back[inside][:, :colours], given[inside][:, :colours], 50)
    wide = page.astype(np.uint16) * 257
    np.testing.assert_array_equal(aecodec.decompress(aecodec.compress(wide, 50)), aecodec.decompress(aecodec.compress(page, 50)))


def test_damaged_parts_are_guessed_and_the_others_kept(page):
    data = aecodec.compress(page, 60)
    whole, inside = aecodec.decompress(data), mask_of(data, page)
    for c in Decoder(data).index.everything()[1:]:
        broken = bytearray(data)
        broken[c.payload + c.size // 2] ^= 16
        with pytest.raises(aecodec.DamagedFile):
            aecodec.decompress(bytes(broken))
        decoder = Decoder(bytes(broken), partial=True)
        pixels = decoder.decode()
        assert decoder.problems
        if c.kind == b"S":
            np.testing.assert_array_equal(pixels[inside], whole[inside])
        else:
            np.testing.assert_array_equal(pixels[~inside], whole[~inside])
    cut = Decoder(data[: len(data) * 2 // 3], partial=True)
    assert cut.decode().shape == page.shape and cut.problems


def test_layers_that_do_not_fit_are_left_out(page):
    """As if the layer were lost: of a damaged file the codewords are what is left."""
    data = aecodec.compress(page, 60)
    whole, inside = aecodec.decompress(data), mask_of(data, page)
    contents = container.read(io.BytesIO(data), Decoder(data).index)
    step = contents.layer[:1]  # without a mask
    for lossless, layer in ((contents.lossless, step), (contents.lossless, None), (None, contents.layer), (None, step)):
        wrong = container.write(replace(contents, lossless=lossless, layer=layer))
        with pytest.raises(aecodec.DamagedFile):
            aecodec.decompress(wrong)
        decoder = Decoder(wrong, partial=True)
        np.testing.assert_array_equal(decoder.decode()[~inside], whole[~inside])
        assert decoder.guessed().all() and not decoder.lossless


def test_masks_that_cannot_be_are_damage(page):
    layer = Layer.unpack(decoder_layer(aecodec.compress(page, 60)), 400, 500).pack()
    bomb = Layer(1, np.zeros((4000, 4000), bool)).pack()
    for wrong in (b"", b"\0", b"\x41", b"\1\0", layer[:-1], layer + b"\0", bomb):
        with pytest.raises(aecodec.DamagedFile):
            Layer.unpack(wrong, 400, 500)


def test_masks_there_and_back():
    rng = np.random.default_rng(0)
    for height, width in ((1, 1), (8, 65), (100, 9), (640, 480)):
        mask = rng.random((-(-height // BLOCK), -(-width // BLOCK))) < 0.5
        again = Layer.unpack(Layer(4, mask).pack(), height, width)
        assert again.step == 4 and again.mask is not None
        np.testing.assert_array_equal(again.mask, mask)
    samples = np.arange(256, dtype=np.uint8)
    for step in (1, 2, 4, 8, 16, 32):
        error = multiplied(divided(samples, step), step).astype(int) - samples
        assert np.abs(error).max() <= step // 2


def test_photographs_have_no_layer(photo):
    for quality in (10, 60, 100):
        decoder = Decoder(aecodec.compress(photo, quality))
        assert not decoder.mixed and not decoder.lossless


QUALITIES = (30, 50, 60, 70, 80, 90, 94, 96, 98, 100)


@pytest.mark.parametrize("kind", ["noisy", "halftone", "chequer", "page", "photo", "dither", "gradient"])
def test_psnr_rises_with_quality(kind, request, photo):
    y, x = np.mgrid[:96, :128]
    drawn = {
        "chequer": np.where(((x + y) % 2)[..., None], np.uint8([255, 0, 0]), np.uint8([0, 0, 255])),
        "dither": np.asarray(Image.fromarray(photo).convert("1").convert("L")),
        "gradient": (x + y).astype(np.uint8),
    }
    pixels = drawn[kind] if kind in drawn else request.getfixturevalue(kind)
    found = [min(100, psnr(pixels, aecodec.decompress(aecodec.compress(pixels, q)))) for q in QUALITIES]
    assert all(b > a - 0.01 for a, b in zip(found, found[1:], strict=False)), found
    assert found[-1] > 40


def test_colour_noise_has_no_ceiling(noisy):
    """JPEG 4:4:4 has 31.8 dB with noise of this kind where codewords stop at 26.8."""
    file = io.BytesIO()
    Image.fromarray(noisy).save(file, "JPEG", quality=92, subsampling="4:4:4")
    wanted = psnr(noisy, np.asarray(Image.open(file)))
    found = for_psnr(Picture(noisy), wanted)
    assert found.score >= wanted and len(found.encoding.data) < file.tell()


def test_any_psnr_is_found(halftone, photo):
    for wanted in (30, 35.2, 44, 55):
        found = for_psnr(Picture(halftone), wanted)
        assert found.score >= wanted
        assert psnr(halftone, aecodec.decompress(found.encoding.data)) == found.score
    assert 46 <= for_psnr(Picture(photo), 46).score < 60
    exact = for_psnr(Picture(photo), 70)
    assert exact.encoding.lossless and exact.score == float("inf")


def test_a_large_size_is_used(photo):
    assert for_size(Picture(photo), 1e9).encoding.lossless
    exact = len(encoder.encode_in_steps(Picture(photo), 1).data)
    assert not for_size(Picture(photo), exact - 1).encoding.lossless


def test_ssimulacra2_as_a_target(photo, tmp_path, monkeypatch):
    from aecodec.metrics import ssimulacra2

    found = for_ssimulacra2(Picture(photo), 70)
    worse = aecodec.decompress(aecodec.compress(photo, found.quality - 1))
    assert ssimulacra2(photo, aecodec.decompress(found.encoding.data)) >= 70 > ssimulacra2(photo, worse)
    Image.fromarray(photo).save(tmp_path / "a.png")
    command = [sys.executable, "-m", "aecodec", "compress", "a.png", "--target-ssimulacra2", "70", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["files"][0]["ssimulacra2"] == pytest.approx(found.score)
    with pytest.raises(aecodec.OptionError, match="pixels a side"):
        for_ssimulacra2(Picture(photo[:4]), 70)
    monkeypatch.setitem(sys.modules, "ssimulacra2", None)
    with pytest.raises(aecodec.OptionError, match=r"aecodec\[ssimulacra2\]"):
        for_ssimulacra2(Picture(photo), 70)


def test_info_and_tokens_of_mixed_files(page, tmp_path):
    data = aecodec.compress(page, 60)
    facts = aecodec.info(data)
    assert facts["mixed"] and not facts["lossless"] and facts["streams"]
    (tmp_path / "a.aec").write_bytes(data)
    done = subprocess.run([sys.executable, "-m", "aecodec", "info", "a.aec"], cwd=tmp_path, capture_output=True, text=True)
    assert "a layer of some pixels" in done.stdout
    with pytest.raises(aecodec.PictureError, match="some of its pixels without loss"):
        aecodec.tokens(data)


def test_drawings_have_fewer_shades():
    """Edges are drawn in hundreds of shades; some of them are enough, and paper and ink stay what they are."""
    image = Image.new("RGB", (900, 900), (255, 250, 235))
    draw = ImageDraw.Draw(image)
    for i in range(14):
        draw.ellipse((30 + 55 * i, 20 + 50 * i, 250 + 40 * i, 200 + 48 * i), (20 * i, 250 - 15 * i, 128), (0, 0, 0), 9)
    drawing = np.asarray(image.resize((300, 300), Image.Resampling.LANCZOS))
    exact = len(aecodec.compress(drawing, lossless=True))
    sizes = []
    for quality in (40, 60, 80):
        data = aecodec.compress(drawing, quality)
        pixels = aecodec.decompress(data)
        sizes.append(len(data))
        assert not Decoder(data).lossless and psnr(drawing, pixels) > 30 + quality / 10
        near(pixels.reshape(-1, 3), drawing.reshape(-1, 3), quality)
    assert sizes == sorted(sizes) and sizes[0] < exact / 3 and sizes[-1] < exact / 1.5


def test_it_costs_no_more_than_exact_pixels(page, halftone, photo):
    """Bits and λ times the error; also of few colours in a pattern that no codewords follow."""
    rng = np.random.default_rng(4)
    few = np.repeat(rng.integers(0, 256, (40, 3)).astype(np.uint8)[rng.integers(0, 40, (64, 128))], 2, 0)
    for pixels in (page, halftone, few, np.concatenate([few, photo[:64, :128]])):
        exact = 8 * len(aecodec.compress(pixels, lossless=True))
        for quality in (60, 95):
            data = aecodec.compress(pixels, quality)
            error = np.square(aecodec.decompress(data).astype(float) - pixels).sum() / 3
            assert 8 * len(data) + quality_to_lambda(quality) * error < 1.05 * exact


def test_estimates_are_of_the_right_size(page, photo):
    """Of codewords: bits and λ times the error."""
    for pixels in (photo, photo[:, :, 1]):
        for quality in (25, 60):
            lam = quality_to_lambda(quality)
            data = encoder.encode(Picture(pixels), quality, mode="lossy").data
            error = np.square(pixels.astype(float) - aecodec.decompress(data)).sum() / (3 if pixels.ndim == 3 else 1)
            samples = np.ascontiguousarray(pixels.reshape(*pixels.shape[:2], -1))
            assert _core.codeword_costs(samples, lam).sum() == pytest.approx(8 * len(data) + lam * error, rel=0.4)


def test_what_codewords_see_is_smooth_inside(page):
    mask = np.zeros((50, 63), bool)
    mask[:12] = True
    rest = segment.filled(page, mask)
    np.testing.assert_array_equal(rest[96:], page[96:])
    assert np.abs(np.diff(rest[:96].astype(int), axis=0)).max() < 24  # where smooth blocks stay, there may be a little step
    flat = np.s_[376:400, 480:500]
    assert len(np.unique(page[flat])) <= 2  # nothing is drawn there: what is smooth stays
    all_of_it = segment.filled(page, np.ones_like(mask))
    assert all_of_it.shape == page.shape
    np.testing.assert_array_equal(all_of_it[flat], page[flat])


@pytest.mark.parametrize("channels", [1, 3])
def test_noise_is_kept_in_the_steps_that_cost_least(channels):
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, channels), np.uint8)
    picture = Picture(noise if channels == 3 else noise[:, :, 0])
    for quality in (75, 90, 100):
        lam = quality_to_lambda(quality)

        def cost(data: bytes, lam: float = lam) -> float:
            return 8 * len(data) + lam * np.square(picture.pixels - aecodec.decompress(data).astype(float)).mean() * 128**2

        chosen = cost(encoder.encode(picture, quality).data)
        assert chosen <= 1.02 * min(cost(encoder.encode_in_steps(picture, step).data) for step in (1, 2, 4, 8, 16))


def test_a_size_that_only_codewords_fit_into(photo):
    dither = Picture(np.asarray(Image.fromarray(photo).convert("1").convert("L")))
    least = len(encoder.encode(dither, 1, mode="lossy").data)
    assert least + 50 < len(encoder.encode(dither, 1).data)
    assert len(for_size(dither, least + 50).encoding.data) <= least + 50


def test_targets_where_sizes_do_not_rise_with_the_quality(page):
    """As exact text and text of fewer colours take turns. None of twenty qualities makes a better file for a size, nor a smaller
    one for a PSNR."""
    picture = Picture(page)
    files = [encoder.encode(picture, quality).data for quality in range(1, 21)]
    found = [(len(f), psnr(page, aecodec.decompress(f))) for f in files]
    for size, score in found[2::6]:
        best = for_size(picture, size).encoding.data
        assert len(best) <= size and psnr(page, aecodec.decompress(best)) >= score
        assert len(for_psnr(picture, score).encoding.data) <= size
