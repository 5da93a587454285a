"""Pictures from the prior: codes drawn by the probabilities that the entropy coder would give them, and decoded.

The prior predicts every stage from the ones before, so drawing coarse to fine is ancestral sampling of the hierarchical VAE (Vahdat
and Kautz, NVAE, NeurIPS 2020), with their temperature. It knows how a detail goes with what is coarser around it, and nothing
of things.
"""

from . import container, quality_map
from .arguments import real, sides, whole
from .container import Contents
from .decoder import Decoder
from .encoder import header_for, unaffordable
from .errors import OptionError
from .header import MAX_SIDE, RGB
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
    temperature = real("the temperature", temperature, 0, TEMPERATURE_MAX)
    seed = whole("the seed", seed, 0, 2**64 - 1)
    threads = whole("threads", threads, 0)
    if (size is None) == (like is None):
        raise OptionError("a sample needs either a size or a file that it is to be like")
    model, codes, colour, qualities = shipped(), [], RGB, None
    stage = whole("the first stage to draw", stage, 0, len(model.shape["stages"]))
    if like is not None:
        with Decoder(like, threads=threads) as decoder:
            codes, colour, size = decoder.codes(), decoder.header.colour, decoder.size
            if quality is None:
                quality, qualities = decoder.quality, decoder.qualities
    width, height = sides(size, MAX_SIDE)
    header = header_for(height, width, QUALITY_DEFAULT if quality is None else quality, colour, model)
    if header.height * header.width > MAX_PIXELS or unaffordable(header):
        raise OptionError(f"{header.width} x {header.height} pixels are too many")
    sharpness = round(SHARPNESS / max(temperature, 1 / SHARPNESS))
    streams, _ = model.network.draw(model.frame(header, qualities), seed, sharpness, codes[:stage], threads)
    return container.write(Contents(header, streams, qualities=quality_map.pack(qualities, header.quality)))
