"""What is in a file, without decoding it."""

from . import codec, container
from .model import shipped


def info(data: bytes) -> dict:
    """The header, the sizes and the chunks of an .aec file, as plain values. Raises FileError where it is damaged."""
    contents = codec.parse(data)
    header, shape = contents.header, shipped().shape
    stages = shape["stages"]
    streams = []
    for index, tiles in enumerate(contents.streams):
        levels = sorted({8 << s["level"] for s in stages if s["stream"] == index}, reverse=True)
        streams.append({"scales": [f"1/{n}" for n in levels], "tiles": len(tiles), "bytes": sum(map(len, tiles))})
    return {
        **container.describe(header),
        "bytes": len(data),
        "bits_per_pixel": round(8 * len(data) / (header.width * header.height), 4),
        "alpha": contents.alpha is not None,
        "metadata": {name: len(payload) for name, payload in contents.metadata.items()},
        "streams": streams,
        "chunks": [{"type": kind.decode("latin-1"), "bytes": len(payload)} for kind, payload in container.chunks(data)],
    }
