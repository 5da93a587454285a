"""Makes the conformance files anew. Needed when the shipped weights change, and at no other time.

Run: python tools/make_conformance.py
"""

import hashlib
import json
from pathlib import Path

import numpy as np
from PIL import Image

import aecodec
from aecodec.encoder import encode
from aecodec.picture import Picture

ROOT = Path(__file__).parent.parent
OUT = ROOT / "tests" / "conformance"


def pictures() -> dict[str, np.ndarray]:
    photo = np.asarray(Image.open(ROOT / "examples" / "parrots.png").convert("RGB"))
    y, x = np.mgrid[:50, :70]
    lines = np.where((x + 2 * y) % 17 < 3, 0, 255).astype(np.uint8)
    return {"photo": photo[200:330, 300:490], "gray": photo[100:164, 500:600, 1], "lines": lines, "pixel": photo[:1, :1]}


def main() -> None:
    expected = {}
    for name, pixels in pictures().items():
        for quality in (10, 60, 95):
            data = encode(Picture.of(pixels), quality, codewords=True).data
            (OUT / f"{name}-{quality}.aec").write_bytes(data)
            decoded = aecodec.decompress(data)
            expected[f"{name}-{quality}"] = {"shape": decoded.shape, "sha256": hashlib.sha256(decoded.tobytes()).hexdigest()}
    (OUT / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
