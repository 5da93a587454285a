"""The codec's inner loops in C++. Arrays must have exactly these dtypes and be C-contiguous; TypeError otherwise.

`threads` 0 means one a core. The GIL is released while a function works.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

_Float = NDArray[np.float32]
_UInt16 = NDArray[np.uint16]

class constants:
    """The facts of the format, under the names of csrc/model/constants.h, which explains them."""

    QUALITIES: Final[int]
    TILE_LOG2_MIN: Final[int]
    TILE_LOG2_MAX: Final[int]
    MAX_STREAMS: Final[int]
    BLOCK: Final[int]
    GROUP: Final[int]
    OUT_BLOCK: Final[int]
    MAX_RVQ_LEVELS: Final[int]
    MAX_CODEWORDS: Final[int]
    FILM_BITS: Final[int]
    LOG_GAIN_BITS: Final[int]
    STEP_BITS: Final[int]
    INVERSE_VARIANCE_BITS: Final[int]
    CODEWORD_BITS: Final[int]
    WEIGHT_BITS: Final[int]
    CONV_INPUT_MAX: Final[int]
    SPATIAL_INPUT_MAX: Final[int]
    ADDEND_MAX: Final[int]
    LEAK_SHIFT: Final[int]
    SIGMA_COUNT: Final[int]
    SIGMA_PER_OCTAVE: Final[int]
    SIGMA_OCTAVE_MIN: Final[int]
    SIXTEEN_BIT_FRACTION: Final[int]
    RVQ_LEVEL_BITS: Final[int]
    POSSIBLE_BITS: Final[int]
    FREQUENCY_BITS: Final[int]
    TEMPERATURE: Final[float]
    SMOOTH: Final[float]

class CorruptStream(ValueError):
    """A coded stream that no encoder wrote."""

def simd() -> str:
    """The instruction set in use. The environment variable AECODEC_SIMD chooses it at the start."""

def available_simd() -> list[str]:
    """The instruction sets that this machine can use, best first; "scalar" is always last."""

def set_simd(name: str) -> None:
    """Raises ValueError if the machine lacks it."""

def cuda_available() -> bool:
    """Whether this build has CUDA kernels and the machine a device for them."""

def nearest(
    z: _Float, codebook: _Float, bias: _Float | None = None, weight: _Float | None = None, threads: int = 0, device: str = "cpu"
) -> NDArray[np.int32]:
    """argmin_k |z_n - c_k|² + Σ_i weight_ni·c_ki² + bias_k, the lowest index if costs tie; no N x K matrix is made.

    z, weight: (N, d); codebook: (d, K), dimension-major; bias: (K,). Returns (N,). `weight` and `bias` are how a rate enters:
    a Gaussian prior's bits are a weighted sum of squares. device: "cpu" or "cuda". Raises ValueError on wrong shapes.
    """

def codeword_costs(samples: NDArray[np.uint8], lam: float, threads: int = 0) -> _Float:
    """What every block of 8x8 pixels of a picture, (H, W, 1) or (H, W, 3), costs with codewords: an estimate, (rows, columns).

    It is in bits, with λ times the squared error, and that of a transform codec: every coefficient of an 8x8 DCT is left out, or
    costs what half the logarithm of its energy says. Raises ValueError on other shapes.
    """

def layer_costs(samples: NDArray[np.uint8], threads: int = 0) -> tuple[_Float, NDArray[np.uint8]]:
    """What the same blocks cost in a lossless layer, in bits, and how many pixels of each are like a neighbour.

    An estimate for WebP's lossless format: runs of equal pixels cost nearly nothing, others what their colour's frequency or
    their residual says. Raises ValueError on other shapes.
    """

def distinct_colours(samples: NDArray[np.uint8], threads: int = 0) -> NDArray[np.uint8]:
    """How many colours every block of 8x8 pixels of a picture, (H, W, 1) or (H, W, 3), has: (rows, columns), 1 to 64.

    Raises ValueError on other shapes.
    """

def fewer_colours(
    samples: NDArray[np.uint8], lam: float, inside: NDArray[np.bool_] | None = None, threads: int = 0
) -> tuple[NDArray[np.uint8], _Float]:
    """A picture, (H, W, 1) or (H, W, 3), in which colours that are alike are one, and the squared errors of blocks of 8x8 pixels,
    float32 (rows, columns): of a pixel the mean of its samples', of a block the sum.

    Colours are merged where that saves more bits in a lossless format than lam times its error costs; no pixel's error is above
    8 / lam. inside: (rows, columns), the blocks whose colours count and change. Raises ValueError on other shapes, and if lam is
    not above 0.
    """

def crc32c(data: Buffer, value: int = 0) -> int:
    """CRC-32C (RFC 3720) of a contiguous buffer's bytes. value: the checksum of the bytes before them, to go on from."""

def rans_encode(symbols: _UInt16, table: _UInt16, frequencies: _UInt16) -> bytes:
    """Codes symbols (N,), each with the row table (N,) of frequencies (tables, K), whose rows sum to 2^16.

    Raises ValueError if a symbol has no frequency or a row has another sum.
    """

def rans_decode(data: bytes, table: _UInt16, frequencies: _UInt16) -> _UInt16:
    """The inverse of `rans_encode`, for len(table) symbols. Raises CorruptStream."""

def frequencies(exponents: NDArray[np.int32]) -> _UInt16:
    """The prior's frequencies for 8, 16, ... 256 exponents -log2 of the masses, at least 0, with 16 fractional bits.

    Each is at least 1, and all together 2^16. Raises ValueError on other exponents.
    """

def quantise(
    residual: _Float,
    sigma: _Float,
    fine: _Float,
    coarse: _Float,
    log_weight: _Float,
    variance: _Float,
    rvq_levels: int,
    beta: float,
    threads: int = 0,
) -> tuple[NDArray[np.uint8], _Float, _Float]:
    """Rate-distortion optimal residual vector quantisation of residuals (N, G, 4), in steps, under their σ (N, G, 4).

    fine: (G, 4, K) codewords of the finest RVQ level; coarse: (4, K) of the others, scaled by 4^level; log_weight: (G, 2, K)
    natural logs of the finest RVQ level's weights if the coarser codes are all zero, and if not; variance: (2,) added to σ²
    of the finest RVQ level and of the others; beta: squared steps a bit. Returns codes (N, G, rvq_levels), coarsest first,
    the coded residuals (N, G, 4) and their bits (N, G).
    """

def quantise_gradient(
    residual: _Float,
    sigma: _Float,
    fine: _Float,
    coarse: _Float,
    log_weight: _Float,
    variance: _Float,
    rvq_levels: int,
    beta: float,
    code: NDArray[np.uint8],
    grad_value: _Float,
    grad_bits: _Float,
    threads: int = 0,
) -> tuple[_Float, _Float, _Float, _Float, _Float, _Float]:
    """Gradients through `quantise`'s codes, of a loss whose gradients with respect to its value and bits are given.

    Returns those of the expected bits with respect to the residual, of the soft value with respect to the residual
    (N, G, 4 each), and with respect to sigma, fine, log_weight and variance.
    """

def team_quantise(
    device: str,
    count: int,
    groups: int,
    codewords: int,
    rvq_levels: int,
    beta: float,
    addresses: Sequence[int],
    stream: int = 0,
) -> None:
    """`quantise` by a team of threads a group, on a device: "cuda", on a stream, or "cpu", for tests.

    addresses, in its memory: residual, sigma, fine, coarse, log_weight, variance; room for int32 (groups + 1, SIGMA_COUNT), code,
    value and bits. They are trusted. Raises ValueError if the build lacks the device, RuntimeError with what CUDA says.
    """

def team_quantise_gradient(
    device: str,
    count: int,
    groups: int,
    codewords: int,
    rvq_levels: int,
    beta: float,
    addresses: Sequence[int],
    stream: int = 0,
) -> None:
    """`quantise_gradient` in the same way.

    addresses: as far as code, then the gradients of value and bits; room for those of the residual and sigma, for (count,
    groups, 2) of the variance, to be added up, and for count * groups terms of team_terms_size() bytes; and fine and
    log_weight, which are added to.
    """

def team_terms_size() -> int:
    """Bytes."""

class Frame:
    """The picture of a file, as far as coding it depends on it: (H, W) pixels at a quality, in tiles of 2^tile_log2 pixels."""

    def __init__(self, height: int, width: int, quality: int, tile_log2: int, qualities: NDArray[np.uint8] | None = None) -> None:
        """qualities: (rows, columns) of the coarsest level's positions, 1 to 100; None for `quality` everywhere.

        Raises ValueError if a value is out of range.
        """

    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def quality(self) -> int: ...
    @property
    def tile_log2(self) -> int: ...

class Network:
    """The fixed-point network of a model file."""

    def __init__(self, shape: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> None:
        """Raises ValueError if a tensor is missing, of another size, or could overflow a sum."""

    def encode(
        self,
        pixels: NDArray[np.uint8],
        frame: Frame,
        betas: list[float],
        paths: int = ...,
        threads: int = 0,
        corrections: list[NDArray[np.int16]] = [],
    ) -> tuple[list[list[bytes]], list[float]]:
        """pixels: (H, W, 3); betas: a bit's price in squared steps, a stage; paths: how many the search keeps from one RVQ level
        to the next; corrections: of every stage (h, w, latents), added to its latents, in features.

        Returns the streams [stream][tile] and the bits that the prior predicts for each stage.
        """

    def encode_features(
        self,
        features: list[NDArray[np.int16]],
        frame: Frame,
        betas: list[float],
        paths: int = ...,
        threads: int = 0,
        corrections: list[NDArray[np.int16]] = [],
    ) -> tuple[list[list[bytes]], list[float]]:
        """The same of the features that somebody else has found in the picture: of every level (h, w, channels), the finest
        first, as the analysis gives them: 16 bits, FEATURE_BITS of them behind the point. Raises ValueError if they have another
        shape.
        """

    def encode_codes(self, codes: list[NDArray[np.uint8]], frame: Frame, threads: int = 0) -> tuple[list[list[bytes]], list[float]]:
        """The same from codes that are chosen already: of every stage (h, w, groups, rvq_levels), as `decode_codes` gives them.

        Raises ValueError if they have another shape, or a code is of a codeword that is impossible where it stands.
        """

    def draw(
        self, frame: Frame, seed: int, sharpness: int, codes: list[NDArray[np.uint8]] = ..., threads: int = 0
    ) -> tuple[list[list[bytes]], list[float]]:
        """The same from the first stages' codes, as many as there are; the others' are drawn from the prior.

        seed: 0 to 2^64 - 1. sharpness: 1 to 65536, 256 divided by the temperature. Raises ValueError as `encode_codes` does.
        """

    def decode(
        self,
        streams: Sequence[Sequence[bytes | None]],
        frame: Frame,
        scale: int = 1,
        region: tuple[int, int, int, int] | None = None,
        threads: int = 0,
        guesses: NDArray[np.int32] | None = None,
    ) -> NDArray[np.uint8]:
        """Returns pixels (h, w, 3), the same bits on every machine. Raises CorruptStream.

        scale: 1, or that of a preview of the model: the picture is reduced to (⌈H/scale⌉, ⌈W/scale⌉). region: (top, left,
        bottom, right) of the reduced picture; nothing else is decoded. A stream's tile that is None, and what cannot be
        decoded without it, is filled in with what the prior expects; or in the first stage with guesses: what its latents are
        more than that, in steps with CODEWORD_BITS, (h, w, latents) of the whole picture. Raises ValueError if there is no such
        scale or region, or if guesses have another shape.
        """

    def decode_sixteen_bit(
        self,
        streams: Sequence[Sequence[bytes | None]],
        frame: Frame,
        scale: int = 1,
        region: tuple[int, int, int, int] | None = None,
        threads: int = 0,
        guesses: NDArray[np.int32] | None = None,
    ) -> _UInt16:
        """The same with 16 bits a colour, 0..65535: what the network gives, rounded less."""

    def decode_codes(
        self, streams: Sequence[Sequence[bytes | None]], frame: Frame, threads: int = 0, stages: int | None = None
    ) -> list[NDArray[np.uint8]]:
        """Returns the codes of the first stages, or of all, coarse to fine: (h, w, groups, rvq_levels) indices of codewords, the
        coarsest RVQ level first. Raises CorruptStream, and ValueError if there are not so many stages."""

    def missing(self, streams: Sequence[Sequence[bytes | None]], frame: Frame) -> list[list[bool]]:
        """[stage][tile]: whether the tile cannot be decoded in the stage, as it, or what it depends on, is None."""

    def tiles(
        self, frame: Frame, scale: int = 1, region: tuple[int, int, int, int] | None = None
    ) -> list[tuple[int, int, int, int]]:
        """The tiles that `decode` needs: of every stream (top, left, bottom, right) in tiles."""

class Denoiser:
    """The fixed-point network that takes noise out of pictures."""

    def __init__(self, shape: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> None:
        """Raises ValueError if a tensor is missing, of another size, or could overflow a sum."""

    def run(self, pixels: NDArray[np.uint8], level: int, threads: int = 0) -> NDArray[np.uint8]:
        """pixels: (H, W, 3); level: of the noise, 1 to 100. Returns (H, W, 3). Raises ValueError if either is anything else."""
