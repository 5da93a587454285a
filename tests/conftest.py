"""Pictures and small networks that the tests share."""

import contextlib
import io
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aecodec import _core, chunks, container
from aecodec.cli import main, signals
from aecodec.decoder import Decoder
from aecodec.metrics import psnr  # noqa: F401  for the tests

# A shell that runs the tests in the background has interrupts ignored, and so would what they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

PHOTO = Path(__file__).parent.parent / "examples" / "parrots.png"


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """A crop of a real photograph, uint8 (192, 256, 3)."""
    return np.asarray(Image.open(PHOTO).convert("RGB"))[160:352, 330:586].copy()


def expect_region_is_a_crop(data: bytes, scale: int, region: tuple[int, int, int, int]) -> None:
    decoder = Decoder(data)
    whole = decoder.decode(scale)
    x, y, w, h = region
    crop = whole[y // scale : -(-(y + h) // scale), x // scale : -(-(x + w) // scale)]
    np.testing.assert_array_equal(decoder.decode(scale, region), crop)


def block_means(picture: np.ndarray, scale: int) -> np.ndarray:
    """float (H, W, C) -> (H / scale, W / scale, C), of whole blocks; colours weighted with alpha, if there is one."""
    rows, columns = picture.shape[0] // scale, picture.shape[1] // scale
    blocks = picture.reshape(*picture.shape[:2], -1)[: rows * scale, : columns * scale].astype(float)
    blocks = blocks.reshape(rows, scale, columns, scale, -1)
    means = blocks.mean((1, 3))
    if blocks.shape[-1] in (2, 4):
        weight = blocks[..., -1:]
        seen = weight.sum((1, 3))
        weighted = (blocks[..., :-1] * weight).sum((1, 3)) / np.maximum(seen, 1)
        means[..., :-1] = np.where(seen > 0, weighted, means[..., :-1])
    return means


@contextlib.contextmanager
def with_simd(name: str) -> Iterator[None]:
    """Computes with an instruction set, and afterwards with the one before, whatever happens."""
    before = _core.simd()
    _core.set_simd(name)
    try:
        yield
    finally:
        _core.set_simd(before)


@pytest.fixture(params=_core.available_simd())
def simd(request) -> Iterator[str]:
    """Runs a test once for every instruction set of this machine."""
    with with_simd(request.param):
        yield request.param


@pytest.fixture(autouse=True)
def same_simd_afterwards() -> Iterator[None]:
    """No test leaves another instruction set to those after it."""
    before = _core.simd()
    yield
    after = _core.simd()
    _core.set_simd(before)
    assert after == before


def parse(data: bytes) -> container.Contents:
    """Everything in a file."""
    return container.read(io.BytesIO(data), Decoder(data).index)


def with_chunk(data: bytes, kind: bytes, payload: bytes) -> bytes:
    """A file with a chunk more at its end."""
    return data + chunks.chunk(kind, payload)


def with_header(data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """A file whose header (without magic number, with the lengths) is changed, and its checksum right again."""
    head = Decoder(data).index.head
    body = data[: head.payload] + change(data[head.payload : head.payload + head.size])
    return body + chunks.checksum(body, chunks.CODED_CHECK) + data[head.end :]


@pytest.fixture
def command_line(monkeypatch, capsys):
    """The command line in this process, as one of its own takes a second -> what it says on stdout and stderr."""
    monkeypatch.setattr(signals, "end_at_once", lambda: None)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)

    def call(*arguments: object, status: int = 0) -> tuple[str, str]:
        with pytest.raises(SystemExit) as end:
            main(list(map(str, arguments)), "aecodec")
        out, err = capsys.readouterr()
        assert (end.value.code or 0) == status, err
        assert status == 0 or len(err.splitlines()) == 1, err
        return out, err

    return call


@pytest.fixture
def s3(monkeypatch):
    """A store with a bucket, on this machine."""
    s3fs, moto = pytest.importorskip("s3fs"), pytest.importorskip("moto.server")
    server = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        for name, value in {"ENDPOINT_URL": f"http://{host}:{port}", "ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x"}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        s3fs.S3FileSystem.clear_instance_cache()
        store = s3fs.S3FileSystem()
        store.mkdir("bucket")
        yield store
        store.rm("bucket", recursive=True)  # moto's stores are those of the process
    finally:
        server.stop()
