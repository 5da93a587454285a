"""How fast the codec is, against its peers and against its own float network in torch, in one run.

Run: python bench/speed.py [PICTURE]     writes bench/results/speed.json and speed.md
Figures are medians of REPEATS runs, taken in turns so that the machine's moods fall on all alike; peers run on one thread. All get
the picture tiled to 2×2 of it; ourselves a large one, too, as a camera makes, where threads have more tiles to share.
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from aecodec import _core, encoder
from aecodec.bench.codecs import CODECS, Codec
from aecodec.decoder import decode
from aecodec.model import shipped
from aecodec.network.codebook import Codebook
from aecodec.network.fixed_point import restore
from aecodec.network.network import Network, Shape
from aecodec.picture import Picture
from results import FOLDER, write

ROOT = Path(__file__).parent.parent
REPEATS, REPEATS_LARGE = 7, 3
TILES, TILES_LARGE = (2, 2, 1), (5, 6, 1)  # of the picture: 1.6 and 12 megapixels of the default one
QUALITY = 60
PEERS = {"jxl": 80, "avif": 60, "webp": 80, "jpeg": 82}  # settings of about the PSNR of our quality 60


def ours(threads: int) -> Codec:
    return Codec(
        f"aecodec, {threads} thread{'s' * (threads > 1)}",
        (QUALITY,),
        lambda pixels, quality: encoder.encode(Picture(pixels), quality, threads).data,
        lambda data: decode(data, threads).pixels,
    )


def float_network() -> tuple[Network, Codebook]:
    shape = Shape.from_json(shipped().shape)
    net, codebook = Network(shape), Codebook(shape)
    restore(net, codebook, shipped().tensors)
    return net.to(memory_format=torch.channels_last), codebook


def seconds(codec: Codec, setting: int, pixels: np.ndarray) -> tuple[float, float]:
    """-> to encode, to decode"""
    start = time.perf_counter()
    data = codec.encode(pixels, setting)
    middle = time.perf_counter()
    codec.decode(data)
    return middle - start, time.perf_counter() - middle


def megapixels(pixels: np.ndarray) -> float:
    return pixels.shape[0] * pixels.shape[1] / 1e6


def speeds(times: list[tuple[float, float]], pixels: np.ndarray) -> dict[str, float]:
    """Megapixels a second, by the medians."""
    encode, decode = map(float, np.median(times, 0))
    return {"encode": megapixels(pixels) / encode, "decode": megapixels(pixels) / decode}


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "examples" / "parrots.png"
    photo = np.asarray(Image.open(path).convert("RGB"))
    pixels, large = np.tile(photo, TILES), np.tile(photo, TILES_LARGE)
    own = [(ours(threads), QUALITY) for threads in (1, 2)]
    entries = [*own, *((CODECS[name](), setting) for name, setting in PEERS.items())]
    net, codebook = float_network()
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float().contiguous(memory_format=torch.channels_last)
    quality = torch.tensor([float(QUALITY)])
    torch.set_num_threads(1)

    times: dict[str, list[tuple[float, float]]] = {c.label: [] for c, _ in entries}
    floating = []
    for repeat in range(REPEATS + 1):  # the first warms up
        for c, setting in entries:
            taken = seconds(c, setting, pixels)
            if repeat:
                times[c.label].append(taken)
        start = time.perf_counter()
        with torch.no_grad():
            net(x, quality, codebook.quantise)
        if repeat:
            floating.append(time.perf_counter() - start)
    of_large: dict[str, list[tuple[float, float]]] = {c.label: [] for c, _ in own}
    for _ in range(REPEATS_LARGE):
        for c, setting in own:
            of_large[c.label].append(seconds(c, setting, large))

    rows = {label: speeds(t, pixels) for label, t in times.items()}
    rows_large = {label: speeds(t, large) for label, t in of_large.items()}
    both = sum(map(float, np.median(times["aecodec, 1 thread"], 0)))
    result = {
        "picture": path.name,
        "megapixels": megapixels(pixels),
        "simd": _core.simd(),
        "megapixels_per_second": rows,
        "large": {"megapixels": megapixels(large), "megapixels_per_second": rows_large},
        "float_network_over_ours": float(np.median(floating)) / both,
    }
    write("speed", result)
    first = rows["aecodec, 1 thread"]
    shown = rows | {f"{label}, {megapixels(large):.0f} megapixels": row for label, row in rows_large.items()}
    lines = ["| | encode MP/s | decode MP/s | ours, 1 thread, is faster by: encode | decode |", "|---|---|---|---|---|"]
    for label, row in shown.items():
        e, d = row["encode"], row["decode"]
        lines.append(f"| {label} | {e:.2f} | {d:.2f} | {first['encode'] / e:.2f}× | {first['decode'] / d:.2f}× |")
    lines.append("")
    lines.append(
        f"The float network in torch, one thread, analysis and synthesis together and without an entropy coder, takes "
        f"{result['float_network_over_ours']:.2f} times as long as our encoder and decoder together."
    )
    (FOLDER / "speed.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
