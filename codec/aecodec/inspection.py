"""What is in a file, and how its picture comes about, stage by stage."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from .decoder import Decoder
from .model import shipped
from .tokenizer import tokens


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


def stages(data: bytes, max_pixels: int, max_memory: int) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """The picture as it is after every stage, with what the prior expects in the place of all later ones, without alpha.

    Yields, of each stage: scale (of its positions), bytes (of its codes under the prior, rounded), and the pixels, uint8 (H, W, 3)
    or (H, W). Raises FileError; PictureError if pixels are kept without loss.
    """
    found = tokens(data, 0, max_pixels, max_memory)
    for i, (stage, bits) in enumerate(zip(shipped().shape["stages"], found.bits(), strict=True)):
        file = found.first(i + 1).to_bytes()
        facts = {"scale": f"1/{8 << stage['level']}", "bytes": round(bits / 8)}
        yield facts, Decoder(file, max_pixels=max_pixels, max_memory=max_memory).decode()
