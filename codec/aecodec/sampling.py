"""Pictures from the prior: codes drawn by the probabilities that the entropy coder would give them, and decoded.

The prior predicts every stage from the ones before, so drawing coarse to fine is ancestral sampling of the hierarchical VAE (Vahdat
and Kautz, NVAE, NeurIPS 2020), with their temperature. It knows how a detail goes with what is coarser around it, and nothing
of things.
"""

from . import container, quality_map
from .container import Contents
from .decoder import Decoder
from .encoder import header_for, unaffordable
from .errors import OptionError
from .header import RGB
from .model import shipped
from .options import MAX_PIXELS, QUALITY_DEFAULT

SHARPNESS = 256  # of temperature 1
TEMPERATURE_MAX = 4.0


def sample_file(
    size: tuple[int, int] | None = None,
    *,
    seed: int = 0,
    temperature: float = 1.0,
    quality: int | None = None,
    like: bytes | None = None,
    stage: int = 0,
    threads: int = 0,
) -> bytes:
    """The .aec file of `aecodec.sample`, with the same arguments and errors."""
    if not 0 <= temperature <= TEMPERATURE_MAX:
        raise OptionError(f"the temperature must be from 0 to {TEMPERATURE_MAX:g}, not {temperature}")
    if not 0 <= seed < 2**64:
        raise OptionError(f"the seed must be from 0 to 2^64 - 1, not {seed}")
    if (size is None) == (like is None):
        raise OptionError("a sample needs either a size or a file that it is to be like")
    model, codes, colour, qualities = shipped(), [], RGB, None
    if like is not None:
        with Decoder(like, threads=threads) as decoder:
            codes, colour, size = decoder.codes(), decoder.header.colour, decoder.size
            if quality is None:
                quality, qualities = decoder.quality, decoder.qualities
        if not 0 <= stage <= len(codes):
            raise OptionError(f"the first stage to draw must be from 0 to {len(codes)}, not {stage}")
    assert size is not None
    if min(size) < 1:
        raise OptionError(f"the size must be at least 1 x 1, not {size[0]} x {size[1]}")
    header = header_for(*size[::-1], QUALITY_DEFAULT if quality is None else quality, colour, model)
    if header.height * header.width > MAX_PIXELS or unaffordable(header):
        raise OptionError(f"{header.width} x {header.height} pixels are too many")
    sharpness = round(SHARPNESS / max(temperature, 1 / SHARPNESS))
    streams, _ = model.network.draw(model.frame(header, qualities), seed, sharpness, codes[:stage], threads)
    return container.write(Contents(header, streams, qualities=quality_map.pack(qualities, header.quality)))
