"""One photograph as JPEG, AVIF and aecodec keep it in the same number of bytes: the picture at the head of the README.

Run: python bench/side_by_side.py     writes docs/side_by_side.png and bench/results/side_by_side.json
The photograph is the example's. AVIF gets its highest quality whose file is no larger than 11 kB, as its qualities are the furthest
apart, and the others get theirs whose file is no larger than AVIF's; JPEG is with optimised tables and progressive, which makes
its files smaller. Each row is a crop at twice its size; PSNR is of the whole picture.
"""

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont, features

from aecodec.bench.codecs import CODECS, Codec, pillow
from aecodec.metrics import psnr
from aecodec.target import bisect
from results import ROOT, write

LIMIT = 11_000  # bytes
CROPS = ((118, 176, 132, 88), (452, 146, 132, 88))  # left, top, width, height: the two heads
SCALE, GAP, LABEL, COLOURS = 2, 6, 40, 255


def progressive_jpeg() -> Codec:
    options = {"subsampling": "4:2:0", "optimize": True, "progressive": True}
    return pillow("JPEG, progressive", (), "JPEG", lambda quality: {"quality": quality, **options})


def of_size(codec: Codec, pixels: np.ndarray, size: int) -> int:
    """-> the highest quality from 1 to 95 whose file has at most `size` bytes."""
    quality = bisect(lambda q: len(codec.encode(pixels, q)) <= size, 1, 95)
    if quality is None:
        raise SystemExit(f"{codec.label}: no file has only {size} bytes")
    return quality


def main() -> None:
    pixels = np.asarray(Image.open(ROOT / "examples" / "parrots.png").convert("RGB"))
    area = pixels.shape[0] * pixels.shape[1]
    codecs = {"jpeg": progressive_jpeg(), "avif": CODECS["avif"](), "aec": CODECS["aec"]()}
    limit = len(codecs["avif"].encode(pixels, of_size(codecs["avif"], pixels, LIMIT)))
    columns, rows = [("Original", f"{pixels.size:,} bytes as raw pixels", pixels)], {}
    for name, codec in codecs.items():
        quality = of_size(codec, pixels, limit)
        data = codec.encode(pixels, quality)
        decoded = codec.decode(data)
        rows[name] = {"codec": codec.label, "quality": quality, "bytes": len(data), "bpp": round(8 * len(data) / area, 3)}
        rows[name]["psnr"] = round(psnr(pixels, decoded), 2)
        columns.append((codec.label, f"{len(data):,} bytes, {rows[name]['psnr']:.2f} dB", decoded))

    width, height = CROPS[0][2] * SCALE, CROPS[0][3] * SCALE
    size = (len(columns) * (width + GAP) - GAP, LABEL + len(CROPS) * (height + GAP) - GAP)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for i, (label, figures, shown) in enumerate(columns):
        x = i * (width + GAP)
        draw.text((x + 2, 2), label, "black", ImageFont.load_default(15))
        draw.text((x + 2, 21), figures, "black", ImageFont.load_default(13))
        for j, (left, top, w, h) in enumerate(CROPS):
            crop = Image.fromarray(shown[top : top + h, left : left + w])
            sheet.paste(crop.resize((width, height), Image.Resampling.NEAREST), (x, LABEL + j * (height + GAP)))
    out = io.BytesIO()
    sheet.save(out, "PNG", optimize=True)
    (ROOT / "docs" / "side_by_side.png").write_bytes(out.getvalue())
    libraries = {"pillow": Image.__version__, "avif": features.version("avif"), "jpeg": features.version("jpg")}
    print(write("side_by_side", {"picture": "parrots.png", "files": rows, "libraries": libraries}))


if __name__ == "__main__":
    main()
