import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from aecodec.bench.codecs import CODECS
from aecodec.bench.distortions import DEFAULT, finite_psnr
from aecodec.bench.measure import Row, measure
from aecodec.bench.summary import Curve, bd_rate, summarise
from aecodec.metrics import BUTTERAUGLI, butteraugli, ms_ssim, ssimulacra2


def curve(bpp, psnr):
    return Curve(list(range(len(bpp))), list(bpp), {"psnr": list(psnr)})


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
    exact = summarise([Row("aec", "p", q, 100, 0.1, 1.0, 1.0, psnr=100.0, ms_ssim=1.0) for q in (1, 2)])["aec"]["curve"]
    assert exact["ms_ssim"] == [100, 100]


def test_distortions():
    a = np.zeros((200, 200, 3), np.uint8)
    assert finite_psnr(a, a) == 100 and finite_psnr(a, a + 1) == pytest.approx(48.13, abs=0.01)
    assert ms_ssim(a, a) == pytest.approx(1) and ms_ssim(a[:100], a[:100]) is None
    assert ssimulacra2(a, a) == 100 and ssimulacra2(a[:4], a[:4]) is None


def test_perceptual_distortions_grow_with_the_noise(photo):
    noise = np.random.default_rng(0).normal(size=photo.shape)
    noisy = [np.clip(photo + strength * noise, 0, 255).astype(np.uint8) for strength in (2, 6, 18)]
    found = [ssimulacra2(photo, p) for p in noisy]
    assert 95 > found[0] > found[1] + 5 and found[1] > found[2] + 20
    if shutil.which(BUTTERAUGLI):
        found = [butteraugli(photo, p) for p in [photo, *noisy]]
        assert 0 == found[0] < found[1] < found[2] < found[3]


def test_an_icc_profile_costs_no_codec_anything(photo, tmp_path):
    Image.fromarray(photo).save(tmp_path / "p.png")
    Image.fromarray(photo).save(tmp_path / "q.png", icc_profile=bytes(5000))
    for codec in ("jpeg", "avif", "aec"):
        first, second = (measure(codec, tmp_path / name, ["psnr"])[0] for name in ("p.png", "q.png"))
        assert first.size == second.size and first.psnr == second.psnr


@pytest.mark.parametrize("codec", [c for c in CODECS if c != "aec7"])
def test_every_codec_makes_real_files(codec, photo, tmp_path):
    Image.fromarray(photo).save(tmp_path / "p.png")
    rows = measure(codec, tmp_path / "p.png")
    assert len(rows) > 8
    assert rows[0].ssimulacra2 < rows[-1].ssimulacra2
    assert rows[0].psnr < rows[-1].psnr and rows[0].size < rows[-1].size and rows[0].ms_ssim < rows[-1].ms_ssim
    assert all(r.bpp == 8 * r.size / (192 * 256) and r.encode_seconds > 0 for r in rows)


def test_command(photo, tmp_path):
    (tmp_path / "in").mkdir()
    Image.fromarray(photo).save(tmp_path / "in" / "p.png")
    command = [sys.executable, "-m", "aecodec", "bench", "--data", tmp_path / "in", "--out", tmp_path / "out"]
    done = subprocess.run([*command, "--codecs", "jpeg,aec", "--jobs", "2"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    rates = {codec: summary[codec]["bd_rate"]["jpeg"] for codec in ("jpeg", "aec")}
    assert rates["jpeg"]["psnr"] == pytest.approx(0, abs=1e-9) and rates["aec"]["psnr"] < 0 and rates["aec"]["ssimulacra2"] < 0
    names = {"results.json", "results.csv", "summary.json", "table.md", "report.html"}
    names |= {f"{d}{scale}.{suffix}" for d in DEFAULT for scale in ("", "-linear") for suffix in ("png", "svg")}
    assert {p.name for p in (tmp_path / "out").iterdir()} == names
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("<svg") == 6 and page.count("<figure") == 6 and not re.search("<!--[A-Z]+-->", page)
    before = [r for r in json.loads((tmp_path / "out" / "results.json").read_text()) if r["codec"] == "jpeg"]
    done = subprocess.run([*command, "--codecs", "webp", "--keep"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [r for r in rows if r["codec"] == "jpeg"] == before and {r["codec"] for r in rows} == {"jpeg", "webp", "aec"}
    Image.fromarray(photo).save(tmp_path / "in" / "another.png")
    bad = subprocess.run([*command, "--codecs", "webp", "--keep"], capture_output=True, text=True)
    assert bad.returncode == 1 and "other pictures" in bad.stderr and bad.stderr.count("\n") == 1
    bad = subprocess.run([*command, "--codecs", "jpeg,bpg"], capture_output=True, text=True)
    assert bad.returncode == 1 and "bpg" in bad.stderr and bad.stderr.count("\n") == 1
    bad = subprocess.run([*command, "--distortions", "psnr,vmaf"], capture_output=True, text=True)
    assert bad.returncode == 1 and "vmaf" in bad.stderr and bad.stderr.count("\n") == 1
