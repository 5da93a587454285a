"""What every result file says of the run that made it, so that no figure outlives its model without anybody noticing.

Beside a benchmark's own figures a file of bench/results has `run`: the commit of the source tree, with "+" if it has changes;
the identity of the shipped model, as in the header of every .aec file; and the processor. tests/test_figures.py reads them.
"""

import json
from pathlib import Path
from typing import Any

from aecodec.provenance import run

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "bench" / "results"


def write(name: str, results: dict[str, Any]) -> str:
    """Writes results/NAME.json; -> its text. `results` has a name for everything, and none of them is `run`."""
    if "run" in results:
        raise ValueError(f"{name}: a benchmark has no figures called run")
    text = json.dumps({"run": run(), **results}, indent=1)
    path = FOLDER / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")
    return text
