"""How much memory and time a picture of 100 megapixels takes at the command line.

Run: python bench/large.py [MEGAPIXELS]     writes bench/results/large.json
The picture is the example photograph, tiled, as a PPM file; the figures hold Python and Pillow, which takes 4 bytes a pixel.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from results import write

ROOT = Path(__file__).parent.parent
LIMIT = 1.5e9  # bytes


def measured(*arguments: str | Path) -> dict[str, float]:
    """Runs the command; -> its seconds, and its largest resident set in GB."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "aecodec", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"aecodec {arguments[0]} failed")
    return {"seconds": round(time.perf_counter() - start, 1), "gigabytes": round(usage.ru_maxrss * 1024 / 1e9, 3)}


def main() -> None:
    side = int(round((float(sys.argv[1] if len(sys.argv) > 1 else 100) * 1e6) ** 0.5))
    photo = np.asarray(Image.open(ROOT / "examples" / "parrots.png").convert("RGB"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows, columns = -(-side // photo.shape[0]), -(-side // photo.shape[1])
        pixels = np.tile(photo, (rows, columns, 1))[:side, :side]
        (folder / "in.ppm").write_bytes(b"P6 %d %d 255\n" % (side, side) + pixels.tobytes())
        result = {"pixels": side * side}
        result["compress"] = measured("compress", folder / "in.ppm", folder / "picture.aec")
        result["decompress"] = measured("decompress", folder / "picture.aec", folder / "out.ppm")
        result["bytes"] = (folder / "picture.aec").stat().st_size
    print(write("large", result))
    sys.exit(0 if max(result[k]["gigabytes"] for k in ("compress", "decompress")) * 1e9 < LIMIT else 1)


if __name__ == "__main__":
    main()
