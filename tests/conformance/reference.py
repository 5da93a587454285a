"""A second decoder of .aec files, written from docs/format.md alone: it shows that the page is enough to write another.

Slow and strict, to be read next to the page, in its order; every function names its section there. It shares no code with the
codec. It does not read what an `L` chunk holds (WebP or PNG), but is given those samples; it leaves out metadata and alpha.

Run: python reference.py FILE.aec [OUT.png]
"""

import hashlib
import json
import struct
import sys
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import safe_open

MODEL_FILE = Path(__file__).parents[2] / "codec" / "aecodec" / "weights" / "aecodec.safetensors"

# --- Section 1: container -------------------------------------------------------------------------------------------------------

MAGIC = bytes.fromhex("89 41 45 43")


class Chunk(NamedTuple):
    kind: str
    payload: bytes


class Header(NamedTuple):
    """Section 1, Header: the fields in the order in which they are stored."""

    version: int
    ahead: int
    reserved: int
    model: int
    colour: int
    tile_log2: int
    quality: int
    streams: int
    width: int
    height: int

    @property
    def piece(self) -> int:
        """Section 3, thin pictures: n, or 0 if the picture is not folded."""
        if min(self.width, self.height) > 32 and self.width <= 65536:
            return 0
        n = 64
        while n * n < self.width * self.height:
            n += 64
        return n if max(self.width, self.height) > n else 0

    @property
    def coded(self) -> tuple[int, int]:
        """The rows and columns that are coded: section 3, thin pictures."""
        if not self.piece:
            return self.height, self.width
        stacked = -(-max(self.width, self.height) // self.piece) * min(self.width, self.height)
        return (stacked, self.piece) if self.width > self.height else (self.piece, stacked)

    @property
    def corners(self) -> list[tuple[int, int]]:
        """Of the tiles, in the order of their streams: (y, x) in pixels."""
        tile = 1 << self.tile_log2
        return [(y, x) for y in range(0, self.coded[0], tile) for x in range(0, self.coded[1], tile)]


class File(NamedTuple):
    header: Header
    ahead: list[Chunk]  # before the coded streams
    streams: list[bytes]  # of every stream and tile, in the order in which they are stored
    behind: list[Chunk]


def require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


@cache
def crc_table() -> list[int]:
    """Of CRC-32C (RFC 3720): the polynomial 0x1EDC6F41, its bits reversed."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ 0x82F63B78 * (byte & 1)
        table.append(byte)
    return table


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ crc_table()[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def short_check(data: bytes) -> bytes:
    """Section 1: the low three bytes of the CRC-32C."""
    return crc32c(data).to_bytes(4, "little")[:3]


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Section 1. Returns the number and where it ends."""
    number = 0
    for i in range(5):
        require(at + i < len(data), "truncated")
        byte = data[at + i]
        number |= (byte & 127) << 7 * i
        if byte < 128:
            require(byte > 0 or i == 0, "a varint that is not in its shortest form")
            return number, at + i + 1
    raise ValueError("a varint of more than 5 bytes")


def chunks(data: bytes) -> list[Chunk]:
    """Section 1: all chunks of a part of a file, their checksums verified."""
    found, start = [], 0
    while start < len(data):
        length, payload = varint(data, start + 1)
        end = payload + length
        require(end + 4 <= len(data), "truncated")
        require(crc32c(data[start:end]) == int.from_bytes(data[end : end + 4], "little"), "a wrong checksum")
        found.append(Chunk(chr(data[start]), data[payload:end]))
        start = end + 4
    return found


def header(data: bytes) -> tuple[Header, int]:
    """Section 1, Header: the fields, and where they end."""
    require(len(data) >= 10, "truncated")
    packed, fixed = int.from_bytes(data[4:10], "little"), []
    for bits, smallest in ((4, 2), (1, 0), (3, 0), (24, 0), (2, 0), (4, 6), (7, 1), (3, 0)):
        fixed.append((packed & (1 << bits) - 1) + smallest)
        packed >>= bits
    width, at = varint(data, 10)
    height, at = varint(data, at)
    h = Header(*fixed, width + 1, height + 1)
    require(h.version == 2 and h.reserved == 0, "another version of the format")
    require(h.colour <= 2 and h.tile_log2 <= 16 and h.quality <= 100, "a field out of range")
    require(max(h.width, h.height) <= 1 << 24 and h.width * h.height <= 1 << 28, "too large")
    return h, at


def parse(data: bytes) -> File:
    """Section 1: what is in a file, all checksums verified."""
    require(data[:4] == MAGIC, "not an .aec file")
    h, at = header(data)
    ahead, at = varint(data, at) if h.ahead else (0, at)
    lengths = []
    for _ in range(h.streams * len(h.corners)):
        length, at = varint(data, at)
        lengths.append(length)
    require(short_check(data[:at]) == data[at : at + 3], "a wrong checksum")
    at += 3
    require(at + ahead <= len(data), "truncated")
    before, at = chunks(data[at : at + ahead]), at + ahead
    streams = []
    for length in lengths:
        streams.append(data[at : at + length])
        at += length
        if length:
            require(short_check(streams[-1]) == data[at : at + 3], "a wrong checksum, or truncated")
            at += 3
    found = File(h, before, streams, chunks(data[at:]))
    kinds = [c.kind for c in found.ahead + found.behind]
    for kind in kinds:
        require(kind in "ALMQ" or "a" <= kind <= "z", "a chunk that is needed and not known")
    require(kinds.count("A") <= 1 and kinds.count("Q") <= 1, "two alpha channels, or two maps")
    masks = [len(c.payload) > 1 for c in found.ahead + found.behind if c.kind == "M"]
    require(masks in ([], [h.streams > 0]), "two masks, or one that should not be, or none that should")
    require(kinds.count("L") == int(h.streams == 0 or bool(masks)), "no pixels, or more than one form of them")
    return found


class Layer(NamedTuple):
    """Section 1, pixels without loss: an `M`."""

    step: int
    mask: np.ndarray  # bool, of blocks of 8×8 pixels


def layer(file: File) -> Layer | None:
    """Section 1, pixels without loss: what the `M` says, if there is one with a mask."""
    payloads = [c.payload for c in file.ahead + file.behind if c.kind == "M"]
    if not payloads:
        return None
    step, packed = payloads[0][0], payloads[0][1:]
    require(1 <= step <= 64, "not a step")
    rows, columns = -(-file.header.height // 8), -(-file.header.width // 8)
    inflate, size = zlib.decompressobj(), rows * -(-columns // 8)
    bits = inflate.decompress(packed, size + 1)
    require(len(bits) == size and inflate.eof and not inflate.unused_data, "not a mask of this picture")
    return Layer(step, np.unpackbits(np.frombuffer(bits, np.uint8).reshape(rows, -1), axis=1)[:, :columns] == 1)


def protective_copy(file: File, head: bytes, groups: int) -> bytes:
    """Section 1: what the payload of `p` should be. head: the header's bytes, from the magic number through the checksum."""
    require(groups < 128, "a varint of more than one byte")
    copy = head + bytes([groups])
    for group in range(groups):
        members = file.streams[: len(file.header.corners)][group::groups]
        longest = max(map(len, members))
        filled = [np.frombuffer(tile.ljust(longest, b"\0"), np.uint8) for tile in members]
        copy += np.bitwise_xor.reduce(filled).tobytes()
    return copy


# --- Section 2: the model file --------------------------------------------------------------------------------------------------


@dataclass
class Model:
    identity: int
    shape: dict
    tensors: dict[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        """A tensor as int64, so that no sum or product here can overflow."""
        return self.tensors[name].astype(np.int64)


@cache
def load_model() -> Model:
    """Section 2. The identity is checked, so that the weights are certain to be those that files are coded with."""
    with safe_open(MODEL_FILE, "numpy") as file:
        metadata = json.loads(file.metadata()["aecodec"])
        tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
    digest = hashlib.sha256(json.dumps(metadata["shape"], sort_keys=True).encode())
    for name, tensor in tensors.items():
        digest.update(name.encode() + tensor.tobytes())
    require(int.from_bytes(digest.digest()[:4], "little") == metadata["identity"], "not the weights that the identity names")
    return Model(metadata["identity"], metadata["shape"], tensors)


def clamp(x: np.ndarray, bound: int) -> np.ndarray:
    return np.clip(x, -bound, bound)


def sat16(x: np.ndarray) -> np.ndarray:
    return np.clip(x, -32768, 32767)


def taps(x: np.ndarray, size: int) -> list[np.ndarray]:
    """The maps of the size × size positions around each one, row by row; zeros outside. x: (H, W, C)."""
    height, width, _ = x.shape
    margin = size // 2
    padded = np.pad(x, ((margin, margin), (margin, margin), (0, 0)))
    return [padded[r : r + height, c : c + width] for r in range(size) for c in range(size)]


def convolve(model: Model, name: str, x: np.ndarray) -> np.ndarray:
    """Section 2, convolution. x: int64 (H, W, I), clamped to its limit → int64 (H, W, O).

    The product is in float64, which is quick and exact: the page promises sums within int32, far below 2^53.
    """
    weight, bias, shift = (model[f"{name}.{part}"] for part in ("weight", "bias", "shift"))
    outputs, _, size, _ = weight.shape
    inputs = np.concatenate(taps(x, size), axis=2).astype(np.float64)
    matrix = weight.transpose(2, 3, 1, 0).reshape(-1, outputs).astype(np.float64)
    return (inputs @ matrix).astype(np.int64) + bias + (1 << shift - 1) >> shift


# --- Section 3: decoding --------------------------------------------------------------------------------------------------------


def unfold(x: np.ndarray, n: int) -> np.ndarray:
    """(H, W, n·n·C) in the order [n rows][n columns][C] → (n·H, n·W, C)."""
    height, width, channels = x.shape
    x = x.reshape(height, width, n, n, -1).transpose(0, 2, 1, 3, 4)
    return x.reshape(n * height, n * width, channels // n**2)


def leaky(x: np.ndarray) -> np.ndarray:
    return clamp(np.maximum(x, x >> 3), 16383)


def prior(model: Model, i: int, f: np.ndarray, quality: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Section 3, step 2: μ and the index of σ of every latent, each (H, W, latents). quality: of every position, (H, W)."""
    a = clamp(f, 16383)
    mean = sum(taps(abs(a), 3)) * 7282 + 32768 >> 16
    hidden = leaky(convolve(model, f"stages.{i}.prior.0", np.concatenate([a, abs(a), mean], axis=2)))
    mu, log_sigma = np.split(convolve(model, f"stages.{i}.prior.2", hidden), 2, axis=2)
    gain = model[f"stages.{i}.log_gain"][quality - 1]
    return sat16(mu), np.clip((clamp(log_sigma, 65536) + gain + 4 >> 3) + 32, 0, 95)


def inject(model: Model, i: int, f: np.ndarray, mu: np.ndarray, v: np.ndarray, quality: np.ndarray) -> np.ndarray:
    """Section 3, step 4."""
    bits = model.shape["feature_bits"]
    w = mu + (v * model[f"stages.{i}.step"][quality - 1] + (1 << 23 - bits) >> 24 - bits)
    return sat16(f + convolve(model, f"stages.{i}.inject", clamp(w, 16383)))


def refine(model: Model, block: str, f: np.ndarray, quality: np.ndarray) -> np.ndarray:
    """Section 3, step 5."""
    scale, shift = np.moveaxis(model[f"{block}.film"][quality - 1], 2, 0)
    y = sat16(convolve(model, f"{block}.spatial", clamp(f, 8191)))
    y = leaky((y * scale + 2048 >> 12) + shift)
    return sat16(f + convolve(model, f"{block}.mix", y))


def output(model: Model, head: Header, f: np.ndarray, level: int, scale: int) -> np.ndarray:
    """Section 3: from the last features to the pixels, uint8 (rows, columns, 3), or (rows, columns) if gray."""
    n = (8 << level) // scale
    x = convolve(model, "out" if scale == 1 else f"preview.{scale}", clamp(f, 16383))[:, :, : 3 * n * n]
    x = x.reshape(*x.shape[:2], 3, n, n).transpose(0, 1, 3, 4, 2).reshape(*x.shape[:2], -1)
    pixels = np.clip(unfold(x, n) + 128, 0, 255)[: -(-head.coded[0] // scale), : -(-head.coded[1] // scale)]
    if head.colour != 1:
        pixels = pixels.sum(axis=2) // 3
    return (np.stack([pixels] * 3, axis=2) if head.colour == 2 else pixels).astype(np.uint8)


def map_of_qualities(file: File) -> np.ndarray:
    """Section 1, map of qualities: int64 (rows, columns), a cell for every 64 × 64 pixels."""
    rows, columns = (-(-n // 64) for n in file.header.coded)
    offsets, payloads = np.zeros((rows, columns), np.int64), [c.payload for c in file.ahead + file.behind if c.kind == "Q"]
    if payloads:
        data, at, y = payloads[0], 0, 0
        while y < rows:
            count, at = varint(data, at)
            row = []
            while len(row) < columns:
                length, at = varint(data, at)
                require(at < len(data), "truncated")
                row += [data[at] - 256 * (data[at] > 127)] * (length + 1)
                at += 1
            require(len(row) == columns and count < rows - y, "a map that is too large")
            offsets[y : y + count + 1] = row
            y += count + 1
        require(at == len(data), "bytes after the map")
    qualities = file.header.quality + offsets
    require(qualities.min() >= 1 and qualities.max() <= 100, "a quality out of range")
    return qualities


def decode(data: bytes, scale: int = 1, samples: np.ndarray | None = None) -> np.ndarray:
    """Section 3: the pixels of a file, or of its picture reduced by scale. samples: those of the `L`, if there is one."""
    file = parse(data)
    head, qualities, mixed = file.header, map_of_qualities(file), layer(file)
    if head.piece:
        pixels = means(unfold_thin(decode_coded(head, file.streams, qualities, 1), head), scale)
    else:
        pixels = decode_coded(head, file.streams, qualities, scale)
    return pixels if mixed is None or samples is None else overlaid(pixels, mixed, samples, scale)


def overlaid(pixels: np.ndarray, layer: Layer, samples: np.ndarray, scale: int) -> np.ndarray:
    """Section 3, layers. samples: uint8 of the full picture, from the `L`."""
    exact = means(np.minimum(255, samples.astype(np.int64) * layer.step).astype(np.uint8), scale)
    inside = layer.mask.repeat(8 // scale, axis=0).repeat(8 // scale, axis=1)[: pixels.shape[0], : pixels.shape[1]]
    return np.where(inside if pixels.ndim == 2 else inside[:, :, None], exact, pixels)


def unfold_thin(pixels: np.ndarray, head: Header) -> np.ndarray:
    """Section 3, thin pictures: (rows, columns) or (rows, columns, 3) that were coded → the picture's."""
    wide = head.width > head.height
    joined = np.concatenate(np.split(pixels, -(-max(head.width, head.height) // head.piece), int(not wide)), int(wide))
    return joined[: head.height, : head.width]


def decode_coded(head: Header, payloads: list[bytes], qualities: np.ndarray, scale: int) -> np.ndarray:
    """Section 3: what is coded, reduced by scale."""
    model = load_model()
    require(head.streams > 0, "a lossless file: its pixels are in the L")
    require(head.model == model.identity & 0xFFFFFF, "the file needs another model")
    all_stages, levels = model.shape["stages"], len(model.shape["channels"])
    stages = all_stages if scale == 1 else all_stages[: {p["scale"]: p["stages"] for p in model.shape["previews"]}[scale]]

    tile, corners = 1 << head.tile_log2, head.corners
    require(head.streams == 1 + max(stage["stream"] for stage in all_stages), "not the streams of the model")
    readers = [Reader(payload) for payload in payloads]

    level = levels - 1
    f = np.zeros((-(-head.coded[0] >> 3 + level), -(-head.coded[1] >> 3 + level), model.shape["channels"][-1]), np.int64)
    for i, stage in enumerate(stages):
        while level > stage["level"]:
            level -= 1
            f = unfold(sat16(convolve(model, f"up.{level}", clamp(f, 16383))), 2)
        cell = 1 << levels - 1 - level  # positions on a side
        quality = qualities.repeat(cell, axis=0).repeat(cell, axis=1)
        mu, sigma = prior(model, i, f, quality)
        books = codebooks(model, i)
        v = np.zeros_like(mu)
        first = stage["stream"] * len(corners)
        for reader, (y, x) in zip(readers[first : first + len(corners)], corners, strict=True):
            area = tuple(np.s_[start >> 3 + level : start + tile >> 3 + level] for start in (y, x))
            read_tile(reader, books, sigma[area], v[area])
        f = inject(model, i, f, mu, v, quality)
        for j in range(stage["refine"]):
            f = refine(model, f"stages.{i}.refine.{j}", f, quality)

    unread = {stage["stream"] for stage in all_stages[len(stages) :]}
    for i, reader in enumerate(readers):
        require(i // len(corners) in unread or reader.finished(), "a damaged stream")
    return output(model, head, f, level, scale)


def means(pixels: np.ndarray, scale: int) -> np.ndarray:
    """Section 3, lossless pixels: the means of scale × scale pixels, uint8 (H, W) or (H, W, 3) → the same, smaller."""
    d, total = np.ones_like(pixels, np.int64), pixels.astype(np.int64)
    for axis in (0, 1):
        starts = np.arange(0, pixels.shape[axis], scale)
        d, total = np.add.reduceat(d, starts, axis), np.add.reduceat(total, starts, axis)
    return ((total + d // 2) * ((1 << 24) // d) >> 24).astype(np.uint8)


# --- Section 4: codes -----------------------------------------------------------------------------------------------------------


class Reader:
    """Section 4, rANS: takes symbols from one stream."""

    def __init__(self, payload: bytes):
        require(payload[:1] != b"\0", "a damaged stream")
        self.state, self.bytes = 0, iter(payload)
        self.fill()

    def fill(self) -> None:
        while self.state < 1 << 32:
            byte = next(self.bytes, None)
            if byte is None:
                break
            self.state = self.state << 8 | byte

    def symbol(self, frequencies: np.ndarray) -> int:
        """frequencies: int64 (n,), of sum 65536."""
        x = self.state
        ends = frequencies.cumsum()
        k = int(ends.searchsorted(x & 65535, side="right"))
        f = int(frequencies[k])
        self.state = f * (x >> 16) + (x & 65535) - (int(ends[k]) - f)
        self.fill()
        return k

    def finished(self) -> bool:
        return self.state == 0 and next(self.bytes, None) is None


class Books(NamedTuple):
    """What the codes of a stage are read with. Groups come first; the finest RVQ level is 0 in the second axis, the others 1."""

    rvq_levels: int
    words: np.ndarray  # (groups, 2, K, 4)
    possible: np.ndarray  # (groups, 2, 96): how many codewords, for the group's largest σ index while its codes are 0
    inverse_variance: np.ndarray  # (2, 96)
    weights: np.ndarray  # (groups, 2, K): the exponents W of the finest RVQ level, by has_coarser_code


def codebooks(model: Model, i: int) -> Books:
    """Section 4: the table of possible codewords of every codebook, and the rest by its side."""
    own = model[f"stages.{i}.codebook"]
    words = np.stack([own, np.broadcast_to(model["lattice"], own.shape)], axis=1)
    inverse_variance = model[f"stages.{i}.inverse_variance"]
    squares = (words**2 + 512 >> 10).sum(axis=3)
    near = squares[:, :, None] * inverse_variance[:, :, None] <= 13 << 16  # (groups, 2, 96, K)
    size = words.shape[2]
    last = size - 1 - near[..., ::-1].argmax(axis=3)
    possible = np.where(last == 0, 1, np.minimum(-(-(last + 1) // 8) * 8, size))
    weights = 256 * model[f"stages.{i}.weight_bits"]
    return Books(model.shape["stages"][i]["digits"], words, possible, inverse_variance, weights)


def frequencies(exponents: np.ndarray) -> np.ndarray:
    """Section 4: from exponents with 16 fractional bits to frequencies of sum 65536, both int64 (n,)."""
    e = exponents - exponents.min()
    h = e >> 1 & 32767
    m = 15158 - (2597 * h >> 15)
    m = 45329 - (m * h >> 15)
    m = 65536 - (m * h >> 15)
    m >>= np.minimum(31, e >> 16)
    s = (65536 - len(m) << 24) // int(m.sum())
    f = 1 + (m * s >> 24)
    f[f.argmax()] += 65536 - f.sum()
    return f


def possible(books: Books, group: int, j: int, largest: int, has_coarser_code: int) -> int:
    """Section 4: how many codewords RVQ level j can have. largest: of the group's indices of σ."""
    return books.words.shape[2] if has_coarser_code else int(books.possible[group, int(j > 0), max(0, largest - 16 * j)])


def exponents(books: Books, group: int, j: int, n: int, sigma: np.ndarray, v: np.ndarray, has_coarser_code: int) -> np.ndarray:
    """Section 4: E of the first n codewords of RVQ level j, int64 (n,)."""
    coarse = int(j > 0)
    nu = books.inverse_variance[coarse, np.maximum(0, sigma - 16 * j)]
    offset = clamp(v >> 2 * j, 4096) if has_coarser_code else 0
    e = np.minimum(1 << 28, nu * ((offset + books.words[group, coarse, :n]) ** 2 + 512 >> 10)).sum(axis=1)
    return e if coarse else e + books.weights[group, has_coarser_code, :n]


def read_group(reader: Reader, books: Books, group: int, sigma: np.ndarray) -> np.ndarray:
    """Section 4: the values of four latents, from the indices of their σ; both int64 (4,)."""
    v = np.zeros(4, np.int64)
    has_coarser_code, largest = 0, int(sigma.max())
    for j in reversed(range(books.rvq_levels)):
        n = possible(books, group, j, largest, has_coarser_code)
        if n > 1:
            k = reader.symbol(frequencies(exponents(books, group, j, n, sigma, v, has_coarser_code)))
            v += books.words[group, int(j > 0), k] << 2 * j
            has_coarser_code |= k > 0
    return v


def read_tile(reader: Reader, books: Books, sigma: np.ndarray, v: np.ndarray) -> None:
    """Section 4: fills v, the values of a tile at one stage. sigma, v: (rows, columns, latents)."""
    for y, x in np.ndindex(v.shape[:2]):
        for group in range(v.shape[2] // 4):
            latents = np.s_[y, x, 4 * group : 4 * group + 4]
            v[latents] = read_group(reader, books, group, sigma[latents])


# --- The command ----------------------------------------------------------------------------------------------------------------


def png(pixels: np.ndarray) -> bytes:
    """A PNG file of uint8 pixels (rows, columns) or (rows, columns, 3)."""

    def part(kind: bytes, payload: bytes) -> bytes:
        return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))

    height, width = pixels.shape[:2]
    head = struct.pack(">IIBBBBB", width, height, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    rows = np.pad(pixels.reshape(height, -1), ((0, 0), (1, 0)))  # every row starts with its filter, 0
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", zlib.compress(rows.tobytes())) + part(b"IEND", b"")


def main() -> None:
    pixels = decode(Path(sys.argv[1]).read_bytes())
    print(pixels.shape, hashlib.sha256(pixels.tobytes()).hexdigest())
    if len(sys.argv) > 2:
        Path(sys.argv[2]).write_bytes(png(pixels))


if __name__ == "__main__":
    main()
