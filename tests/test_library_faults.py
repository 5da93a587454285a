"""The library in the hands of programs: threads, copies, wrong arguments, foreign exceptions."""

import copy
import io
import pickle
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image

import aecodec.pillow
import aecodec.torch
from aecodec import OptionError
from aecodec.batch import compress_rows
from aecodec.decoder import Decoder
from aecodec.picture import Picture


@pytest.fixture(scope="module")
def data(photo) -> bytes:
    return aecodec.compress(photo, 40)


@pytest.fixture(scope="module")
def tiled(photo) -> bytes:
    return aecodec.encoder.encode(Picture(photo), 40, protect=True).data  # many tiles


@pytest.fixture
def path(tiled, tmp_path):
    (tmp_path / "x.aec").write_bytes(tiled)
    return tmp_path / "x.aec"


def test_a_decoder_may_be_shared_by_threads(path):
    regions = [(x, y, 20, 16) for x in range(0, 236, 24) for y in range(0, 176, 24)] * 4
    with Decoder(path, threads=1) as decoder:
        whole = decoder.decode()
        with ThreadPoolExecutor(8) as pool:
            for (x, y, w, h), part in zip(regions, pool.map(lambda r: decoder.decode(region=r), regions), strict=True):
                np.testing.assert_array_equal(part, whole[y : y + h, x : x + w])


@pytest.mark.parametrize("loaded", [False, True])
@pytest.mark.parametrize("how", [lambda i: pickle.loads(pickle.dumps(i)), copy.deepcopy, copy.copy, lambda i: i.copy()])
def test_opened_images_can_be_copied(path, loaded, how):
    image = Image.open(path)
    if loaded:
        image.load()
    other = how(image)
    np.testing.assert_array_equal(np.asarray(other), Decoder(path).decode())
    assert other.size == (256, 192)


class Pictures(torch.utils.data.Dataset):
    def __init__(self, path):
        self.images = [Image.open(path) for _ in range(4)]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> np.ndarray:
        return np.asarray(self.images[i])


def test_opened_images_go_through_a_data_loader(path):
    loader = torch.utils.data.DataLoader(Pictures(path), batch_size=2, num_workers=1, multiprocessing_context="fork")
    assert [b.shape for b in loader] == [(2, 192, 256, 3)] * 2


def test_verify_checks(data, path):
    Image.open(io.BytesIO(data)).verify()
    Image.open(path).verify()
    bad = bytearray(data)
    bad[-20] ^= 1
    with pytest.raises(OSError, match="checksum"):
        Image.open(io.BytesIO(bytes(bad))).verify()


def test_a_frame_of_an_animation_is_saved_where_it_stands(photo, tmp_path):
    frames = [Image.fromarray(photo), Image.fromarray(255 - photo)]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    for number, frame in enumerate(frames):
        image = Image.open(tmp_path / "a.webp")
        image.seek(number)
        image.save(tmp_path / "x.aec", quality=90)
        back = np.asarray(Image.open(tmp_path / "x.aec"), np.int16)
        assert np.abs(back - np.asarray(frame, np.int16)).mean() < 4
    image.seek(1)
    assert len(aecodec.compress(image)) > 0
    with pytest.raises(ValueError, match="one picture"):
        frames[0].save(tmp_path / "y.aec", save_all=True, append_images=frames[1:])


WRONG = [
    lambda d, p: aecodec.compress(p, None),
    lambda d, p: aecodec.compress(p, "60"),
    lambda d, p: aecodec.compress(p, float("nan")),
    lambda d, p: aecodec.compress(p, [60]),
    lambda d, p: aecodec.compress(p, effort=None),
    lambda d, p: aecodec.compress(p, effort=[4]),
    lambda d, p: aecodec.compress(p, threads=None),
    lambda d, p: aecodec.compress(p, threads=-1),
    lambda d, p: aecodec.compress(p, threads=2**40),
    lambda d, p: aecodec.decompress(5),
    lambda d, p: aecodec.decompress("x.aec"),
    lambda d, p: aecodec.decompress(d, threads="2"),
    lambda d, p: aecodec.decompress(d, max_pixels=None),
    lambda d, p: aecodec.info(None),
    lambda d, p: Decoder(5),
    lambda d, p: Decoder(d, threads=None),
    lambda d, p: Decoder(d, max_memory="1G"),
    lambda d, p: Decoder(d).decode("2"),
    lambda d, p: Decoder(d).decode(None),
    lambda d, p: Decoder(d).decode([2]),
    lambda d, p: Decoder(d).decode(region=(0.5, 0, 5, 5)),
    lambda d, p: Decoder(d).decode(region=(0, 0, 5)),
    lambda d, p: Decoder(d).decode(region="0,0,5,5"),
    lambda d, p: Decoder(d).decode(region=5),
    lambda d, p: Decoder(d).decode(bits="8"),
    lambda d, p: list(Decoder(d).progressive("1")),
    lambda d, p: Decoder(d, grain="0.5"),
    lambda d, p: Decoder(d, grain=float("nan")),
    lambda d, p: aecodec.sample("5x5"),
    lambda d, p: aecodec.from_placeholder(aecodec.placeholder(p), "5x5"),
    lambda d, p: aecodec.placeholder(p, "28"),
    lambda d, p: aecodec.restyle(p, p, strength="1"),
    lambda d, p: aecodec.restyle(p, p, stages=5),
    lambda d, p: aecodec.restyle(p, p, stages=[[1]]),
    lambda d, p: aecodec.nearest(np.ones((2, 2)), np.ones((2, 2)), threads="2"),
    lambda d, p: compress_rows({"bytes": []}, quality=[60]),
    lambda d, p: aecodec.compress(p, denoise=np.ones(2)),
    lambda d, p: Image.fromarray(p).save(io.BytesIO(), "AEC", quality="good"),
    lambda d, p: Image.fromarray(p).save(io.BytesIO(), "AEC", exif=5),
    lambda d, p: Image.fromarray(p).save(io.BytesIO(), "AEC", icc_profile=10),
    lambda d, p: Image.fromarray(p).save(io.BytesIO(), "AEC", xmp="<x/>"),
    lambda d, p: Image.fromarray(p).save(io.BytesIO(), "AEC", exif=b"garbage"),
]


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_wrong_arguments_are_documented_errors(data, photo, number):
    with pytest.raises(ValueError) as caught:
        WRONG[number](data, photo)
    assert "\n" not in str(caught.value) and type(caught.value) in (OptionError, ValueError)


def test_numbers_of_other_types_are_taken(data, photo):
    assert aecodec.compress(photo, np.int64(40)) == aecodec.compress(photo, 40.0) == data
    whole = Decoder(data).decode(2.0)
    np.testing.assert_array_equal(Decoder(data).decode(np.int32(2)), whole)
    np.testing.assert_array_equal(Decoder(data, grain=np.float32(0.5)).decode(), Decoder(data, grain=0.5).decode())
    np.testing.assert_array_equal(Decoder(data).decode(region=np.array([0, 0, 5, 5])), Decoder(data).decode(region=(0.0, 0, 5, 5)))


TOKENS = [{"height": None}, {"width": "x"}, {"height": 0}, {"width": -1}, {"height": 2**40}, {"quality": None}, {"stages": None}]


@pytest.mark.parametrize("change", TOKENS)
def test_tokens_that_are_none(data, change):
    tokens = aecodec.tokens(data)
    with pytest.raises((aecodec.PictureError, OptionError)):
        aecodec.from_tokens(aecodec.Tokens(**{**tokens.__dict__, **change}))


@pytest.mark.parametrize("error", [SyntaxError, IndexError, KeyError, TypeError, NotImplementedError, RuntimeError])
def test_whatever_pillow_raises_is_a_picture_error(photo, error, tmp_path, monkeypatch):
    def load(self) -> None:
        raise error("odd\nthing")

    Image.fromarray(photo).save(tmp_path / "x.png")
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", load)
    with pytest.raises(aecodec.PictureError):
        aecodec.compress_file(tmp_path / "x.png", tmp_path / "x.aec")
    with pytest.raises(aecodec.PictureError):
        aecodec.compress(Image.open(tmp_path / "x.png"))


def test_a_bad_picture_does_not_keep_the_others_from_being_done(photo, tmp_path):
    for name in "ace":
        Image.fromarray(photo[:40, :40]).save(tmp_path / f"{name}.png")
    (tmp_path / "b.psd").write_bytes(b"8BPS\0\1" + bytes(6) + b"\0\3" + b"\0\0\0\x10" * 2 + b"\0\x08\0\3" + bytes(40))
    (tmp_path / "d.png").write_bytes((tmp_path / "a.png").read_bytes()[:100] + bytes(50))
    command = [sys.executable, "-m", "aecodec", "compress", "-r", str(tmp_path), "-j", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 1 and "5 files: 3 done, 0 kept, 2 failed" in done.stdout
    assert done.stderr.count("\n") == 2 and "Traceback" not in done.stderr


def test_pillows_warnings_are_not_shown(photo, tmp_path):
    exif = b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\2\0\0\0\6\0\3\0\0\0\0\0"  # two orientations
    Image.fromarray(photo).save(tmp_path / "x.jpg", exif=exif)
    command = [sys.executable, "-m", "aecodec", "compress", str(tmp_path / "x.jpg"), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0 and "Warning" not in done.stderr
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        aecodec.compress_file(tmp_path / "x.jpg", tmp_path / "y.aec")


def test_crafted_alpha_is_damage(photo):
    import struct
    import zlib

    from aecodec import container

    out = io.BytesIO()
    Image.new("L", (8, 8)).save(out, "PNG")
    png = out.getvalue()
    bad = png[:-12] + struct.pack(">I4sI", 0, b"iCCP", zlib.crc32(b"iCCP")) + png[-12:]
    small = aecodec.compress(photo[:8, :8], 40)
    known = container.read(io.BytesIO(small), Decoder(small).index)
    contents = container.Contents(known.header, known.streams, alpha=bad)
    with pytest.raises(aecodec.DamagedFile, match="alpha"):
        aecodec.decompress(container.write(contents))
