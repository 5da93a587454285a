"""The weights of a run or of a model, as aecodec.train.gpu starts from them: float16, so that they are small enough to be carried.

Run: python tools/for_gpu.py RUN|MODEL.safetensors START.safetensors
"""

import json
import sys
from pathlib import Path

from safetensors.torch import save_file

from aecodec import provenance
from aecodec.train.loop import Learned


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    learned, known = Learned.read(Path(sys.argv[1]))
    record = {key: known[key] for key in ("pixels", "history")} | {"commit": provenance.commit()}
    record["shape"] = learned.net.shape.to_json()
    halves = {key: t.half().contiguous() for key, t in learned.state_dict().items()}
    save_file(halves, sys.argv[2], metadata={"record": json.dumps(record)})


if __name__ == "__main__":
    main()
