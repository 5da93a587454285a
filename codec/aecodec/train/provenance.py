"""Where weights come from: the command and the commit, recorded in every checkpoint and in the shipped weights."""

import subprocess
import sys
from pathlib import Path


def commit() -> str:
    """The git commit of this source tree, with "+" where the tree has changes; "unknown" outside a repository."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def command() -> str:
    return " ".join(["aecodec", *sys.argv[1:]])
