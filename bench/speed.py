"""How fast the codec is, against its peers and against its own float network in torch, in one run.

Run: python bench/speed.py [PICTURE]     writes bench/results/speed.json and speed.md
Figures are medians of REPEATS runs, taken in turns so that the machine's moods fall on all alike; peers run on one thread.
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
REPEATS = 7
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


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "examples" / "parrots.png"
    pixels = np.tile(np.asarray(Image.open(path).convert("RGB")), (2, 2, 1))
    megapixels = pixels.shape[0] * pixels.shape[1] / 1e6
    entries = [(ours(1), QUALITY), (ours(2), QUALITY), *((CODECS[name](), setting) for name, setting in PEERS.items())]
    net, codebook = float_network()
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float().contiguous(memory_format=torch.channels_last)
    quality = torch.tensor([float(QUALITY)])
    torch.set_num_threads(1)

    times: dict[str, list[list[float]]] = {c.label: [[], []] for c, _ in entries}
    floating = []
    for repeat in range(REPEATS + 1):  # the first warms up
        for c, setting in entries:
            start = time.perf_counter()
            data = c.encode(pixels, setting)
            middle = time.perf_counter()
            c.decode(data)
            if repeat:
                times[c.label][0].append(middle - start)
                times[c.label][1].append(time.perf_counter() - middle)
        start = time.perf_counter()
        with torch.no_grad():
            net(x, quality, codebook.quantise)
        if repeat:
            floating.append(time.perf_counter() - start)

    rows = {label: [megapixels / float(np.median(t)) for t in pair] for label, pair in times.items()}
    both = sum(float(np.median(t)) for t in times["aecodec, 1 thread"])
    result = {
        "picture": path.name,
        "megapixels": megapixels,
        "simd": _core.simd(),
        "megapixels_per_second": {label: dict(zip(("encode", "decode"), row, strict=True)) for label, row in rows.items()},
        "float_network_over_ours": float(np.median(floating)) / both,
    }
    write("speed", result)
    first = rows["aecodec, 1 thread"]
    lines = ["| | encode MP/s | decode MP/s | ours, 1 thread, is faster by: encode | decode |", "|---|---|---|---|---|"]
    for label, (e, d) in rows.items():
        lines.append(f"| {label} | {e:.2f} | {d:.2f} | {first[0] / e:.2f}× | {first[1] / d:.2f}× |")
    lines.append("")
    lines.append(
        f"The float network in torch, one thread, analysis and synthesis together and without an entropy coder, takes "
        f"{result['float_network_over_ours']:.2f} times as long as our encoder and decoder together."
    )
    (FOLDER / "speed.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
