"""The inner loops on one thread, for every instruction set of this machine (x86-64).

Run: python bench/kernels.py     writes bench/results/kernels.json
Convolution: 10^9 int16 multiply-adds a second, and their share of what the machine does with everything in registers; the same by
Winograd's minimal filtering, in multiply-adds that it stands for; and what the machine does with 8 bits. Entropy
coder: microseconds for 1000 symbols of an alphabet of 256, of making the frequencies and of decoding with them.
"""

import json
import subprocess
import tempfile
from pathlib import Path

from results import write

ROOT = Path(__file__).parent.parent


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        configure = ["cmake", "--preset", "release", "-B", folder, "-DAECODEC_PYTHON=OFF"]
        subprocess.run(configure, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["cmake", "--build", folder, "--target", "kernel_bench"], check=True, stdout=subprocess.DEVNULL)
        text = subprocess.run([Path(folder) / "kernel_bench"], check=True, capture_output=True, text=True).stdout
    print(write("kernels", json.loads(text)))


if __name__ == "__main__":
    main()
