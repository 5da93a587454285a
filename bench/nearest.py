"""The nearest-codeword search against faiss and torch, on one thread, in one run.

Run: pip install faiss-cpu; python bench/nearest.py     writes bench/results/nearest.json
"""

import time

import faiss
import numpy as np
import torch

from aecodec import _core
from results import write

N, K, D, REPEATS = 100_000, 256, 4, 15


def main() -> None:
    rng = np.random.default_rng(0)
    z, codebook = rng.normal(size=(N, D)).astype(np.float32), rng.normal(size=(K, D)).astype(np.float32)
    transposed = np.ascontiguousarray(codebook.T)
    index = faiss.IndexFlatL2(D)
    index.add(codebook)
    faiss.omp_set_num_threads(1)
    torch.set_num_threads(1)
    tz, tc = torch.from_numpy(z), torch.from_numpy(codebook)
    searches = {
        "aecodec": lambda: _core.nearest(z, transposed, threads=1),
        "faiss": lambda: index.search(z, 1)[1][:, 0],
        "torch": lambda: torch.cdist(tz, tc).argmin(1).numpy(),
    }
    found = {name: search() for name, search in searches.items()}
    times: dict[str, list[float]] = {name: [] for name in searches}
    for _ in range(REPEATS):
        for name, search in searches.items():
            start = time.perf_counter()
            search()
            times[name].append(time.perf_counter() - start)
    ms = {name: 1000 * float(np.median(t)) for name, t in times.items()}
    result = {
        "shape": {"N": N, "K": K, "d": D},
        "simd": _core.simd(),
        "milliseconds": ms,
        "faiss_over_ours": ms["faiss"] / ms["aecodec"],
        "torch_over_ours": ms["torch"] / ms["aecodec"],
        "same_as_faiss": float((found["aecodec"] == found["faiss"]).mean()),
    }
    print(write("nearest", result))


if __name__ == "__main__":
    main()
