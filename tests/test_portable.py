"""The runtime built without Python, unoptimised and optimised: the quick part of tools/portable/run.py; .ci/run has more."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")
def test_every_build_decodes_to_the_same_pixels():
    script = Path(__file__).parent.parent / "tools" / "portable" / "run.py"
    # CMake and Ninja may be those of this environment
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([sys.executable, script, "--quick"], capture_output=True, text=True, timeout=900, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WRONG" not in done.stdout and done.stdout.count("same") >= 4
