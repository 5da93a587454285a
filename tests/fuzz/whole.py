"""Fuzzes the whole way in: files mutated past their checksums, and everything that can be done with a file.

python tests/fuzz/whole.py --seconds 60 [--seed 1] [--keep FOLDER]

An input fails if anything but a documented error comes of it, if it takes more than 3 s, or if the process grows beyond the bound.
Failures are kept as files, whose kind then becomes a test.
"""

import argparse
import io
import sys
import time
import traceback
import warnings
import zlib
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from PIL import Image

import aecodec.pillow
from aecodec import container, encoder, lossless
from aecodec.container import Contents
from aecodec.decoder import Decoder
from aecodec.errors import AecodecError
from aecodec.header import Header
from aecodec.picture import Picture

SECONDS_MAX, GROWTH_MAX = 3.0, 200 << 20
MAX_PIXELS, MAX_MEMORY = 40_000, 1 << 28
FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "PPM")
RAW_SHARE = 0.15  # of inputs are mutated without a look at what is in them


def seeds() -> list[bytes]:
    """Small files: coded, gray, neutral, with alpha and metadata, thin, protected, with a map of qualities, mixed, lossless."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:60, 0:60]  # one position of the coarsest features: fast
    smooth = np.stack([128 + 90 * np.sin(x / 9 + i) * np.cos(y / 7) for i in range(3)], -1).astype(np.uint8)
    exif = Image.Exif()
    exif[0x10F], exif[0x8769] = "camera", {0xA002: 60}
    metadata = {"icc": bytes(range(128)), "exif": exif.tobytes(), "xmp": b'<x tiff:Orientation="1"/>'}
    alpha = rng.integers(0, 256, (60, 60), dtype=np.uint8)
    drawing = np.zeros((40, 50, 3), np.uint8)
    pictures = [
        Picture(smooth),
        Picture(smooth[:, :, 0]),
        Picture(smooth, alpha, metadata),
        Picture(smooth[:2]),
        Picture(smooth[:1, :1]),
    ]
    files = [encoder.encode(p, q, effort=1, mode="lossy", protect=t).data for p in pictures for q, t in ((10, False), (80, True))]
    roi = np.where(x < 30, 30, -20).astype(np.int8)
    files += [
        encoder.encode(Picture(smooth), 40, effort=1, mode="lossy", roi=roi).data,
        encoder.encode(Picture(np.repeat(smooth[:, :, :1], 3, axis=2)), 40, effort=1, mode="lossy").data,
        encoder.encode(page(), 40, effort=1).data,
    ]
    return [*files, encoder.encode(Picture(drawing, alpha[:40, :50], metadata), 60, effort=1).data]


def page() -> Picture:
    """Black and white beside what is smooth: some of it is kept without loss."""
    y, x = np.mgrid[0:64, 0:128]
    smooth = np.stack([128 + 90 * np.sin(x / 9 + i) * np.cos(y / 7) for i in range(3)], -1)
    return Picture(np.where(x[:, :, None] < 64, ((x ^ y * 3) % 5 < 2)[:, :, None] * 255, smooth).astype(np.uint8))


class Mutator:
    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)
        self.files = seeds()
        self.contents = [container.read(io.BytesIO(f), Decoder(f).index) for f in self.files]

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def bytes_of(self, data: bytes) -> bytes:
        """Some bytes changed, cut out, doubled or put in."""
        out = bytearray(data)
        for _ in range(self.rng.integers(1, 5)):
            at = int(self.rng.integers(0, len(out) + 1))
            kind, size = self.rng.integers(5), int(self.rng.integers(1, 9))
            if kind == 0 and at < len(out):
                out[at] ^= 1 << int(self.rng.integers(8))
            elif kind == 1:
                del out[at : at + size]
            elif kind == 2:
                out[at:at] = self.rng.bytes(size)
            elif kind == 3:
                out[at:at] = out[at : at + size]
            else:
                del out[at:]
        return bytes(out)

    def header(self, h: Header) -> Header:
        names = [f for f in fields(h) if f.name not in ("version", "model", "streams", "ahead", "reserved")]
        f = names[self.rng.integers(len(names))]
        low, high = f.metadata["low"], min(f.metadata["high"], 300)
        return replace(h, **{f.name: int(self.rng.integers(low, high + 1))})

    def deep(self) -> bytes:
        """A file with right checksums whose contents are not what an encoder wrote."""
        c: Contents = self.contents[self.rng.integers(len(self.contents))]
        header = self.header(c.header) if self.chance(0.3) else c.header
        streams = [[self.bytes_of(t) if t is not None and self.chance(0.4) else t for t in tiles] for tiles in c.streams]
        if streams and header.tiles != len(streams[0]):
            streams = [[tiles[i % len(tiles)] for i in range(min(header.tiles, 64))] for tiles in streams]
        metadata = {k: self.bytes_of(v) if self.chance(0.5) else v for k, v in c.metadata.items()}
        alpha = self.bytes_of(c.alpha) if c.alpha is not None and self.chance(0.5) else c.alpha
        exact = self.bytes_of(c.lossless) if c.lossless is not None and self.chance(0.5) else c.lossless
        layer = self.bytes_of(c.layer) if c.layer is not None and self.chance(0.5) else c.layer
        qualities = self.bytes_of(c.qualities) if c.qualities is not None and self.chance(0.5) else c.qualities
        if self.chance(0.03) and exact is None:
            exact = lossless.pack(np.zeros((header.height % 100 + 1, header.width % 100 + 1, 3), np.uint8), lossless.Methods(1))
        changed = {"metadata": metadata, "alpha": alpha, "lossless": exact, "layer": layer, "qualities": qualities}
        return container.write(replace(c, header=header, streams=streams, **changed))

    def __call__(self) -> bytes:
        data = self.files[self.rng.integers(len(self.files))] if self.chance(RAW_SHARE) else self.deep()
        return self.bytes_of(data) if self.chance(RAW_SHARE) else data


def use(data: bytes) -> int:
    """Everything that can be done with a file -> how many pictures came of it. Anything but a documented error goes through."""
    limits = {"max_pixels": MAX_PIXELS, "max_memory": MAX_MEMORY, "threads": 1}
    found = 0

    def attempt(call, *kinds: type[Exception]) -> None:
        nonlocal found
        try:
            found += call() is not None
        except (AecodecError, *kinds) as error:
            text = str(error)
            assert text and "\n" not in text and text.isprintable(), repr(text)

    def saved(partial: bool) -> bool:
        picture = Decoder(data, partial=partial, **limits).picture()
        format = FORMATS[zlib.crc32(data) % len(FORMATS)]
        attempt(lambda: picture.save(io.BytesIO(), format))
        return True

    def pillow() -> bool:
        image = Image.open(io.BytesIO(data))
        image.draft(None, (8, 8))
        image.load()
        return True

    attempt(lambda: saved(False))
    kind = zlib.crc32(data)  # the rest takes turns
    partial, scale = bool(kind & 1), (1, 2, 4, 8)[kind >> 1 & 3]
    rest = [
        lambda: aecodec.decompress(data, **limits),
        lambda: aecodec.tokens(data, max_pixels=MAX_PIXELS, max_memory=MAX_MEMORY),
        lambda: list(Decoder(data, partial=partial, **limits).progressive()),
        lambda: Decoder(data, partial=partial, **limits).decode(scale, (0, 0, 1, 1)),
        lambda: Decoder(data, partial=partial, **limits).decode(scale, bits=16),
    ]
    attempt(rest[(kind >> 3) % len(rest)])
    attempt(lambda: aecodec.info(data, max_pixels=MAX_PIXELS))
    if not found or kind >> 9 & 1:
        attempt(lambda: saved(True))
    if kind >> 8 & 1:
        attempt(pillow, OSError)
    return found


def memory() -> int:
    """Of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def complaint(data: bytes) -> str:
    """What is wrong with how a file is dealt with; empty if nothing is."""
    before, start = memory(), time.process_time()
    try:
        use(data)
    except Exception:
        return traceback.format_exc()
    if (taken := time.process_time() - start) > SECONDS_MAX:
        return f"took {taken:.1f} s"
    return f"grew by {grown >> 20} MB" if (grown := memory() - before) > GROWTH_MAX else ""


def arguments(description: str | None) -> argparse.Namespace:
    """Of a fuzzer's command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"))
    return parser.parse_args()


def main() -> None:
    options = arguments(__doc__)
    warnings.simplefilter("ignore")
    aecodec.pillow.MAX_PIXELS, aecodec.pillow.MAX_MEMORY = MAX_PIXELS, MAX_MEMORY
    mutate, end = Mutator(options.seed), time.monotonic() + options.seconds
    done = failed = 0
    first = memory()
    while time.monotonic() < end:
        data = mutate()
        done += 1
        if problem := complaint(data):
            failed += 1
            options.keep.mkdir(parents=True, exist_ok=True)
            (options.keep / f"{options.seed}-{done}.aec").write_bytes(data)
            print(problem, file=sys.stderr)
    print(f"seed {options.seed}: {done} inputs, {failed} failures, {(memory() - first) >> 20} MB more than at the start")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
