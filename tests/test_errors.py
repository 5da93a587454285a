"""Programs can tell errors apart: what is cut short, what is damaged, what is for somebody else, and what was asked for wrongly."""

from dataclasses import replace

import numpy as np
import pytest

import aecodec
from aecodec import DamagedFile, OptionError, TruncatedFile, UnsupportedFile
from aecodec.cli.decompress import describe_damage
from aecodec.model import Model
from conftest import parse, with_chunk, with_header


@pytest.fixture(scope="module")
def data(photo) -> bytes:
    return aecodec.compress(photo, 30)


def test_a_cut_file_is_truncated_wherever_it_is_cut(data):
    for size in [*range(60), *range(60, len(data), 97), len(data) - 1]:
        with pytest.raises(TruncatedFile):
            aecodec.decompress(data[:size])


def test_a_changed_byte_is_damage(data):
    head = aecodec.Decoder(data).index.head
    for at in range(head.end, len(data), 5):
        with pytest.raises(DamagedFile):
            aecodec.decompress(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])
    for at in range(head.end):  # the header may look like something else
        with pytest.raises(aecodec.FileError):
            aecodec.decompress(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])


def test_what_is_for_somebody_else_is_unsupported(data):
    contents = parse(data)
    other_model = replace(contents.header, model=contents.header.model ^ 1).pack()
    for changed in (
        with_header(data, lambda head: other_model + head[len(other_model) :]),
        with_header(data, lambda head: bytes([head[0] + 1]) + head[1:]),  # version 3
        with_header(data, lambda head: bytes([head[0] | 0x80]) + head[1:]),  # a reserved bit
        with_chunk(data, b"Z", b""),
    ):
        with pytest.raises(UnsupportedFile):
            aecodec.decompress(changed)
    with pytest.raises(UnsupportedFile, match="not an .aec file"):
        aecodec.decompress(b"\x89PNG\r\n\x1a\n" + data[8:])
    with pytest.raises(UnsupportedFile, match="limit of 1000"):
        aecodec.Decoder(data, max_pixels=1000)


def test_known_chunks_that_are_out_of_place_are_damage(data):
    for changed in (
        with_chunk(with_chunk(data, b"A", b""), b"A", b""),
        with_chunk(data, b"L", b""),
    ):
        with pytest.raises(DamagedFile):
            aecodec.decompress(changed)


@pytest.mark.parametrize("surplus", [b"\n", bytes(16), b"\r\n\x1a", b"\x89AEC and another file", b"\xff" * 9])
def test_bytes_after_the_end_are_told_and_take_nothing(data, photo, surplus, tmp_path):
    exact = aecodec.compress(np.zeros((40, 40, 3), np.uint8), 90)
    for whole in (data, exact, aecodec.compress(photo, 30, protect=True)):
        with pytest.raises(DamagedFile, match=f"after the picture's end, at byte {len(whole)}, .*: {len(surplus)} of"):
            aecodec.decompress(whole + surplus)
        decoder = aecodec.Decoder(whole + surplus, partial=True)
        assert len(decoder.problems) == 1 and not decoder.guesses
        assert np.array_equal(decoder.decode(), aecodec.decompress(whole))
        assert not decoder.guessed().any() and describe_damage(decoder, None).endswith("nothing is missing")
    with pytest.raises(TruncatedFile, match="or goes on with bytes"):
        aecodec.decompress(data + b"text")


def test_wrong_options_are_value_errors_too(data, photo):
    wrong = [
        lambda: aecodec.compress(photo, 0),
        lambda: aecodec.compress(photo, 50.5),
        lambda: aecodec.compress(photo, effort=10),
        lambda: aecodec.Decoder(data).decode(scale=3),
        lambda: aecodec.Decoder(data).decode(region=(0, 0, 1000, 10)),
        lambda: aecodec.Decoder(data).decode(bits=12),
    ]
    for call in wrong:
        with pytest.raises(OptionError) as caught:
            call()
        assert isinstance(caught.value, ValueError) and isinstance(caught.value, aecodec.AecodecError)


def test_a_wrong_picture_is_none_of_them():
    with pytest.raises(aecodec.PictureError) as caught:
        aecodec.compress(np.zeros((4, 4, 3), np.float32))
    assert not isinstance(caught.value, ValueError | aecodec.FileError)


def test_a_file_that_is_no_model(tmp_path):
    (tmp_path / "m.safetensors").write_bytes(b"nonsense")
    with pytest.raises(aecodec.ModelError, match="not a model"):
        Model(tmp_path / "m.safetensors")


def test_all_file_errors_are_of_one_kind():
    assert all(issubclass(e, aecodec.FileError) for e in (TruncatedFile, DamagedFile, UnsupportedFile))
