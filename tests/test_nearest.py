import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aecodec import _core
from conftest import with_simd

ROOT = Path(__file__).parent.parent


def costs(z, codebook, bias, weight):
    """(N, K) in float64, the search's definition."""
    z, c = z.astype(np.float64)[:, :, None], codebook.astype(np.float64)[None]
    cost = ((z - c) ** 2).sum(1) + bias
    return cost if weight is None else cost + (weight.astype(np.float64)[:, :, None] * c**2).sum(1)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(1, 20), st.integers(1, 300), st.booleans(), st.integers(0, 2**32 - 1))
def test_agrees_with_brute_force(n, d, k, weighted, seed):
    rng = np.random.default_rng(seed)
    z, codebook = rng.normal(size=(n, d)).astype(np.float32), rng.normal(size=(d, k)).astype(np.float32)
    bias = rng.exponential(size=k).astype(np.float32)
    weight = rng.exponential(size=(n, d)).astype(np.float32) if weighted else None
    cost = costs(z, codebook, bias, weight)
    results = []
    for name in _core.available_simd():
        with with_simd(name):
            results.append(_core.nearest(z, codebook, bias, weight, threads=2))
    for found in results:
        np.testing.assert_array_equal(found, results[0])  # every instruction set, to the index
    chosen = cost[np.arange(n), results[0]]
    np.testing.assert_allclose(chosen, cost.min(1), rtol=1e-4, atol=1e-4)


def test_lowest_index_wins_ties(simd):
    codebook = np.tile(np.array([[1, -1, 1, -1]], np.float32), (4, 9))  # (4, 36): every codeword many times over
    z = np.array([[1] * 4, [-1] * 4, [0] * 4], np.float32)
    assert _core.nearest(z, codebook).tolist() == [0, 1, 0]


def test_whole_numbers_are_exact(simd):
    rng = np.random.default_rng(1)
    z, codebook = (rng.integers(-9, 10, s).astype(np.float32) for s in ((500, 4), (4, 256)))
    bias = rng.integers(0, 9, 256).astype(np.float32)
    np.testing.assert_array_equal(_core.nearest(z, codebook, bias), costs(z, codebook, bias, None).argmin(1))


def test_rejects_wrong_arrays():
    z, codebook = np.zeros((3, 4), np.float32), np.zeros((4, 8), np.float32)
    with pytest.raises(ValueError):
        _core.nearest(z, codebook.T.copy())
    with pytest.raises(ValueError):
        _core.nearest(z, codebook, np.zeros(7, np.float32))
    with pytest.raises(TypeError):
        _core.nearest(z.astype(np.float64), codebook)
    with pytest.raises(TypeError):
        _core.nearest(z, np.zeros((8, 4), np.float32).T)  # not contiguous: no silent copy
    with pytest.raises(ValueError):
        _core.nearest(z, codebook, device="tpu")
    assert _core.nearest(np.zeros((0, 4), np.float32), codebook).shape == (0,)


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not here")
def test_cuda_kernel_compiles(tmp_path):
    source = ROOT / "csrc" / "kernels" / "nearest.cu"
    command = [
        "nvcc",
        "-std=c++17",
        "-Werror",
        "all-warnings",
        "-DAEC_HAVE_CUDA",
        "-I",
        ROOT / "csrc",
        "-c",
        source,
        "-o",
        tmp_path / "nearest.o",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
