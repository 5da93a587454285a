"""A copy of a training run that is small enough to be carried to another machine, with its optimiser's state.

Run: python tools/carry.py RUN FOLDER; go on there with aecodec train --resume FOLDER

The moments of Adam are kept in bfloat16, whose range is theirs, and whose 8 bits say as much as moments know. Weights and their
average stay in 32 bits, as many steps are smaller than what fewer bits could hold.
"""

import sys
from pathlib import Path

import torch

from aecodec.train import checkpoint
from aecodec.train.loop import CHECKPOINT


def carry(run: Path, folder: Path) -> None:
    """Writes the run's checkpoint to `folder`, which is made if missing."""
    groups, counters = checkpoint.load(run / CHECKPOINT)
    groups["adam"] = {k: v if k.endswith("/step") else v.to(torch.bfloat16) for k, v in groups["adam"].items()}
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint.save(folder / CHECKPOINT, groups, counters)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    carry(Path(sys.argv[1]), Path(sys.argv[2]))
