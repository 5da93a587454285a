"""Pictures and small networks that the tests share."""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aecodec import _core, container
from aecodec.decoder import Decoder
from aecodec.metrics import psnr  # noqa: F401  for the tests

PHOTO = Path(__file__).parent.parent / "examples" / "parrots.png"


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """A crop of a real photograph, uint8 (192, 256, 3)."""
    return np.asarray(Image.open(PHOTO).convert("RGB"))[160:352, 330:586].copy()


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
