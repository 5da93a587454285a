import constriction
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aecodec import _core
from conftest import with_simd


def random_tables(rng, tables, k):
    """uint16 (tables, k) frequencies with sums of 2^16, from very skewed to nearly flat."""
    mass = rng.dirichlet(np.full(k, rng.choice([0.05, 0.3, 1, 5])), tables)
    exponents = (np.clip(-np.log2(mass + 1e-30), 0, 60) * 65536).astype(np.int32)
    return np.stack([_core.frequencies(row) for row in exponents])


def draw(rng, frequencies, n):
    table = rng.integers(0, len(frequencies), n).astype(np.uint16)
    starts = np.cumsum(frequencies.astype(np.int64), 1)
    symbols = (rng.integers(0, 65536, n)[:, None] >= starts[table]).sum(1).astype(np.uint16)
    return symbols, table


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2000), st.integers(1, 32), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_round_trip(n, k, tables, seed):
    rng = np.random.default_rng(seed)
    frequencies = random_tables(rng, tables, 8 * k)
    symbols, table = draw(rng, frequencies, n)
    data = _core.rans_encode(symbols, table, frequencies)
    assert n or data == b""
    np.testing.assert_array_equal(_core.rans_decode(data, table, frequencies), symbols)


@pytest.mark.parametrize("n", [0, 1, 5, 20, 100, 3000])
def test_a_stream_takes_no_more_than_its_symbols(n):
    """Within three bytes: no states are stored that hold nothing."""
    rng = np.random.default_rng(n)
    frequencies = random_tables(rng, 4, 64)
    symbols, table = draw(rng, frequencies, n)
    bits = sum(16 - np.log2(frequencies[t, s]) for t, s in zip(table, symbols, strict=True))
    assert len(_core.rans_encode(symbols, table, frequencies)) <= bits / 8 + 3


@pytest.mark.parametrize("seed", range(4))
def test_as_small_as_constriction(seed):
    rng = np.random.default_rng(seed)
    frequencies = random_tables(rng, 8, 256)
    symbols, table = draw(rng, frequencies, 200_000)
    ours = len(_core.rans_encode(symbols, table, frequencies))
    coder = constriction.stream.stack.AnsCoder()
    for t, row in enumerate(frequencies):
        model = constriction.stream.model.Categorical(row / np.float32(65536), perfect=True)
        coder.encode_reverse(symbols[table == t].astype(np.int32), model)
    theirs = coder.num_bits() / 8
    assert abs(ours / theirs - 1) < 1e-3


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 50))
def test_any_bytes_are_safe_to_read(data, n):
    rng = np.random.default_rng(0)
    frequencies = random_tables(rng, 1, 40)
    try:
        symbols = _core.rans_decode(data, np.zeros(n, np.uint16), frequencies)
    except _core.CorruptStream:
        return
    assert _core.rans_encode(symbols, np.zeros(n, np.uint16), frequencies) == data  # whatever is accepted is what we write


def test_damage_is_noticed():
    rng = np.random.default_rng(5)
    frequencies = random_tables(rng, 3, 104)
    symbols, table = draw(rng, frequencies, 500)
    data = _core.rans_encode(symbols, table, frequencies)
    for cut in (1, 2, 9, len(data) // 2):
        with pytest.raises(_core.CorruptStream):
            _core.rans_decode(data[:-cut], table, frequencies)
    with pytest.raises(_core.CorruptStream):
        _core.rans_decode(b"\0" + data, table, frequencies)
    with pytest.raises(_core.CorruptStream):
        _core.rans_decode(data + b"\0\0", table, frequencies)
    with pytest.raises(_core.CorruptStream):
        _core.rans_decode(data, table[:-1], frequencies)


def test_rejects_wrong_tables():
    zeros = np.zeros(1, np.uint16)
    with pytest.raises(ValueError):
        _core.rans_encode(zeros, zeros, np.array([[1, 2, 3]], np.uint16))
    with pytest.raises(ValueError):
        _core.rans_encode(zeros, zeros, np.array([[0, 65535, 1]], np.uint16))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 32), st.integers(1, 31), st.integers(0, 2**32 - 1))
def test_frequencies_sum_and_agree(vectors, bits, seed):
    exponents = np.random.default_rng(seed).integers(0, 2**bits, 8 * vectors).astype(np.int32)
    results = []
    for name in _core.available_simd():
        with with_simd(name):
            results.append(_core.frequencies(exponents).astype(int))
    for f in results:
        assert f.min() >= 1 and f.sum() == 65536
        np.testing.assert_array_equal(f, results[0])


def test_frequencies_follow_the_masses():
    bits = np.array([0.5, 2.0, 3.0, 9.0, 20.0, 20.0, 20.0, 20.0])
    f = _core.frequencies((bits * 65536).astype(np.int32)) / 65536
    np.testing.assert_allclose(f, 2.0**-bits / (2.0**-bits).sum(), rtol=3e-3, atol=2e-4)
