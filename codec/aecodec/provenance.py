"""Where weights and figures come from: recorded in every checkpoint, in the shipped weights, and in every result file."""

import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOT_CODE = (":!bench/results", ":!docs", ":!*.md")  # what a run writes, and what tells of it, do not change what it does


def commit() -> str:
    """The git commit of this source tree, twelve digits, with "+" if the tree has changes; "unknown" outside a repository."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "-uno", "--", ".", *NOT_CODE) else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def command() -> str:
    """What was typed to start this program."""
    return " ".join(["aecodec", *sys.argv[1:]])


def processor() -> str:
    """The processor's name, as Linux has it if it says so."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def run() -> dict[str, str]:
    """The commit, the shipped model's identity and the processor of a run that happens now."""
    from .model import shipped

    return {"commit": commit(), "model": f"{shipped().identity:08x}", "cpu": processor()}
