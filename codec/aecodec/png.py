"""Writes PNG files of 16 bits (PNG specification, third edition), which Pillow does only for gray ones."""

import zlib

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by the number of channels
FILTERS, BEST = range(5), -1  # none, left, above, mean, Paeth; BEST chooses for every row
STRATEGIES = (zlib.Z_FILTERED, zlib.Z_DEFAULT_STRATEGY)
ROWS = 256  # that are filtered at once
SAMPLE = 64  # rows by which a way is chosen


def write(array: np.ndarray, metadata: dict[str, bytes] | None = None, thorough: bool = False) -> bytes:
    """A PNG file.

    Args:
        array: uint16 (H, W), (H, W, 2), (H, W, 3) or (H, W, 4).
        metadata: ICC, EXIF and XMP bytes by name.
        thorough: filter and deflate in the way that is best for some of the rows, too.
    """
    height, width, *rest = array.shape
    channels = rest[0] if rest else 1
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([16, COLOUR_TYPES[channels], 0, 0, 0])
    rows = array.reshape(height, -1).astype(">u2").view(np.uint8)
    tries = {(BEST, zlib.Z_FILTERED)}
    if thorough:
        middle = rows[max(0, height - SAMPLE) // 2 :][:SAMPLE]
        ways = ((f, s) for f in (BEST, *FILTERS) for s in STRATEGIES)
        tries.add(min(ways, key=lambda way: len(deflated(middle, 2 * channels, *way))))
    data = min((deflated(rows, 2 * channels, *how) for how in tries), key=len)
    chunks = [(b"IHDR", head), *metadata_chunks(metadata or {}), (b"IDAT", data), (b"IEND", b"")]
    return SIGNATURE + b"".join(
        len(payload).to_bytes(4, "big") + name + payload + zlib.crc32(name + payload).to_bytes(4, "big") for name, payload in chunks
    )


def deflated(rows: np.ndarray, step: int, filter: int, strategy: int) -> bytes:
    """rows: uint8 (H, bytes); step: bytes a pixel; filter: one of FILTERS for all rows, or BEST."""
    packer = zlib.compressobj(9, memLevel=9, strategy=strategy)
    parts = [packer.compress(filtered(rows, y, step, filter).tobytes()) for y in range(0, len(rows), ROWS)]
    return b"".join(parts) + packer.flush()


def filtered(rows: np.ndarray, y: int, step: int, filter: int) -> np.ndarray:
    """ROWS rows from y on, each after its filter's number; BEST is the one with the least sum of absolute values, row by row."""
    x = rows[y : y + ROWS].astype(np.int16)
    above = np.vstack([rows[y - 1 : y] if y else np.zeros_like(rows[:1]), rows[y : y + ROWS][:-1]]).astype(np.int16)
    left, corner = (np.pad(v, ((0, 0), (step, 0)))[:, :-step] for v in (x, above))

    def paeth() -> np.ndarray:
        a, b, c = (np.abs(left + above - corner - v) for v in (left, above, corner))
        return np.where((a <= b) & (a <= c), left, np.where(b <= c, above, corner))

    predictors = (lambda: np.int16(0), lambda: left, lambda: above, lambda: (left + above) >> 1, paeth)
    if filter != BEST:
        return np.pad((x - predictors[filter]()).astype(np.uint8), ((0, 0), (1, 0)), constant_values=filter)
    candidates = np.stack([x - p() for p in predictors]).astype(np.uint8)
    best = np.abs(candidates.view(np.int8).astype(np.int16)).sum(2, dtype=np.int64).argmin(0)
    return np.hstack([best.astype(np.uint8)[:, None], candidates[best, np.arange(len(x))]])


def metadata_chunks(metadata: dict[str, bytes]) -> list[tuple[bytes, bytes]]:
    """The chunks, named as the PNG specification (third edition) has them."""
    chunks = []
    if "icc" in metadata:
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata["icc"])))
    if "exif" in metadata:
        chunks.append((b"eXIf", metadata["exif"].removeprefix(b"Exif\0\0")))
    if "xmp" in metadata:
        chunks.append((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + metadata["xmp"]))
    return chunks
