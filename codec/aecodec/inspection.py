"""What is in a file, without decoding it."""

from typing import Any

from .decoder import Decoder
from .model import shipped


def info(data: bytes, max_pixels: int) -> dict[str, Any]:
    """The header, the sizes and the chunks of an .aec file, as plain values. Raises FileError if it is damaged."""
    decoder = Decoder(data, max_pixels=max_pixels, check=True)
    header, index, stages = decoder.header, decoder.index, shipped().shape["stages"]
    streams, qualities = [], decoder.qualities
    for number, tiles in enumerate(index.streams):
        levels = sorted({8 << s["level"] for s in stages if s["stream"] == number}, reverse=True)
        sizes = [c.size for c in tiles if c is not None]  # a whole file lacks none
        streams.append({"scales": [f"1/{n}" for n in levels], "bytes": sum(sizes), "tiles": sizes})
    return {
        **header.describe(),
        "bytes": len(data),
        "bits_per_pixel": round(8 * len(data) / (header.width * header.height), 4),
        "alpha": index.alpha is not None,
        "lossless": decoder.lossless,
        "qualities": [header.quality] * 2 if qualities is None else [int(qualities.min()), int(qualities.max())],
        "mixed": decoder.mixed,
        "protected": index.protection is not None,
        "metadata": {name: c.size for name, c in index.metadata.items()},
        "streams": streams,
        "chunks": [{"type": c.kind.decode("latin-1"), "bytes": c.size} for c in index.everything()],
    }
