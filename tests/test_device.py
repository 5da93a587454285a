"""Analysis of a picture in floating point, as on a GPU, with the CPU in its place."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import aecodec
from aecodec import Decoder, OptionError, quality_map
from aecodec.encoder import header_for
from aecodec.header import RGB
from aecodec.metrics import psnr
from aecodec.model import shipped
from aecodec.network import analysis

needs_no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")


@pytest.fixture
def on_cpu(monkeypatch):
    """What is asked of a GPU is done by the CPU."""
    real = analysis.features

    def features(model, pixels, quality, qualities, device):
        assert device == "cuda"
        return real(model, pixels, quality, qualities, "cpu")

    monkeypatch.setattr(analysis, "features", features)
    monkeypatch.setattr("aecodec.network.device.has_cuda", lambda: True)


@pytest.mark.parametrize("quality", [15, 85])
def test_files_are_as_good_as_those_of_the_cpu(photo, on_cpu, quality):
    plain, data = (aecodec.compress(photo, quality, device=d) for d in ("cpu", "cuda"))
    assert abs(len(data) - len(plain)) < 0.02 * len(plain)
    assert abs(psnr(photo, aecodec.decompress(data)) - psnr(photo, aecodec.decompress(plain))) < 0.1


def test_every_way_of_asking(photo, on_cpu, tmp_path):
    Image.fromarray(photo).save(tmp_path / "a.png")
    size = aecodec.compress_file(tmp_path / "a.png", tmp_path / "a.aec", 40, device="cuda")
    assert size == (tmp_path / "a.aec").stat().st_size and Decoder(tmp_path / "a.aec").decode().shape == photo.shape
    part, roi = photo[:100, :90], np.zeros((100, 90), int)
    roi[:64, :64] = 30
    for how in ({"effort": 7}, {"roi": roi}, {"protect": True}, {"lossless": True}):
        assert aecodec.decompress(aecodec.compress(part, 40, device="cuda", **how)).shape == part.shape


def test_features_do_not_depend_on_the_windows(photo, monkeypatch):
    """The margin is wider than anything looks; sums of floating point differ in their order."""
    model = shipped()
    roi = np.add.outer(np.arange(192), np.arange(256)) // 8
    qualities = quality_map.of_roi(roi, header_for(192, 256, 30, RGB, model))
    whole = analysis.features(model, photo, 30, qualities, "cpu")
    monkeypatch.setattr(analysis, "WINDOW", 64)
    for a, b in zip(whole, analysis.features(model, photo, 30, qualities, "cpu"), strict=True):
        assert a.dtype == np.int16 and np.abs(a.astype(int) - b).max() <= 1


def test_features_of_other_shapes_are_refused(photo):
    model = shipped()
    found, frame = analysis.features(model, photo, 30, None, "cpu"), model.frame(header_for(192, 256, 30, RGB, model))
    model.network.encode_features(found, frame, model.betas)
    for wrong, message in (
        (found[:-1], "3 levels"),
        ([*found[:-1], found[-1][:, :, :-1]], "of level 3"),
        (found[::-1], "of level 0"),
    ):
        with pytest.raises(ValueError, match=message):
            model.network.encode_features([np.ascontiguousarray(f) for f in wrong], frame, model.betas)


@needs_no_gpu
def test_a_device_that_is_not_there_is_a_clear_error(photo, tmp_path):
    with pytest.raises(OptionError, match="no CUDA device"):
        aecodec.compress(photo, device="cuda")
    with pytest.raises(OptionError, match="cpu, cuda"):
        aecodec.compress(photo, device="tpu")
    with pytest.raises(OptionError, match="cpu, cuda"):
        aecodec.compress(photo, device="tpu", lossless=True)
    for name in ("a.png", "b.png"):
        Image.fromarray(photo).save(tmp_path / name)
    command = [sys.executable, "-m", "aecodec", "compress", "a.png", "b.png", "--device", "cuda"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0 and done.stderr.count("\n") == 1 and "no CUDA device" in done.stderr
    assert not list(tmp_path.glob("*.aec"))
