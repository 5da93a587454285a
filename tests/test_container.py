import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import aecodec
from aecodec import chunks, container
from aecodec.container import Contents
from aecodec.errors import FileError
from aecodec.header import VERSION, Header

STREAMS = 3


def read(data: bytes, **options) -> Contents:
    file = io.BytesIO(data)
    return container.read(file, container.index(file, check=True, **options))


headers = st.builds(
    Header,
    version=st.just(VERSION),
    ahead=st.integers(0, 1),
    model=st.integers(0, 2**24 - 1),
    colour=st.integers(0, 2),
    tile_log2=st.integers(6, 16),
    quality=st.integers(1, 100),
    streams=st.integers(0, 7),
    width=st.integers(1, 1 << 24),
    height=st.integers(1, 1 << 24),
)


def contents(width=70, height=40, **rest) -> Contents:
    header = Header(VERSION, 7, 1, 6, 50, width, height, streams=STREAMS, ahead=int(bool(rest)))
    return Contents(header, [[bytes([s, t]) * (s + t) for t in range(header.tiles)] for s in range(STREAMS)], **rest)


@settings(deadline=None)
@given(headers)
def test_header_round_trip(header):
    packed = header.pack()
    assert Header.unpack(packed + b"?") == (header, len(packed))


@settings(deadline=None)
@given(st.binary(max_size=20))
def test_any_header_is_refused_or_valid(payload):
    try:
        header, size = Header.unpack(payload)
    except FileError:
        return
    assert header.pack() == payload[:size]


@given(st.integers(0, 2**35 - 1), st.binary(max_size=3))
def test_varint_round_trip(value, tail):
    data = chunks.varint(value)
    assert chunks.read_varint(data + tail, 0) == (value, len(data))


def test_file_round_trip():
    for c in (contents(), contents(metadata={"icc": b"profile", "xmp": b"<x/>"}, alpha=b"png"), contents(1, 1)):
        assert read(container.write(c)) == c
    exact = Contents(Header(VERSION, 7, 1, 6, 50, 70, 40), [], {"xmp": b"<x/>"}, lossless=b"webp")
    assert read(container.write(exact)) == exact


def test_every_cut_and_every_flipped_byte_is_noticed():
    data = container.write(contents(metadata={"exif": b"abc"}))
    for n in range(len(data)):
        with pytest.raises(FileError):
            read(data[:n])
        for flip in (1, 0x20, 0x80):
            with pytest.raises(FileError):
                read(data[:n] + bytes([data[n] ^ flip]) + data[n + 1 :])


@settings(deadline=None)  # sanitizers are slow
@given(st.binary(max_size=300))
def test_any_bytes_give_a_clear_error(data):
    with pytest.raises(FileError):
        aecodec.decompress(data)
    with pytest.raises(FileError):
        aecodec.decompress(container.MAGIC + data)


def test_unknown_chunks():
    data = container.write(contents())
    assert read(data + chunks.chunk(b"z", b"later")) == contents()
    with pytest.raises(FileError, match="'Z'"):
        read(data + chunks.chunk(b"Z", b"later"))
    with pytest.raises(FileError, match="pixels twice"):
        read(data + chunks.chunk(b"L", b"more"))


def test_chunks_may_stand_behind_the_streams():
    c = contents(metadata={"icc": b"profile"})
    data = container.write(contents()) + chunks.chunk(b"i", b"profile")
    assert read(data).metadata == c.metadata


def test_messages_say_what_is_wrong():
    whole = container.write(contents())

    def of(header: bytes) -> bytes:
        return container.MAGIC + header + chunks.checksum(container.MAGIC + header, 3)

    huge = Header(VERSION, 7, 1, 6, 50, 1 << 24, 1 << 24).pack()
    plain = contents().header.pack()
    for data, words in [
        (b"", "empty"),
        (b"hello, world\n" * 100, "not an .aec file"),
        (whole[:-1], "cut short"),
        (whole[:20], "cut short"),
        (of(b"\x01" + plain[1:]), "version 3"),
        (of(b"\x20" + plain[1:]), "does not know"),
        (b"\x89AEC\r\n\x1a\nH\x0b", "version 1, which no release wrote"),
        (of(huge), "more than the limit"),
        (of(Header(VERSION, 7, 1, 6, 50, 1 << 24, 1 << 24, streams=7).pack()), "cut short"),
        (of(plain[:6] + chunks.varint(10**9 - 1) * 2), "out of range"),
        (of(Header(VERSION, 7, 1, 6, 50, 9, 9).pack()), "no pixels"),
        (whole[:8] + b"!" + whole[9:], "header has a wrong checksum"),
    ]:
        with pytest.raises(FileError, match=words):
            read(data)
