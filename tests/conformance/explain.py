"""Prints every byte of an .aec file with what it means, and the first symbols of its first stream, as docs/format.md has them.

Run: python explain.py FILE.aec
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import reference

BYTES_A_LINE = 8


def row(at: int, data: bytes, meaning: str) -> str:
    return f"{at:02X}  {data.hex(' ').upper():<25}{meaning}".rstrip()


def explain_header(data: bytes) -> Iterator[str]:
    """The header, with the lengths of what follows."""
    h, end = reference.header(data)
    kind = f"colour {h.colour}, {('gray', 'RGB', 'neutral')[h.colour]}"
    yield row(0, data[:4], "magic number")
    yield row(4, data[4:5], f"version {h.version}, less 2, in the low 4 bits; ahead {h.ahead}")
    yield row(5, data[5:8], f"model {h.model:06X}")
    yield row(8, data[8:10], f"{kind}; tile_log2 {h.tile_log2}, less 6; quality {h.quality}, less 1; {h.streams} streams")
    at = 10
    names = [f"width {h.width}, less 1", f"height {h.height}, less 1"] + ["bytes of chunks before the streams"] * h.ahead
    names += [f"length of {name}" for name in stream_names(h)]
    for name in names:
        end = reference.varint(data, at)[1]
        yield row(at, data[at:end], name)
        at = end
    yield row(at, data[at : at + 3], f"CRC-32C of 00 to {at - 1:02X}, its low 3 bytes")


def stream_names(h: reference.Header) -> list[str]:
    return [f"stream {s}, tile {t}" for s in range(h.streams) for t in range(len(h.corners))]


def explain_stream(payload: bytes, at: int, name: str) -> Iterator[str]:
    for i in range(0, len(payload), BYTES_A_LINE):
        yield row(
            at + i, payload[i : i + BYTES_A_LINE], "bytes" if i else f"{name}: the state, {payload[:5].hex().upper()}, and bytes"
        )


def explain_bytes(data: bytes) -> Iterator[str]:
    """A row for every few bytes, in their order; of a file without chunks."""
    file = reference.parse(data)
    rows = list(explain_header(data))
    yield from rows
    at = int(rows[-1][:2], 16) + 3
    for payload, name in zip(file.streams, stream_names(file.header), strict=True):
        yield from explain_stream(payload, at, name)
        at += len(payload)
        if payload:
            yield row(at, data[at : at + 3], f"CRC-32C of {at - len(payload):02X} to {at - 1:02X}, its low 3 bytes")
            at += 3


def numbers(values: np.ndarray) -> str:
    return " ".join(map(str, values))


class Tracing(reference.Reader):
    """A reader that keeps what it reads: (state before, frequencies, k, state after)."""

    def symbol(self, frequencies: np.ndarray) -> int:
        before = self.state
        k = super().symbol(frequencies)
        self.read.append((before, frequencies, k, self.state))
        return k


def explain_codes(data: bytes) -> Iterator[str]:
    """The symbols of the first position of the coarsest stage, where every feature is zero. Needs a model for it, no network."""
    model = reference.load_model()
    head, _, payloads, _ = reference.parse(data)
    f = np.zeros((1, 1, model.shape["channels"][-1]), np.int64)
    mu, sigma = (x[0, 0] for x in reference.prior(model, 0, f, np.array([[head.quality]])))
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
