"""What every result file says of the run that made it, so that no figure outlives its model without anybody noticing.

Beside a benchmark's own figures a file of bench/results has `run`: the commit of the source tree, with "+" where it has changes;
the identity of the shipped model, as in the header of every .aec file; and the processor. tests/test_figures.py reads them.
"""

import json
import platform
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "bench" / "results"
NOT_CODE = (":!bench/results", ":!*.md")  # what a run writes, and what tells of it, do not change what it measures


def commit() -> str:
    """Of this source tree, twelve digits, with "+" where the tree has changes; "unknown" outside a repository."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "-uno", "--", ".", *NOT_CODE) else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def processor() -> str:
    """The processor's name, by Linux where it says so."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def run() -> dict[str, str]:
    """The commit, the model and the processor of a run that happens now."""
    from aecodec.model import shipped  # here, so that reading what is above needs no package

    return {"commit": commit(), "model": f"{shipped().identity:08x}", "cpu": processor()}


def write(name: str, results: dict[str, Any]) -> str:
    """Writes results/NAME.json; -> its text. `results` has a name for everything, and none of them is `run`."""
    if "run" in results:
        raise ValueError(f"{name}: a benchmark has no figures called run")
    text = json.dumps({"run": run(), **results}, indent=1)
    path = FOLDER / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")
    return text
