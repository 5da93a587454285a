"""Guesses for what a damaged file has lost, and where they are."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import aecodec
from aecodec import Decoder, _core, repair
from aecodec.model import shipped
from conftest import PHOTO, psnr, with_simd


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.asarray(Image.open(PHOTO).convert("RGB"))


def without(data: bytes, *tiles: tuple[int, int]) -> bytes:
    """The file with such tiles, (stream, tile), and its protective copy set to zero."""
    index, broken = Decoder(data).index, bytearray(data)
    for part in [*(index.streams[s][t] for s, t in tiles), index.protection]:
        if part is not None:
            broken[part.payload : part.payload + part.size] = bytes(part.size)
    return bytes(broken)


@pytest.fixture(scope="module")
def data(picture) -> bytes:
    """Six tiles of 256 pixels."""
    return aecodec.compress(picture, 40, protect=True)


def test_values_are_those_of_the_codes(picture):
    model = shipped()
    header = Decoder(aecodec.compress(picture, 40)).header
    codes = np.zeros((1, 1, 4, 5), np.uint8)
    codes[0, 0, 2] = [0, 0, 3, 7, 9]
    lattice, book = model.tensors["lattice"].astype(int), model.tensors["stages.0.codebook"].astype(int)[2]
    expected = book[9] + 4 * lattice[7] + 16 * lattice[3]
    assert repair.values_of(model, codes)[0, 0].tolist() == [0] * 8 + expected.tolist() + [0] * 4
    assert header.tiles == 1


def test_harmonic_functions_are_found():
    y, x = np.indices((40, 56))
    for exact in (3 * x - 5 * y, x * y, x * x - y * y):
        hole = np.zeros(exact.shape, bool)
        hole[8:24, 12:44] = True
        values = (exact * 1000)[:, :, None].astype(np.int64)
        found = repair.harmonic(np.where(hole[:, :, None], 10**9, values), hole)
        assert np.abs(found - values).max() < 0.02 * np.ptp(values[hole])
        assert np.array_equal(found[~hole], values[~hole])


def test_a_hole_at_an_edge_and_an_empty_picture():
    values = np.full((9, 5, 2), 70, np.int64)
    hole = np.zeros((9, 5), bool)
    hole[2:] = True
    assert (repair.harmonic(np.where(hole[:, :, None], 0, values), hole) == 70).all()
    nothing = np.ones((9, 5), bool)
    assert np.array_equal(repair.harmonic(values, nothing), values)


def test_a_lost_tile_has_the_light_of_its_surroundings(monkeypatch):
    """More of it than what the prior alone expects; bench/repair.py has the figures of photographs."""
    ramp = np.stack([40 + np.indices((512, 768))[1] / 5] * 3, 2)
    picture = (ramp + np.random.default_rng(0).normal(0, 4, ramp.shape)).astype(np.uint8)  # not so smooth as to be kept exactly
    broken = without(aecodec.compress(picture, 40, protect=True, effort=1), *((s, 2) for s in range(3)))
    inside = (slice(256), slice(512, 768))
    shown = psnr(picture[inside], Decoder(broken, partial=True).decode()[inside])
    monkeypatch.setattr(repair, "coarse_guesses", lambda *_: None)
    assert shown > psnr(picture[inside], Decoder(broken, partial=True).decode()[inside]) + 1


def test_guesses_are_the_same_everywhere(data):
    broken = without(data, (0, 1), (0, 4))
    shown = []
    for name in _core.available_simd():
        for threads in (1, 2):
            with with_simd(name):
                shown.append(Decoder(broken, partial=True, threads=threads).decode())
    assert all(np.array_equal(shown[0], other) for other in shown)


@pytest.mark.parametrize("scale", [1, 2, 8])
def test_a_region_with_guesses_is_a_crop(data, scale):
    decoder = Decoder(without(data, (0, 1), (1, 3)), partial=True)
    region = (300, 40, 200, 170)  # inside the lost tile, and beyond
    x, y, w, h = region
    rows, columns = slice(y // scale, -(-(y + h) // scale)), slice(x // scale, -(-(x + w) // scale))
    np.testing.assert_array_equal(decoder.decode(scale, region), decoder.decode(scale)[rows, columns])
    np.testing.assert_array_equal(decoder.guessed(scale, region), decoder.guessed(scale)[rows, columns])


@pytest.mark.parametrize("tile_log2", [6, 7, 8])
@pytest.mark.parametrize("stream", [0, 1, 2])
def test_the_mask_has_every_pixel_that_is_not_as_it_was(picture, tile_log2, stream, monkeypatch):
    monkeypatch.setattr("aecodec.encoder.TILE_LOG2", tile_log2)
    data = aecodec.compress(picture, 40)
    decoder = Decoder(data)
    assert decoder.header.tile_log2 == tile_log2
    tile = next(t for t, c in enumerate(decoder.index.streams[stream]) if c.size and t > decoder.header.tile_columns)
    row, column = divmod(tile, decoder.header.tile_columns)
    broken = Decoder(without(data, (stream, tile)), partial=True)
    for scale in (1, 2, 8):
        mask, changed = broken.guessed(scale), (broken.decode(scale) != decoder.decode(scale)).any(2)
        assert not changed[mask == 0].any() and mask.shape == changed.shape
        if scale == 1:
            side = 1 << tile_log2
            inside = mask[row * side : (row + 1) * side, column * side : (column + 1) * side]
            assert inside.min() == [255, 146, 73][stream]
        assert changed.any() == (scale < 8 or stream == 0)
        assert not decoder.guessed(scale).any()


def test_masks_of_other_pictures(picture, photo):
    lost = aecodec.compress(photo, lossless=True)
    c = Decoder(lost).index.lossless
    decoder = Decoder(lost[: c.payload] + bytes(c.size) + lost[c.payload + c.size :], partial=True)
    assert (decoder.guessed() == 255).all()
    thin = aecodec.compress(picture[:20, :700], 40)
    thin = Decoder(without(thin, (2, 0)), partial=True)
    assert thin.guessed().shape == (20, 700) and thin.guessed().min() > 0
    page = np.full((256, 256, 3), 240, np.uint8)
    page[2:254:4, 3:97] = np.random.default_rng(0).integers(0, 2, (63, 94, 1), np.uint8) * 200
    page[32:160, 128:224] = picture[200:328, 300:396]
    page = aecodec.compress(page, 40)
    assert Decoder(page).mixed
    decoder = Decoder(without(page, (2, 0)), partial=True)
    assert decoder.guessed()[:, :97].max() == 0 and decoder.guessed()[40:150, 136:216].min() > 0
    for kind in (b"L", b"M"):
        c = next(c for c in Decoder(page).index.chunks if c.kind == kind)
        decoder = Decoder(page[: c.payload] + bytes(c.size) + page[c.payload + c.size :], partial=True)
        assert decoder.guesses and (decoder.guessed() == 255).all() and decoder.decode().shape == (256, 256, 3)


def test_a_file_that_is_cut(picture, data):
    tiles = Decoder(data).index.streams[0]
    cut = Decoder(data[: tiles[3].payload], partial=True)  # the lower half is gone
    mask = cut.guessed()
    assert (mask[256:] == 255).all() and (mask[:256] < 255).all() and (mask > 0).all()
    shown = cut.decode()
    assert np.abs(shown[300:].astype(int).mean((0, 1)) - shown[200:256].astype(int).mean((0, 1))).max() < 60


def test_command(data, tmp_path):
    (tmp_path / "a.aec").write_bytes(without(data, (0, 1)))

    def run(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, "-m", "aecodec", *arguments], cwd=tmp_path, capture_output=True, text=True)

    done = run("decompress", "a.aec", "a.png", "--allow-partial", "--mask", "m.png")
    assert done.returncode == 0 and "17 % of the pixels wholly" in done.stderr and "83 % of the pixels in part" in done.stderr
    mask = np.asarray(Image.open(tmp_path / "m.png"))
    np.testing.assert_array_equal(mask, Decoder(tmp_path / "a.aec", partial=True).guessed())
    (tmp_path / "a.png").unlink()
    for arguments, message in [
        (("a.aec", "b.png", "--allow-partial", "--mask", "m.png"), "exists already"),
        (("a.aec", "b.png", "--mask", "m.png"), "with --allow-partial"),
        (("a.aec", "b.png", "--allow-partial", "--mask", "b.png", "-f"), "same file"),
        (("a.aec", "b.png", "--allow-partial", "--mask", "a.aec", "-f"), "same file"),
        (("a.aec", "b.png", "--allow-partial", "--mask", "m.aec"), "must end in .png"),
        (("a.aec", "b.png", "--allow-partial", "--mask", "m.jpg"), "must end in .png"),
    ]:
        done = run("decompress", *arguments)
        assert done.returncode and message in done.stderr and not (tmp_path / "b.png").exists()


def test_the_filler_is_of_the_shipped_model():
    assert repair.filler().model == shipped().identity, "python -m aecodec.train.filler makes one for a new model"


def test_convolutions_are_those_of_torch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, weight, bias = (
        rng.integers(-(2**16), 2**16, (7, 9, 5)),
        rng.integers(-3000, 3000, (4, 5, 3, 3)),
        rng.integers(-(2**20), 2**20, 4),
    )
    for dilation in (1, 2, 4):
        total = torch.nn.functional.conv2d(
            torch.from_numpy(x.transpose(2, 0, 1)[None].astype(float)),
            torch.from_numpy(weight.astype(float)),
            torch.from_numpy(bias.astype(float)),
            padding=dilation,
            dilation=dilation,
        )[0].numpy()
        found = repair.convolved(x, weight.astype(float), bias.astype(float), dilation)
        half = 1 << repair.FILLER_BITS - 1
        np.testing.assert_array_equal(found, np.floor((total.transpose(1, 2, 0) + half) / (2 * half)))


def test_a_filler_of_another_model_is_left_out(data, monkeypatch):
    broken = without(data, (0, 1))
    with_net = Decoder(broken, partial=True).decode()
    monkeypatch.setattr(repair.filler(), "model", 1)
    assert not np.array_equal(Decoder(broken, partial=True).decode(), with_net)


def test_a_damaged_filler_is_an_error(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    with pytest.raises(aecodec.ModelError, match="filler"):
        repair.Filler(tmp_path / "x.safetensors")
