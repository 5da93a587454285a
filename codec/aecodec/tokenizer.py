"""Pictures as the indices of their codewords: what a sequence model or a retrieval system reads."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from . import container, quality_map
from .arguments import whole
from .container import Contents
from .decoder import Decoder
from .encoder import encode, header_for
from .errors import PictureError
from .header import GRAY, NEUTRAL, RGB, Header
from .model import shipped
from .picture import Picture


@dataclass(frozen=True)
class Tokens:
    """The codewords of a picture, and what it takes to decode them.

    Args:
        stages: of every stage, coarse to fine, uint8 (h, w, groups, rvq_levels). Stage i has a position for every 8·2^level pixels
            of the picture's height and width, padded to multiples of 64; a group is 4 latent dimensions. What a group's RVQ levels
            hold, the coarsest first, are indices into codebooks of 256 codewords, each of which codes what the coarser ones leave.
            Index 0 is the zero vector. docs/library.md has the sizes of every stage.
        height, width: of the picture, in pixels, at least 1.
        quality: 1 to 100, which says how large the quantiser's steps are.
        gray: whether the picture has one channel.
        neutral: whether it has three that are equal everywhere.
        qualities: `Decoder.qualities`: of a file with a map of them, which its codes depend on.
    """

    stages: list[np.ndarray]
    height: int
    width: int
    quality: int
    gray: bool = False
    qualities: np.ndarray | None = None
    neutral: bool = False

    def to_bytes(self) -> bytes:
        """The .aec file of these codes, without alpha and metadata.

        Returns:
            the bytes of the file; `tokens` of them gives the same codes.

        Raises:
            PictureError: an array has another shape or dtype, or an index is impossible where it stands.
            OptionError: the quality is out of range.
        """
        header, streams, _ = self._coded()
        return container.write(Contents(header, streams, qualities=quality_map.pack(self.qualities, self.quality)))

    def bits(self) -> list[float]:
        """What each stage's codes take under the prior; errors as those of `to_bytes`."""
        return self._coded()[2]

    def first(self, stages: int) -> "Tokens":
        """The first stages' codes, and what the prior expects (index 0) in the place of all others.

        Args:
            stages: how many are kept, 0 to all of them.

        Raises:
            OptionError: there are not so many.
        """
        count = whole("the number of stages", stages, 0, len(self.stages))
        return replace(self, stages=[s if i < count else np.zeros_like(s) for i, s in enumerate(self.stages)])

    def _coded(self) -> tuple[Header, list[list[bytes]], list[float]]:
        """-> a header, the streams [stream][tile], the bits of every stage."""
        model = shipped()
        height, width = (whole(name, side, 1) for name, side in (("height", self.height), ("width", self.width)))
        colour = GRAY if self.gray else NEUTRAL if self.neutral else RGB
        h = header_for(height, width, self.quality, colour, model)
        try:
            return h, *model.network.encode_codes(self.stages, model.frame(h, self.qualities))
        except (TypeError, ValueError) as error:
            raise PictureError(f"these are no tokens of a picture: {error}") from error


def tokens(image: Any, quality: int, max_pixels: int, max_memory: int) -> Tokens:
    """See `aecodec.tokens`."""
    given = isinstance(image, bytes | bytearray | memoryview)
    data = bytes(image) if given else encode(Picture.of(image), quality, mode="lossy").data
    decoder = Decoder(data, max_pixels=max_pixels, max_memory=max_memory)
    gray, neutral = (decoder.header.colour == colour for colour in (GRAY, NEUTRAL))
    return Tokens(decoder.codes(), *decoder.size[::-1], decoder.quality, gray, decoder.qualities, neutral)


def from_tokens(tokens: Tokens) -> np.ndarray:
    """See `aecodec.from_tokens`."""
    return Decoder(tokens.to_bytes()).decode()
