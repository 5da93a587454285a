import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

import aecodec
from aecodec import chunks, container
from aecodec.container import Contents
from aecodec.errors import FileError
from aecodec.header import Header

STREAMS = 3


def read(data: bytes, **options) -> Contents:
    file = io.BytesIO(data)
    return container.read(file, container.index(file, STREAMS, check=True, **options))


headers = st.builds(
    Header,
    version=st.just(1),
    model=st.integers(0, 2**32 - 1),
    colour=st.integers(0, 1),
    tile_log2=st.integers(6, 16),
    quality=st.integers(1, 100),
    width=st.integers(1, 1 << 24),
    height=st.integers(1, 1 << 24),
)


def contents(width=70, height=40, **rest) -> Contents:
    header = Header(1, 7, 1, 6, 50, width, height)
    return Contents(header, [[bytes([s, t]) * (s + t) for t in range(header.tiles)] for s in range(STREAMS)], **rest)


@given(headers)
def test_header_round_trip(header):
    assert Header.unpack(header.pack()) == header


@given(st.binary(max_size=20))
def test_any_header_is_refused_or_valid(payload):
    try:
        header = Header.unpack(payload)
    except FileError:
        return
    assert header.pack() == payload


@given(st.integers(0, 2**35 - 1), st.binary(max_size=3))
def test_varint_round_trip(value, tail):
    data = chunks.varint(value)
    assert chunks.read_varint(data + tail, 0) == (value, len(data))


def test_file_round_trip():
    for c in (contents(), contents(metadata={"icc": b"profile", "xmp": b"<x/>"}, alpha=b"png"), contents(1, 1)):
        assert read(container.write(c)) == c


def test_every_cut_and_every_flipped_byte_is_noticed():
    data = container.write(contents(metadata={"exif": b"abc"}))
    for n in range(len(data)):
        with pytest.raises(FileError):
            read(data[:n])
        for flip in (1, 0x20, 0x80):
            with pytest.raises(FileError):
                read(data[:n] + bytes([data[n] ^ flip]) + data[n + 1 :])


@given(st.binary(max_size=300))
def test_any_bytes_give_a_clear_error(data):
    with pytest.raises(FileError):
        aecodec.decompress(data)
    with pytest.raises(FileError):
        aecodec.decompress(chunks.MAGIC + data)


def test_unknown_chunks():
    data = container.write(contents())
    assert read(data + chunks.chunk(b"z", b"later")) == contents()
    with pytest.raises(FileError, match="'Z'"):
        read(data + chunks.chunk(b"Z", b"later"))
    with pytest.raises(FileError, match="more coded data"):
        read(data + chunks.chunk(b"S", b"more"))
    with pytest.raises(FileError, match="two headers"):
        read(data + chunks.chunk(b"H", contents().header.pack()))
    with pytest.raises(FileError, match="header is missing"):
        read(chunks.MAGIC + chunks.chunk(b"S", b""))


def test_messages_say_what_is_wrong():
    whole = container.write(contents())
    newer = chunks.MAGIC + chunks.chunk(b"H", b"\x01" + contents().header.pack()[1:])
    huge = chunks.MAGIC + chunks.chunk(b"H", Header(1, 7, 1, 6, 50, 1 << 24, 1 << 24).pack())
    billion = contents().header.pack()[:7] + chunks.varint(10**9 - 1) * 2
    for data, words in [
        (b"", "empty"),
        (b"hello, world\n" * 100, "not an .aec file"),
        (whole.replace(b"\r\n", b"\n"), "text mode"),
        (whole[:-1], "cut short"),
        (newer, "version 2"),
        (huge, "more than the limit"),
        (chunks.MAGIC + chunks.chunk(b"H", billion), "out of range"),
    ]:
        with pytest.raises(FileError, match=words):
            read(data)
