"""How well examples/digits.py sorts, beside k-means and Ward's clustering: accuracy over six seeds, and CPU seconds.

Run: pip install scikit-learn; python bench/digits.py     prints them, and writes docs/digits.png
"""

import importlib.util
import json
import time

import torch
from sklearn.cluster import AgglomerativeClustering, KMeans

from results import ROOT

SEEDS, SECONDS = 6, 30


def main() -> None:
    spec = importlib.util.spec_from_file_location("digits", ROOT / "examples" / "digits.py")
    digits = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(digits)
    torch.set_num_threads(1)
    x, labels = digits.pictures()
    ours, seconds = [], []
    for seed in range(SEEDS):
        start = time.process_time()
        found = digits.sort(x, seed, SECONDS)
        seconds.append(time.process_time() - start)
        ours.append(digits.accuracy(found.code.numpy(), labels))
        print(seed, round(ours[-1], 4), flush=True)
        if seed == 0:
            digits.page(x, found).save(ROOT / "docs" / "digits.png")
    flat = x.flatten(1).numpy()
    k_means = [digits.accuracy(KMeans(10, n_init=10, random_state=s).fit_predict(flat), labels) for s in range(SEEDS)]
    ward = digits.accuracy(AgglomerativeClustering(10).fit_predict(flat), labels)
    result = {
        "pictures": len(x),
        "accuracy": {"mean": sum(ours) / SEEDS, "worst": min(ours), "seeds": ours},
        "cpu_seconds": max(seconds),
        "k_means": sum(k_means) / SEEDS,
        "ward": float(ward),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
