"""A photograph after each stage of codes, and the positions that one pixel's codes stand at: docs/stages.jpg.

Run: python bench/stages.py
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import aecodec
from aecodec import inspection
from aecodec.metrics import psnr
from aecodec.options import MAX_MEMORY, MAX_PIXELS

ROOT = Path(__file__).parent.parent
LEFT, TOP, WIDTH, HEIGHT = 288, 100, 320, 192
LEAF = (200, 76)  # the pixel whose positions are marked
CAPTION = 20  # pixels of the strip below a picture


def panel(pixels: np.ndarray, text: str, side: int) -> np.ndarray:
    """A picture with the square of `side` pixels in which LEAF lies, and a line of text below it."""
    image = Image.new("RGB", (WIDTH, HEIGHT + CAPTION), "white")
    image.paste(Image.fromarray(pixels))
    draw = ImageDraw.Draw(image)
    if side:
        x, y = (n // side * side for n in LEAF)
        draw.rectangle((x, y, x + side - 1, y + side - 1), outline="white")
        draw.rectangle((x - 1, y - 1, x + side, y + side), outline="black")
    draw.text((4, HEIGHT + 3), text, "black", ImageFont.load_default(13))
    return np.asarray(image)


def main() -> None:
    photo = Image.open(ROOT / "examples" / "parrots.png").convert("RGB").crop((LEFT, TOP, LEFT + WIDTH, TOP + HEIGHT))
    original, together, panels = np.asarray(photo), 0, []
    for number, (facts, pixels) in enumerate(inspection.stages(aecodec.compress(photo, 60), MAX_PIXELS, MAX_MEMORY)):
        together += facts["bytes"]
        text = f"stage{f's 0 to {number}' if number else ' 0'}: {together} bytes, {psnr(original, pixels):.1f} dB"
        panels.append(panel(pixels, text, int(facts["scale"].removeprefix("1/"))))
    page = [*panels, panel(original, "the photograph", 0)]
    rows = [np.concatenate(page[i : i + 2], 1) for i in range(0, len(page), 2)]
    out = io.BytesIO()
    Image.fromarray(np.concatenate(rows)).save(out, "JPEG", quality=85)
    (ROOT / "docs" / "stages.jpg").write_bytes(out.getvalue())


if __name__ == "__main__":
    main()
