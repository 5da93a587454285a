"""The weights of a run or of a model, as aecodec.train.gpu starts from them: float16, so that they are small enough to be carried.

Run: python tools/for_gpu.py RUN|MODEL.safetensors START.safetensors
"""

import json
import sys
from pathlib import Path

from safetensors.torch import save_file

from aecodec import provenance
from aecodec.model import Model
from aecodec.train import checkpoint
from aecodec.train.loop import CHECKPOINT, Learned


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source = Path(sys.argv[1])
    if source.is_dir():
        groups, counters = checkpoint.load(source / CHECKPOINT)
        weights, known = groups["average"], counters
    else:
        model = Model(source)
        learned = Learned.of(model)
        weights, known = learned.state_dict(), {**model.metadata["record"], "shape": learned.net.shape.to_json()}
    record = {key: known[key] for key in ("shape", "pixels", "history")} | {"commit": provenance.commit()}
    halves = {key: t.half().contiguous() for key, t in weights.items()}
    save_file(halves, sys.argv[2], metadata={"record": json.dumps(record)})


if __name__ == "__main__":
    main()
