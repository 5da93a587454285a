"""Compresses a folder of pictures and is killed at random moments; the next run must finish, and nothing be broken or lost.

python tests/fuzz/kills.py [--files 1000] [--kills 10] [--seed 1]
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

import aecodec

SIDES = (192, 256)
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


def make(folder: Path, count: int) -> dict[str, bytes]:
    """Pictures, a hundred to a folder -> the bytes of each by its name."""
    rng, made = np.random.default_rng(0), {}
    for i in range(count):
        path = folder / f"{i // 100}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8))
        coarse.resize((SIDES[1], SIDES[0]), Image.Resampling.BICUBIC).save(path)
        made[str(path.relative_to(folder))] = path.read_bytes()
    return made


def broken(folder: Path) -> list[str]:
    """What is no whole .aec file under its own name."""
    found = []
    for path in (p for p in folder.rglob("*") if p.is_file() and p.suffix == ".aec"):
        try:
            with aecodec.Decoder(path, check=True) as decoder:
                decoder.decode(8)
        except aecodec.AecodecError as error:
            found.append(f"{path.name}: {error}")
    return found


def run(source: Path, out: Path, after: float | None, kind: int) -> int:
    """The command, killed after so many seconds, -> its status."""
    command = [sys.executable, "-m", "aecodec", "compress", "-r", str(source), "-o", str(out), "-j", "2", "-e", "1", "--quiet"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    if after is not None:
        time.sleep(after)
        os.killpg(process.pid, kind)
    errors = process.communicate()[1].decode()
    assert "Traceback" not in errors, errors
    return process.returncode


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as temporary:
        source, out = Path(temporary, "in"), Path(temporary, "out")
        made = make(source, options.files)
        for i in range(options.kills):
            kind = rng.choice(SIGNALS)
            run(source, out, rng.uniform(0.8, 3), kind)
            done, wrong = len(list(out.rglob("*.aec"))), broken(out)
            print(f"kill {i + 1} by {signal.Signals(kind).name}: {done} files, {len(wrong)} broken", flush=True)
            assert not wrong, wrong
        assert run(source, out, None, 0) == 0
        names = {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}
        assert names == {str(Path(n).with_suffix(".aec")) for n in made}, "files are missing, or others are there"
        assert not broken(out)
        assert all((source / name).read_bytes() == data for name, data in made.items()), "a picture was changed"
    print(f"seed {options.seed}: {options.files} files after {options.kills} kills: all there, none broken")


if __name__ == "__main__":
    main()
