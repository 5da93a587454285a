"""Makes the conformance files anew. Needed when the shipped weights change, or what the encoder chooses, and at no other time.

Run: python tools/make_conformance.py
"""

import hashlib
import json
from pathlib import Path

import numpy as np
from PIL import Image

import aecodec
from aecodec import Decoder, _core, container
from aecodec.encoder import encode
from aecodec.header import RGB, VERSION, Header
from aecodec.model import shipped
from aecodec.picture import Picture
from aecodec.quality_map import of_regions

ROOT = Path(__file__).parent.parent
PHOTO = ROOT / "examples" / "parrots.png"
OUT = ROOT / "tests" / "conformance"


def pictures() -> dict[str, np.ndarray]:
    photo = np.asarray(Image.open(PHOTO).convert("RGB"))
    y, x = np.mgrid[:50, :70]
    lines = np.where((x + 2 * y) % 17 < 3, 0, 255).astype(np.uint8)
    return {"photo": photo[200:330, 300:490], "gray": photo[100:164, 500:600, 1], "lines": lines, "pixel": photo[:1, :1]}


def in_small_tiles(pixels: np.ndarray, quality: int, corrections: list[np.ndarray]) -> bytes:
    """A file with tiles of 64 pixels, which the encoder makes of no picture. corrections: what is added to the latents."""
    model, (height, width, _) = shipped(), pixels.shape
    header = Header(VERSION, model.mark, RGB, _core.constants.TILE_LOG2_MIN, quality, width, height)
    streams, _ = model.network.encode(pixels, model.frame(header), model.betas, corrections=corrections)
    return container.write(container.Contents(header, streams))


def wild() -> bytes:
    """Latents far beyond those of any picture, so that every limit of the arithmetic is met."""
    random = np.random.default_rng(0)
    shapes = [(8 >> s["level"], 8 >> s["level"], s["latents"]) for s in shipped().shape["stages"]]
    corrections = [random.choice(np.array([-30000, 0, 30000], np.int16), shape) for shape in shapes]
    return in_small_tiles(random.integers(0, 256, (64, 64, 3), np.uint8), 1, corrections)


def page() -> np.ndarray:
    """Rules and letters of a kind, beside a photograph: some pixels without loss, the others from codewords."""
    paper = np.full((200, 260, 3), 250, np.uint8)
    paper[40:168, 110:238] = pictures()["photo"][:128, :128]
    for i, y in enumerate(range(8, 192, 12)):
        for j, x in enumerate(range(8, 92, 9)):
            glyph = [((i * 7 + j * 5) >> bit) & 1 for bit in range(6)]
            paper[y : y + 7, x : x + 6] = np.where(np.array(glyph, bool)[None, :, None], 20, 250)
    return paper


def files() -> dict[str, bytes]:
    made, photo = {}, np.asarray(Image.open(PHOTO).convert("RGB"))
    for name, pixels in pictures().items():
        for quality in (10, 60, 95):
            made[f"{name}-{quality}"] = encode(Picture.of(pixels), quality, mode="lossy").data
    made["thin-60"] = encode(Picture.of(photo[:300, :9]), 60, mode="lossy").data
    roi = of_regions(130, 190, [((0, 70, 80, 60), 40), ((130, 0, 60, 60), -25)])
    made["roi-30"] = encode(Picture.of(pictures()["photo"]), 30, mode="lossy", roi=roi).data
    made["tiles-40"] = in_small_tiles(pictures()["photo"][:100, :150].copy(), 40, [])
    made["wild-1"] = wild()
    made["neutral-10"] = encode(Picture.of(np.repeat(pictures()["gray"][:, :, None], 3, axis=2)), 10, mode="lossy").data
    made["mixed-40"] = encode(Picture.of(page()), 40).data
    assert Decoder(made["mixed-40"]).mixed
    return made


def main() -> None:
    expected = {}
    for name, data in files().items():
        (OUT / f"{name}.aec").write_bytes(data)
        decoded = aecodec.decompress(data)
        expected[name] = {"shape": decoded.shape, "sha256": hashlib.sha256(decoded.tobytes()).hexdigest()}
    (OUT / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
