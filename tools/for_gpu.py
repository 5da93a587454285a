"""The weights of a run, as aecodec.train.gpu starts from them: float16, so that they are small enough to be carried.

Run: python tools/for_gpu.py RUN START.safetensors
"""

import json
import sys
from pathlib import Path

from safetensors.torch import save_file

from aecodec import provenance
from aecodec.train import checkpoint
from aecodec.train.loop import CHECKPOINT


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    groups, counters = checkpoint.load(Path(sys.argv[1]) / CHECKPOINT)
    record = {key: counters[key] for key in ("shape", "pixels", "history")} | {"commit": provenance.commit()}
    halves = {key: t.half().contiguous() for key, t in groups["average"].items()}
    save_file(halves, sys.argv[2], metadata={"record": json.dumps(record)})


if __name__ == "__main__":
    main()
