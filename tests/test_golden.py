"""Files that were written once decode to the pixels that they decoded to then, whatever decodes them now."""

import hashlib
import json
from pathlib import Path

import pytest

import aecodec

FOLDER = Path(__file__).parent / "conformance"
EXPECTED = json.loads((FOLDER / "expected.json").read_text())


@pytest.mark.parametrize("name", EXPECTED)
def test_golden_file(name, simd):
    pixels = aecodec.decompress((FOLDER / f"{name}.aec").read_bytes(), threads=1)
    assert list(pixels.shape) == EXPECTED[name]["shape"]
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == EXPECTED[name]["sha256"]
