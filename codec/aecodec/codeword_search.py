"""The nearest codeword of many vectors: exact search in a codebook of up to some thousands, without an N x K matrix of distances.

The cost may hold a codeword's price and a weight on its squares, which is how a rate enters: entropy-constrained vector
quantisation (Chou, Lookabaugh and Gray, IEEE TASSP 1989). The codec's own encoder searches residual codes (`_core.quantise`);
this is the plain search, for k-means, tokenizers and other users of a codebook.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core
from ._core import cuda_available
from .arguments import whole
from .errors import OptionError

__all__ = ["NearestSearch", "cuda_available", "nearest"]

DEVICES = ("cpu", "cuda")


class NearestSearch:
    """A codebook made ready for many searches: its transposed form is kept.

    Args:
        codebook: (K, d) floating-point array, a codeword a row, as faiss takes it; K and d at least 1.
        bias: (K,) what choosing each codeword costs besides its distance, in squared units; None for nothing.

    Raises:
        OptionError (a ValueError): an array has another shape, or is not of real numbers.
    """

    def __init__(self, codebook: ArrayLike, bias: ArrayLike | None = None) -> None:
        rows = floats(codebook, "codebook", 2)
        if 0 in rows.shape:
            raise OptionError(f"codebook must be (K, d) with both at least 1, not {rows.shape}")
        self.codewords, self.dimensions = rows.shape
        self._columns = np.ascontiguousarray(rows.T)
        self._bias = None if bias is None else shaped(floats(bias, "bias", 1), (self.codewords,), "bias")

    def __call__(
        self, queries: ArrayLike, *, weight: ArrayLike | None = None, threads: int = 0, device: str = "cpu"
    ) -> NDArray[np.int32]:
        """The nearest codewords of queries; see `nearest`."""
        q = floats(queries, "queries", 2)
        if q.shape[1] != self.dimensions:
            raise OptionError(f"queries must be (N, {self.dimensions}) for this codebook, not {q.shape}")
        w = None if weight is None else shaped(floats(weight, "weight", 2), q.shape, "weight")
        if device not in DEVICES:
            raise OptionError(f"device must be 'cpu' or 'cuda', not {device!r}")
        if device == "cuda" and not cuda_available():
            raise OptionError("device 'cuda': this build has no CUDA kernel, or the machine no device")
        return _core.nearest(q, self._columns, self._bias, w, whole("threads", threads, 0), device)


def nearest(
    queries: ArrayLike,
    codebook: ArrayLike,
    *,
    bias: ArrayLike | None = None,
    weight: ArrayLike | None = None,
    threads: int = 0,
    device: str = "cpu",
) -> NDArray[np.int32]:
    """The index of each query's nearest codeword: argmin_k |z_n - c_k|² + Σ_i weight_ni·c_ki² + bias_k.

    The lowest index wins if costs tie. Computed in float32, the same on every instruction set to the index.

    Args:
        queries: z, (N, d) floating-point array; N may be 0. Any float dtype and memory order; float32 in C order is not copied.
        codebook: c, (K, d), a codeword a row. `NearestSearch` saves its transposition if there are many calls.
        bias: (K,) what choosing each codeword costs besides, such as its price in bits times λ; None for nothing.
        weight: (N, d) on the squares of codewords, such as those of a Gaussian prior, λ / (2 ln 2 σ²); None for nothing.
        threads: 0 for one a core.
        device: "cpu", or "cuda" in a build with AECODEC_CUDA, for d up to 16.

    Returns:
        int32 (N,), indices of codewords.

    Raises:
        OptionError (a ValueError): an array has another shape or is not of real numbers, or there is no such device.
    """
    return NearestSearch(codebook, bias)(queries, weight=weight, threads=threads, device=device)


def floats(values: ArrayLike, name: str, dimensions: int) -> NDArray[np.float32]:
    """As float32 in C order, copied only if it is not so already."""
    array: NDArray[Any] = np.asarray(values)
    if array.dtype.kind not in "fiu" or array.ndim != dimensions:
        raise OptionError(f"{name} must be real numbers of {dimensions} dimensions, not {array.dtype} of {array.ndim}")
    return np.ascontiguousarray(array, np.float32)


def shaped(array: NDArray[np.float32], shape: tuple[int, ...], name: str) -> NDArray[np.float32]:
    if array.shape != shape:
        raise OptionError(f"{name} must be {shape}, not {array.shape}")
    return array
