import numpy as np
import pytest

import aecodec
from aecodec import codeword_search


def brute_force(queries, codebook, bias=0.0, weight=None):
    """(N, K) costs in float64."""
    z, c = np.asarray(queries, np.float64)[:, None], np.asarray(codebook, np.float64)[None]
    cost = ((z - c) ** 2).sum(2) + bias
    return cost if weight is None else cost + (np.asarray(weight, np.float64)[:, None] * c**2).sum(2)


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    shapes = ((1003, 6), (77, 6), 77, (1003, 6))  # queries, codebook, bias, weight; whole numbers, so that costs are exact
    return [rng.integers(0 if i > 1 else -9, 10, s).astype(np.float32) for i, s in enumerate(shapes)]


def test_is_brute_forces_choice(simd, arrays):
    queries, codebook, bias, weight = arrays
    np.testing.assert_array_equal(aecodec.nearest(queries, codebook), brute_force(queries, codebook).argmin(1))
    found = aecodec.nearest(queries, codebook, bias=bias, weight=weight, threads=2)
    assert found.dtype == np.int32 and found.shape == (1003,)
    np.testing.assert_array_equal(found, brute_force(queries, codebook, bias, weight).argmin(1))


@pytest.mark.parametrize("convert", [np.float64, np.float16, np.asfortranarray, np.ndarray.tolist, lambda a: a[::-1][::-1]])
def test_takes_any_floats_in_any_order(arrays, convert):
    expected = aecodec.nearest(arrays[0], arrays[1], bias=arrays[2], weight=arrays[3])
    queries, codebook, bias, weight = map(convert, arrays)
    np.testing.assert_array_equal(aecodec.nearest(queries, codebook, bias=bias, weight=weight), expected)


def test_the_lowest_index_wins_ties():
    codebook = np.tile(np.array([[1.0], [-1.0]]), (20, 3))
    assert aecodec.nearest([[1, 1, 1], [-1, -1, -1], [0, 0, 0]], codebook).tolist() == [0, 1, 0]


def test_a_codebook_is_kept_for_many_searches(arrays):
    queries, codebook, bias, _ = arrays
    search = codeword_search.NearestSearch(codebook, bias)
    expected = aecodec.nearest(queries, codebook, bias=bias)
    codebook[:] = 0  # it has its own copy
    np.testing.assert_array_equal(search(queries), expected)
    np.testing.assert_array_equal(np.concatenate([search(queries[:500]), search(queries[500:])]), expected)


def test_no_queries_give_no_indices():
    found = aecodec.nearest(np.zeros((0, 4)), np.zeros((8, 4)))
    assert found.shape == (0,) and found.dtype == np.int32


@pytest.mark.parametrize(
    "change",
    [
        {"queries": np.zeros((5, 3))},
        {"queries": np.zeros(4)},
        {"queries": np.zeros((5, 4), complex)},
        {"queries": [["a"] * 4]},
        {"codebook": np.zeros((4, 8))},
        {"codebook": np.zeros((0, 4))},
        {"codebook": np.zeros((8, 0)), "queries": np.zeros((5, 0))},
        {"bias": np.zeros(4)},
        {"bias": np.zeros((8, 1))},
        {"weight": np.zeros((4, 5))},
        {"device": "tpu"},
    ],
)
def test_says_what_is_wrong(change):
    arguments = {"queries": np.zeros((5, 4)), "codebook": np.zeros((8, 4)), **change}
    with pytest.raises(ValueError, match="|".join(change)):
        aecodec.nearest(arguments.pop("queries"), arguments.pop("codebook"), **arguments)


def test_without_a_device_cuda_is_refused():
    if codeword_search.cuda_available():
        pytest.skip("there is a device")
    with pytest.raises(ValueError, match="cuda"):
        aecodec.nearest(np.zeros((1, 4)), np.zeros((8, 4)), device="cuda")
