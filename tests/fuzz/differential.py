"""Fuzzes one decoder against the other: the codec, and the one that was written from docs/format.md alone (NumPy, int64).

python tests/fuzz/differential.py --seconds 60 [--seed 1] [--keep FOLDER]

Files of random sizes, tiles, qualities and colours, whose latents are from those of a picture to far beyond those of any; in half
of them bytes of the coded tiles are changed, with the checksums computed anew. Both decoders must give the same pixels, or both
refuse a file.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from whole import arguments

from aecodec import _core, container
from aecodec.decoder import Decoder
from aecodec.errors import AecodecError
from aecodec.fold import fold_of
from aecodec.header import GRAY, NEUTRAL, RGB, VERSION, Header
from aecodec.model import shipped

sys.path.insert(0, str(Path(__file__).parent.parent / "conformance"))
import reference  # noqa: E402

SIDE_MAX = 80  # the reference takes a second for 64x64 pixels
SCALES = (1, 1, 2, 4, 8)


def size(rng: np.random.Generator) -> tuple[int, int]:
    """Height and width of a picture that is coded as it is."""
    while True:
        height, width = (int(n) for n in rng.integers(1, SIDE_MAX, 2))
        if fold_of(height, width) is None:
            return height, width


def generate(rng: np.random.Generator) -> bytes:
    """A file that an encoder could have made of a strange picture, or (half of them) a damaged one with right checksums."""
    model, (height, width) = shipped(), size(rng)
    quality, colour = int(rng.integers(1, 101)), int(rng.choice([GRAY, RGB, NEUTRAL]))
    header = Header(VERSION, model.mark, colour, int(rng.integers(_core.constants.TILE_LOG2_MIN, 10)), quality, width, height)
    pixels = np.repeat(np.repeat(rng.integers(0, 256, (10, 10, 3), np.uint8), 8, 0), 8, 1)[:height, :width].copy()
    rows, columns = (-(-side // 64) * 8 for side in (height, width))
    largest = 2.0 ** rng.uniform(0, 15)
    corrections = []
    for stage in model.shape["stages"]:
        shape = rows >> stage["level"], columns >> stage["level"], stage["latents"]
        some = rng.random(shape) < rng.uniform(0, 0.2)
        corrections.append((some * rng.uniform(-largest, largest, shape)).astype(np.int16))
    streams, _ = model.network.encode(pixels, model.frame(header), model.betas, corrections=corrections)
    file = container.Contents(header, streams)
    if rng.random() < 0.5:
        file = replace(file, streams=[[damaged(rng, tile) for tile in tiles] for tiles in streams])
    return container.write(file)


def damaged(rng: np.random.Generator, tile: bytes) -> bytes:
    """The tile, or (one in five) one of which a byte is changed or what comes after it is cut off."""
    if not tile or rng.random() < 0.8:
        return tile
    at = int(rng.integers(len(tile)))
    return tile[:at] if rng.random() < 0.3 else tile[:at] + rng.bytes(1) + tile[at + 1 :]


def decoded(data: bytes, scale: int) -> np.ndarray | None:
    """None if the codec refuses the file."""
    try:
        return Decoder(data, threads=2).decode(scale)
    except AecodecError:
        return None


def expected(data: bytes, scale: int) -> np.ndarray | None:
    """None if the reference refuses the file."""
    try:
        return reference.decode(data, scale)
    except ValueError:
        return None


def complaint(data: bytes, scale: int) -> str:
    """How the decoders differ; empty if they do not."""
    ours, theirs = decoded(data, scale), expected(data, scale)
    if ours is None or theirs is None:
        return "" if ours is theirs else f"the {'codec' if ours is None else 'reference'} alone refuses it"
    return "" if np.array_equal(ours, theirs) else f"{np.count_nonzero(ours != theirs)} samples differ"


def main() -> None:
    options = arguments(__doc__)
    rng, end = np.random.default_rng(options.seed), time.monotonic() + options.seconds
    done = failed = refused = 0
    while time.monotonic() < end:
        data, scale = generate(rng), int(rng.choice(SCALES))
        done += 1
        refused += decoded(data, scale) is None
        if problem := complaint(data, scale):
            failed += 1
            options.keep.mkdir(parents=True, exist_ok=True)
            (options.keep / f"differential-{options.seed}-{done}.aec").write_bytes(data)
            print(f"at 1/{scale}: {problem}", file=sys.stderr)
    print(f"seed {options.seed}: {done} files, {refused} of them refused, {failed} that the decoders disagree about")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
