"""The Python fuzzers for a moment, and what they must notice; every prefix of files of all kinds. docs/fuzzing.md."""

import sys
from pathlib import Path

import numpy as np
import pytest

import aecodec
from aecodec.decoder import Decoder

FUZZ = Path(__file__).parent / "fuzz"
sys.path.insert(0, str(FUZZ))
import differential  # noqa: E402
import whole  # noqa: E402


@pytest.mark.parametrize("seed", range(4))
def test_mutants_give_pictures_or_documented_errors(seed):
    mutate = whole.Mutator(seed)
    for _ in range(40):
        data = mutate()
        assert not whole.complaint(data), data.hex()


def test_most_mutants_are_deep():
    """They pass the checksums: what refuses them is not that."""
    mutate, errors = whole.Mutator(0), []
    for _ in range(200):
        try:
            with Decoder(mutate(), check=True, max_pixels=whole.MAX_PIXELS):
                errors.append("")
        except aecodec.FileError as error:
            errors.append(str(error))
    assert sum("checksum" in e for e in errors) < 60 and errors.count("") > 60


def test_a_foreign_exception_is_noticed(monkeypatch):
    data = whole.seeds()[0]  # first, as the encoder decodes as well
    monkeypatch.setattr(Decoder, "picture", lambda *_: 1 / 0)
    assert "ZeroDivisionError" in whole.complaint(data)


@pytest.mark.parametrize("number", range(len(whole.seeds())))
def test_every_prefix(number):
    """Of a file of every kind: cut short, or with `partial` a picture, by all ways of decoding in turn."""
    data = whole.seeds()[number]
    for size in range(0, len(data), 1 if len(data) < 300 else 7):
        assert not whole.complaint(data[:size]), size
        try:
            with Decoder(data[:size], check=True) as decoder:  # a file without its last chunk, the protective copy
                np.testing.assert_array_equal(decoder.decode(), aecodec.decompress(data))
        except aecodec.TruncatedFile:
            pass


def test_seeds_are_of_every_kind():
    with_layer, with_map, neutral = [], [], []
    for data in whole.seeds():
        decoder = Decoder(data)
        with_layer.append(decoder.mixed)
        with_map.append(decoder.qualities is not None)
        neutral.append(aecodec.info(data)["colour"] == "neutral")
    assert any(with_layer) and any(with_map) and any(neutral)


def test_both_decoders_agree():
    rng = np.random.default_rng(0)
    refused = []
    for scale in (1, 8, 2, 4):
        data = differential.generate(rng)
        assert not differential.complaint(data, scale), data.hex()
        refused.append(differential.decoded(data, scale) is None)
    assert any(refused) and not all(refused)


def test_a_disagreement_is_noticed(monkeypatch):
    data = whole.seeds()[0]
    monkeypatch.setattr(differential.reference, "decode", lambda data, scale: np.zeros((60, 60, 3), np.uint8))
    assert "differ" in differential.complaint(data, 1)
    assert "the codec alone" in differential.complaint(data[:-1], 1)
