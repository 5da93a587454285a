import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aecodec._core import crc32c


@pytest.mark.parametrize(
    "data, checksum",
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),  # this one and the next three: RFC 3720, B.4
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(reversed(range(32))), 0x113FDB5C),
    ],
)
def test_known_values(data, checksum):
    assert crc32c(data) == checksum


@given(st.binary(max_size=100), st.integers(0, 100))
def test_parts_make_the_whole(data, at):
    assert crc32c(data[at:], crc32c(data[:at])) == crc32c(data)


def test_large_buffers_and_every_kind_of_them():
    data = np.random.default_rng(0).integers(0, 256, 100_003, np.uint8)
    parts = 0
    for start in range(0, len(data), 1000):
        parts = crc32c(data[start : start + 1000].tobytes(), parts)
    for kind in (bytes, bytearray, memoryview, np.asarray):
        assert crc32c(kind(data)) == parts
    assert crc32c(data.view(np.uint8).reshape(1, -1)) == parts


def test_rejects_what_is_not_contiguous_bytes():
    with pytest.raises(TypeError):
        crc32c("text")
    with pytest.raises((BufferError, ValueError)):
        crc32c(np.zeros(10, np.uint8)[::2])
    with pytest.raises(TypeError):
        crc32c(b"", -1)
