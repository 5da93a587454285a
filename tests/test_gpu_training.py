"""Training on a GPU, with the CPU in its place: all but the graph, and the warps."""

import json
import shutil
import subprocess
import sys
import time
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from test_train import TINY, pictures  # noqa: F401

from aecodec.model import SHIPPED, shipped
from aecodec.network.network import Shape
from aecodec.train.data import split
from aecodec.train.loop import Learned
from aecodec.train.resident import Resident
from conftest import PHOTO

ROOT = Path(__file__).parent.parent


def test_crops_are_parts_of_their_pictures():
    photo = np.asarray(Image.open(PHOTO).convert("RGB"))[:100, :140]
    resident = Resident("cpu", 1 << 20)
    resident.add(np.zeros((300, 30, 3), np.uint8), drawn=False)
    resident.add(photo, drawn=False)
    torch.manual_seed(0)
    ways = [np.ascontiguousarray(w) for w in (photo, photo[:, ::-1], photo.transpose(1, 0, 2), photo[:, ::-1].transpose(1, 0, 2))]
    ways += [np.ascontiguousarray(w[::-1]) for w in ways]
    windows = {w[i : i + 64, j : j + 64].tobytes() for w in ways for i in range(w.shape[0] - 63) for j in range(w.shape[1] - 63)}
    crops = resident.crops(40, 64, 0).permute(0, 2, 3, 1).to(torch.uint8).numpy()
    found = sum(c.tobytes() in windows for c in crops)
    assert 24 <= found < 40  # the others are gray, or their colours are stronger
    assert len({c.tobytes() for c in crops}) == 40


def test_some_are_drawn_and_the_oldest_drawings_are_replaced(monkeypatch):
    monkeypatch.setattr("aecodec.train.resident.DRAWINGS", 60)
    resident = Resident("cpu", 1 << 22)
    resident.add(np.full((128, 128, 3), 10, np.uint8), drawn=False)
    with pytest.raises(ValueError, match="as large as"):
        resident.crops(2, 192, 0)
    for value in range(100, 190):
        resident.add(np.full((64, 64, 3), value, np.uint8), drawn=True)
    values = {int(c.max()) for c in resident.crops(400, 64, 0.5)}
    assert 10 in values and len(values) > 40 and min(values - {10, 9, 11, 16}) >= 130  # 100 to 129 are gone
    batch = resident.batch(10, 64)
    assert batch.shape == (10, 3, 64, 64) and batch.is_contiguous(memory_format=torch.channels_last)


def test_the_script_for_a_gpu_compares_before_it_trains(tmp_path):
    """With the host-side twin in the GPU's place, and no time left to train in."""
    command = [sys.executable, ROOT / "bench" / "gpu.py", tmp_path, tmp_path, "0", "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1 and "no time is left" in done.stderr
    known = json.loads((tmp_path / "gpu.json").read_text())
    assert all(r["same_codes"] > 0.999 and r["gradients_apart"] < 1e-4 for r in known["correctness"].values())
    assert min(known["millions of groups a second"].values()) > 0
    assert set(known["nearest"].values()) == {1.0} and all(r["bytes"] == 0 == r["db"] for r in known["analysis"].values())


def test_weights_of_the_model_are_taken_to_a_gpu(tmp_path):
    start, model = tmp_path / "start.safetensors", resources.files("aecodec") / SHIPPED
    subprocess.run([sys.executable, ROOT / "tools" / "for_gpu.py", model, start], check=True, timeout=300)
    with safe_open(start, "pt") as f:
        record, found = json.loads(f.metadata()["record"]), {k: f.get_tensor(k).float() for k in f.keys()}
    expected = Learned.of(shipped())
    assert record["pixels"] == shipped().metadata["record"]["pixels"] and Shape.from_json(record["shape"]) == expected.net.shape
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-4)


def test_a_run_trains_validates_and_comes_home(pictures, tmp_path):  # noqa: F811
    few = tmp_path / "few"  # pictures, so that the run is not to wait for more
    few.mkdir()
    train, held_out = split(pictures)
    for path in [*train[:12], *held_out]:
        shutil.copy(path, few)
    torch.manual_seed(0)
    record = {"shape": TINY.to_json(), "pixels": 5, "history": [], "commit": "abc"}
    start = {k: v.half() for k, v in Learned(TINY).state_dict().items()}
    save_file(
        {k: v.contiguous() for k, v in start.items()}, tmp_path / "start.safetensors", metadata={"record": json.dumps(record)}
    )
    deadline, log_path = tmp_path / "deadline", tmp_path / "run" / "log.jsonl"
    deadline.write_text(str(time.time() + 3600))
    command = [sys.executable, "-m", "aecodec.train.gpu", "--data", str(few), "--start", str(tmp_path / "start.safetensors")]
    command += ["--out", str(tmp_path / "run"), "--deadline", str(tmp_path / "deadline"), "--device", "cpu", "--jobs", "1"]
    command += ["--batch", "4", "--crop", "64", "--last-batch", "2", "--last-crop", "128", "--learning-rate", "1e-4"]
    with subprocess.Popen(command) as run:
        while run.poll() is None and (not log_path.exists() or '"loss"' not in log_path.read_text()):
            time.sleep(0.5)
        deadline.write_text(str(time.time() + 5))  # it may change while the run goes on
        assert run.wait(120) == 0
    log = [json.loads(line) for line in log_path.read_text().splitlines()]
    assert log[0]["pictures"] == 12 and log[-1]["step"] > 0 and np.isfinite(log[-1]["validation_loss"])
    for name in ("average", "trunk"):
        with safe_open(tmp_path / "run" / f"{name}.0.safetensors", "pt") as f:
            made = json.loads(f.metadata()["record"])
            assert made["pixels"] > 5 and made["pictures"] == 12  # and none of those held out
            assert set(f.keys()) == set(start)
