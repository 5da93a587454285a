"""Prints every byte of an .aec file with what it means, and the first symbols of its first stream, as docs/format.md has them.

Run: python explain.py FILE.aec
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import reference

WORDS_A_LINE = 4


def row(at: int, data: bytes, meaning: str) -> str:
    return f"{at:02X}  {data.hex(' ').upper():<25}{meaning}".rstrip()


def explain_header(h: reference.Header, payload: bytes, at: int) -> Iterator[str]:
    colour = ("gray", "RGB")[h.colour]
    meanings = [
        (1, f"version {h.version}, less 1"),
        (4, f"model {h.model:08X}"),
        (1, f"colour {h.colour}, {colour}, in the low 4 bits; tile_log2 {h.tile_log2}, less 6, in the high ones"),
        (1, f"quality {h.quality}, less 1"),
    ]
    end = reference.varint(payload, 7)[1]
    meanings += [(end - 7, f"width {h.width}, less 1"), (len(payload) - end, f"height {h.height}, less 1")]
    for size, meaning in meanings:
        yield row(at, payload[:size], meaning)
        at, payload = at + size, payload[size:]


def explain_stream(payload: bytes, at: int) -> Iterator[str]:
    reader = reference.Reader(payload)
    for i, state in enumerate(reader.states):
        yield row(at + 5 * i, payload[5 * i : 5 * i + 5], f"{('first', 'second')[i]} state, {state:010X}")
    words = list(reader.words)
    for i in range(0, len(words), WORDS_A_LINE):
        part = words[i : i + WORDS_A_LINE]
        yield row(at + 10 + 2 * i, payload[10 + 2 * i :][: 2 * len(part)], "words " + " ".join(f"{w:04X}" for w in part))


def explain_bytes(data: bytes) -> Iterator[str]:
    """A row for every few bytes, in their order."""
    head, _ = reference.parse(data)
    tile = 1 << head.tile_log2
    tiles = -(-head.width // tile) * -(-head.height // tile)
    at, coded = len(reference.MAGIC), 0
    yield row(0, data[:at], "magic number")
    for kind, payload in reference.chunks(data):
        end = reference.varint(data, at + 1)[1]
        name = {"H": "header", "S": f"stream {coded // tiles}, tile {coded % tiles}"}.get(kind, "metadata")
        yield row(at, data[at : at + 1], f"type {kind}: {name}")
        yield row(at + 1, data[at + 1 : end], f"length {len(payload)}")
        if kind == "H":
            yield from explain_header(head, payload, end)
        elif kind == "S":
            yield from explain_stream(payload, end)
            coded += 1
        else:
            yield row(end, payload, "")
        crc, end = end + len(payload), end + len(payload) + 4
        yield row(crc, data[crc:end], f"CRC-32C of {at:02X} to {crc - 1:02X}")
        at = end


def numbers(values: np.ndarray) -> str:
    return " ".join(map(str, values))


class Tracing(reference.Reader):
    """A reader that keeps what it reads: (state before, frequencies, k, state after)."""

    def symbol(self, frequencies: np.ndarray) -> int:
        before = self.states[0]
        k = super().symbol(frequencies)
        self.read.append((before, frequencies, k, self.states[1]))
        return k


def explain_codes(data: bytes) -> Iterator[str]:
    """The symbols of the first position of the coarsest stage, where every feature is zero. Needs a model for it, no network."""
    model = reference.load_model()
    head, payloads = reference.parse(data)
    f = np.zeros((1, 1, model.shape["channels"][-1]), np.int64)
    mu, sigma = (x[0, 0] for x in reference.prior(model, 0, f, head.quality))
    reader, books = Tracing(payloads[0]), reference.codebooks(model, 0)
    for group in range(len(mu) // 4):
        latents = np.s_[4 * group : 4 * group + 4]
        reader.read = []
        v = reference.read_group(reader, books, group, sigma[latents])
        yield f"group {group}: μ {numbers(mu[latents])}, indices of σ {numbers(sigma[latents])}"
        for before, frequencies, k, after in reader.read:
            distribution = f"{len(frequencies)} codewords, f = {numbers(frequencies[:3])} …"
            yield f"    {before:010X}: {distribution}; k = {k}, f_k = {frequencies[k]}; then {after:010X}"
        yield f"    v {numbers(v)}"


def main() -> None:
    data = Path(sys.argv[1]).read_bytes()
    print("\n".join(explain_bytes(data)), "\n".join(explain_codes(data)), sep="\n\n")


if __name__ == "__main__":
    main()
