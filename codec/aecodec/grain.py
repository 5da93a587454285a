"""Grain: what a coder has left out of textures, drawn from the prior.

Where a file has a zero vector in its finest stage, the decoder shows what is likeliest, which is smooth. In textured places that
vector is drawn instead, by the prior's own probabilities; it costs no bits, as AV1's film grain synthesis (Norkin and Birkbeck, DCC
2018), and adds what was there by its statistics, not in its place. Only the finest stage is drawn: the codes of a finer one
than is changed would not mean the same any more. Integer arithmetic: the same on every machine.
"""

import numpy as np

from ._core import Frame, Network

SEED = 0x67726169
SHARPNESS = 256  # of temperature 1
STRENGTH_MIN = 1 / 256  # below which nothing is drawn
REACH = 2  # positions to each side of one, in which texture is looked for
PER_THOUSAND = 30  # of the groups of the finest grid there, which must be coded


def grained(network: Network, frame: Frame, codes: list[np.ndarray], strength: float, threads: int) -> list[list[bytes]]:
    """The streams of a picture with grain, for `Network.decode`.

    Args:
        codes: of every stage, (h, w, groups, rvq_levels).
        strength: 0 to 1, the temperature: the prior's masses are raised to the power of 1 / strength.
    """
    coarser, finest = codes[:-1], codes[-1]
    if strength >= STRENGTH_MIN:
        streams, _ = network.draw(frame, SEED, round(SHARPNESS / strength), coarser, threads)
        drawn = network.decode_codes(streams, frame, threads)[-1]
        left_out = ~finest.any(3) & textured([c for c in codes if c.shape[:2] == finest.shape[:2]])[:, :, None]
        finest = np.where(left_out[..., None], drawn, finest)
    return network.encode_codes([*coarser, finest], frame, threads)[0]


def textured(stages: list[np.ndarray]) -> np.ndarray:
    """Codes of stages of one grid -> bool (h, w): whether enough groups are coded around a position."""
    coded = np.concatenate([stage.any(3) for stage in stages], 2)
    wide = np.pad(coded.sum(2, dtype=np.int64), REACH)
    side = 2 * REACH + 1
    around = np.lib.stride_tricks.sliding_window_view(wide, (side, side)).sum((2, 3))
    return np.asarray(1000 * around >= PER_THOUSAND * side * side * coded.shape[2])
