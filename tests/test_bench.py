import json
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from aecodec.bench.measure import Row, finite_psnr, measure
from aecodec.bench.summary import Curve, bd_rate, summarise
from aecodec.metrics import ms_ssim


def curve(bpp, psnr):
    return Curve(list(range(len(bpp))), list(bpp), list(psnr), None, [1.0], [1.0])


def test_bd_rate_of_known_curves():
    quality = np.linspace(25, 42, 8)
    rate = 0.1 * 2 ** ((quality - 25) / 4)
    assert bd_rate(curve(rate, quality), curve(rate, quality), "psnr") == pytest.approx(0, abs=1e-6)
    assert bd_rate(curve(rate, quality), curve(rate / 2, quality), "psnr") == pytest.approx(-50, abs=0.1)
    assert bd_rate(curve(rate, quality), curve(rate, quality + 4), "psnr") == pytest.approx(-50, abs=0.1)
    assert bd_rate(curve(rate, quality), curve(rate, quality), "ms_ssim") is None


def test_settings_that_give_the_same_file_count_once():
    quality = np.linspace(25, 42, 8)
    rate = 0.1 * 2 ** ((quality - 25) / 4)
    repeated = curve([*rate, rate[-1], rate[-1]], [*quality, quality[-1], quality[-1]])
    assert bd_rate(curve(rate, quality), repeated, "psnr") == pytest.approx(0, abs=1e-6)
    assert bd_rate(curve(rate, quality), curve([0.1] * 8, [100] * 8), "psnr") is None  # all without loss
    exact = summarise([Row("aec", "p", q, 100, 0.1, 100.0, 1.0, 1.0, 1.0) for q in (1, 2)])["aec"]["curve"]
    assert exact["ms_ssim"] == [100, 100]


def test_distortions():
    a = np.zeros((200, 200, 3), np.uint8)
    assert finite_psnr(a, a) == 100 and finite_psnr(a, a + 1) == pytest.approx(48.13, abs=0.01)
    assert ms_ssim(a, a) == pytest.approx(1) and ms_ssim(a[:100], a[:100]) is None


@pytest.mark.parametrize("codec", ["jpeg", "jpeg444", "webp", "avif", "jxl", "jp2", "aec"])
def test_every_codec_makes_real_files(codec, photo, tmp_path):
    Image.fromarray(photo).save(tmp_path / "p.png")
    rows = measure(codec, tmp_path / "p.png")
    assert len(rows) > 8
    assert rows[0].psnr < rows[-1].psnr and rows[0].size < rows[-1].size and rows[0].ms_ssim < rows[-1].ms_ssim
    assert all(r.bpp == 8 * r.size / (192 * 256) and r.encode_seconds > 0 for r in rows)


def test_command(photo, tmp_path):
    (tmp_path / "in").mkdir()
    Image.fromarray(photo).save(tmp_path / "in" / "p.png")
    command = [sys.executable, "-m", "aecodec", "bench", "--data", tmp_path / "in", "--out", tmp_path / "out"]
    done = subprocess.run([*command, "--codecs", "jpeg,aec", "--jobs", "2"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["jpeg"]["bd_rate_psnr"] == pytest.approx(0, abs=1e-9) and summary["aec"]["bd_rate_psnr"] < 0
    names = {"results.json", "results.csv", "summary.json", "table.md", "report.html"}
    names |= {f"{metric}.{suffix}" for metric in ("psnr", "ms_ssim", "psnr-linear", "ms_ssim-linear") for suffix in ("png", "svg")}
    assert {p.name for p in (tmp_path / "out").iterdir()} == names
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("<svg") == 4 and page.count("<figure") == 6 and not re.search("<!--[A-Z]+-->", page)
    bad = subprocess.run([*command, "--codecs", "jpeg,bpg"], capture_output=True, text=True)
    assert bad.returncode == 1 and "bpg" in bad.stderr and bad.stderr.count("\n") == 1
