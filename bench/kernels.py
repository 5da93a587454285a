"""The inner loops on one thread, for every instruction set of this machine (x86-64).

Run: python bench/kernels.py     writes bench/results/kernels.json
Convolution: 10^9 int16 multiply-adds a second, and their share of what the machine does with everything in registers. Entropy
coder: microseconds for 1000 symbols of an alphabet of 256, of making the frequencies and of decoding with them.
"""

import json
import subprocess
import tempfile
from pathlib import Path

from results import write

ROOT = Path(__file__).parent.parent
FLAGS = [f"-I{ROOT / 'csrc'}", "-std=c++17", "-O3", "-ffp-contract=off", "-fno-math-errno", "-Wno-psabi"]
AVX512 = ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512vnni", "-mprefer-vector-width=512"]
SETS = {"scalar": [], "avx2": ["-mavx2"], "avx512": AVX512}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        objects = []
        for name, flags in SETS.items():
            objects.append(Path(folder) / f"{name}.o")
            subprocess.run(["g++", *FLAGS, *flags, "-c", ROOT / "csrc" / "kernels" / f"{name}.cpp", "-o", objects[-1]], check=True)
        sources = [ROOT / "bench" / "kernels.cpp", ROOT / "csrc" / "kernels" / "dispatch.cpp"]
        program = Path(folder) / "kernels"
        subprocess.run(["g++", *FLAGS, "-DAEC_HAVE_AVX2", "-DAEC_HAVE_AVX512", *sources, *objects, "-o", program], check=True)
        text = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    print(write("kernels", json.loads(text)))


if __name__ == "__main__":
    main()
