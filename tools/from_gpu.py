"""What a run on a GPU brought back, as a run to go on with here and a model to ship.

Run: python tools/from_gpu.py PARTS FOLDER DATA

PARTS holds the `average.*` and `trunk.*` files of aecodec.train.gpu. FOLDER gets a checkpoint, of the weights before the learning
rate fell, without the optimiser's state, which is soon found again; and model.safetensors, of the averaged ones at the end. If
there are no `trunk.*`, the checkpoint has the averaged ones too. DATA is the folder of training pictures, which show how large
features become.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from safetensors import safe_open
from torch import Tensor

from aecodec.network.network import Shape
from aecodec.train import checkpoint
from aecodec.train.data import Crops, split
from aecodec.train.loop import CHECKPOINT, Learned
from aecodec.train.settings import Settings


def read(folder: Path, name: str) -> tuple[dict[str, Tensor], dict]:
    """-> the tensors of all parts, and the record in them."""
    tensors, record = {}, {}
    for path in sorted(folder.glob(f"{name}.*.safetensors")):
        with safe_open(path, "pt") as f:
            tensors |= {key: f.get_tensor(key) for key in f.keys()}
            record = json.loads(f.metadata()["record"])
    return tensors, record


def main() -> None:
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    parts, folder, data = map(Path, sys.argv[1:])
    folder.mkdir(parents=True, exist_ok=True)
    average, record = read(parts, "average")
    trunk, before = read(parts, "trunk")
    if not trunk:
        trunk, before = average, dict(record)
    learned = Learned(Shape())
    learned.load_state_dict(average)
    record |= record.pop("validation")
    learned.export(folder / "model.safetensors", record, Crops(split(data)[0], 1, Settings.crop, Settings.seed))
    settings = Settings(minutes=1e4, scalar_share=0, decay_share=0, learning_rate=5e-4, trained=True)
    counters = {"step": 0, "pixels": before["pixels"], "seconds": 0.0, "phase": "codebook", "history": before["history"]}
    counters |= {"shape": Shape().to_json(), "settings": asdict(settings)}
    checkpoint.save(
        folder / CHECKPOINT, {"model": trunk, "average": {k: v.clone() for k, v in trunk.items()}, "adam": {}}, counters
    )


if __name__ == "__main__":
    main()
