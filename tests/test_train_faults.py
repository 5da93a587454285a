"""Training goes on past what it cannot read, and what it has learned is not lost when it is told to end."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from aecodec.train.data import Crops, split
from conftest import PHOTO


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures, some of them for validation, with broken ones of three kinds on either side of the split."""
    folder = tmp_path_factory.mktemp("pictures")
    photo, rng = Image.open(PHOTO).convert("RGB"), np.random.default_rng(0)
    for i in range(40):
        x, y = rng.integers(768 - 128), rng.integers(512 - 128)
        photo.crop((x, y, x + 128, y + 128)).save(folder / f"{i}.webp")
    whole = (folder / "0.webp").read_bytes()
    for i in range(40, 100):
        (folder / f"{i}.webp").write_bytes([b"", b"garbage" * 100, whole[: len(whole) // 2]][i % 3])
    return folder


def test_pictures_that_cannot_be_read_are_named_and_skipped(folder, capfd):
    train, validation = split(folder)
    assert any(int(p.stem) >= 40 for p in train) and any(int(p.stem) >= 40 for p in validation)
    crops = Crops(train, 2, 64, 0)
    assert len(crops.pictures) == sum(int(p.stem) < 40 for p in train)
    said = capfd.readouterr().err.splitlines()
    assert len(said) == sum(int(p.stem) >= 40 for p in train) and all("skipped" in line and str(folder) in line for line in said)


def test_none_that_can_be_read_is_an_error(tmp_path):
    for i in range(60):
        (tmp_path / f"{i}.png").write_bytes(b"garbage")
    with pytest.raises(ValueError, match="no training picture"):
        Crops(split(tmp_path)[0], 2, 64, 0)


def command(folder, out, *more) -> list[str]:
    sizes = ["--batch", "1", "--crop", "64", "--minutes", "30"]
    return [sys.executable, "-m", "aecodec", "train", "--data", str(folder), *out, *sizes, *more]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL"])
def test_a_run_that_is_ended_early_can_be_resumed(folder, name, tmp_path):
    run = tmp_path / "run"
    process = subprocess.Popen(command(folder, ["--out", str(run)]), stderr=subprocess.PIPE, text=True)
    checkpoint = run / "checkpoint.safetensors"
    start = time.monotonic()
    while not checkpoint.exists():
        assert process.poll() is None and time.monotonic() - start < 120
        time.sleep(0.2)
    before = os.stat(checkpoint).st_mtime_ns
    process.send_signal(getattr(signal, name))
    _, errors = process.communicate(timeout=100)
    assert "Traceback" not in errors
    if name == "SIGTERM":
        assert process.returncode == 143 and "--resume" in errors and os.stat(checkpoint).st_mtime_ns > before
    again = subprocess.Popen(command(folder, ["--resume", str(run)]), stderr=subprocess.PIPE, text=True)
    time.sleep(8)
    again.send_signal(signal.SIGTERM)
    _, errors = again.communicate(timeout=100)
    assert "Traceback" not in errors and again.returncode in (143, -15)  # the second, if it had not begun
