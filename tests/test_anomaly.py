"""The odd picture out: scores, maps, what they mean, files of models, and the command."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter
from safetensors.numpy import load as tensors_of
from safetensors.numpy import save_file

import aecodec
from aecodec import anomaly
from aecodec.anomaly.calibration import Level, interval

FAULT = (60, 30, 84, 54)  # left, top, right, bottom


def button(seed: int, fault: bool = False) -> np.ndarray:
    """A gray disc with two holes, never quite the same."""
    rng = np.random.default_rng(seed)
    image = Image.new("L", (120, 90), 60)
    draw = ImageDraw.Draw(image)
    x, y, r = 60 + rng.normal(0, 1.5), 45 + rng.normal(0, 1.5), 36 + rng.normal(0, 0.8)
    draw.ellipse((x - r, y - r, x + r, y + r), fill=170)
    for side in (-12, 12):
        draw.ellipse((x + side - 4, y - 4, x + side + 4, y + 4), fill=60)
    if fault:
        draw.polygon([(FAULT[0], FAULT[1]), (FAULT[2], FAULT[1] + 8), (FAULT[0] + 10, FAULT[3])], fill=90)
    noisy = np.asarray(image.filter(ImageFilter.GaussianBlur(1))) + rng.normal(0, 4, (90, 120))
    return np.clip(noisy, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def model() -> anomaly.AnomalyModel:
    return anomaly.fit(button(i) for i in range(60))


def test_faults_score_above_good_pictures_and_are_found(model):
    good = [model.score(button(1000 + i))[0] for i in range(40)]
    bad = [model.score(button(2000 + i, fault=True)) for i in range(20)]
    assert np.mean([b > g for b, _ in bad for g in good]) > 0.95
    inside = np.zeros((90, 120), bool)
    inside[FAULT[1] : FAULT[3], FAULT[0] : FAULT[2]] = True
    for score, places in bad:
        assert 0 <= score <= 1 and places.shape == (90, 120) and places.dtype == np.float32
        assert places.min() >= 0 and places.max() <= 1
        assert places[inside].mean() > 2 * places[~inside].mean()


def test_half_is_what_one_of_twenty_good_pictures_reaches(model):
    pictures = [button(5000 + i) for i in range(200)]
    found = [model.score(p) for p in pictures]
    low, high = model.uncertainty
    assert low < 0.05 < high
    assert np.mean([score >= 0.5 for score, _ in found]) <= high and np.median([score for score, _ in found]) < 0.3
    assert np.mean([places.max() >= 0.5 for _, places in found]) < 0.2
    share, between = model.share_of_good(found[0][0])
    assert between[0] <= share <= between[1] and 1 / 61 <= share <= 1


def test_twenty_pictures_work_and_say_how_little_they_know(model):
    small = anomaly.fit([button(i) for i in range(20)])
    scores = [[small.score(button(900 + i, fault=bad))[0] for i in range(20)] for bad in (False, True)]
    assert np.mean([b > g for b in scores[1] for g in scores[0]]) > 0.85
    assert small.uncertainty[1] - small.uncertainty[0] > 1.5 * (model.uncertainty[1] - model.uncertainty[0])
    with pytest.raises(aecodec.OptionError, match="too few"):
        anomaly.fit([button(i) for i in range(4)])


def test_levels_and_intervals():
    rng = np.random.default_rng(0)
    good = np.exp(rng.normal(0, 1, 2000))
    level = Level.of(good)
    assert np.mean(level(good) >= 0.5) == pytest.approx(0.05, abs=0.001)
    assert level(np.array([np.median(good)]))[0] == pytest.approx(0.1, abs=0.001)
    assert interval(1, 20) == pytest.approx((0.00256, 0.21611), abs=1e-4)  # tables of Clopper and Pearson
    assert interval(0, 20) == pytest.approx((0, 0.13911), abs=1e-4) and interval(20, 20)[1] == 1


def test_all_kinds_of_pictures(photo):
    model = anomaly.fit([np.roll(photo, i, 1) for i in range(8)])
    alpha = np.dstack([photo, np.full(photo.shape[:2], 255, np.uint8)])
    wide = photo.astype(np.uint16) * 257
    score = model.score(photo)[0]
    assert model.score(alpha)[0] == score == model.score(wide)[0] == model.score(Image.fromarray(photo))[0]
    hidden = alpha.copy()
    hidden[..., 3] = 0
    assert model.score(hidden)[0] == model.score(np.full((5, 5), 128, np.uint8))[0]
    for odd in (photo[:, :, 0], photo[:1, :1], photo[:1], np.zeros((3, 200), np.uint8), photo[:, ::-1]):
        value, places = model.score(odd)
        assert 0 <= value <= 1 and places.shape == odd.shape[:2] and np.isfinite(places).all()
    assert model.score(photo[::-1])[0] > max(score, 0.5)
    with pytest.raises(aecodec.PictureError):
        model.score(photo.astype(float))


def test_pictures_that_are_all_alike():
    for value in (0, 255):
        flat = np.full((20, 20), value, np.uint8)
        model = anomaly.fit([flat] * 6)
        assert model.score(flat)[0] < 0.2 and model.score(button(0))[0] > 0.9


def test_files_of_models_say_the_same(model, tmp_path):
    model.save(tmp_path / "a.model")
    again = anomaly.load(tmp_path / "a.model")
    for picture in (button(77), button(78, fault=True)):
        (a, here), (b, there) = model.score(picture), again.score(picture)
        assert a == b and np.array_equal(here, there)
    assert again.pictures == 60 and again.uncertainty == model.uncertainty


def test_whatever_a_file_holds_is_a_model_or_an_error_of_one_line(model, tmp_path):
    path = tmp_path / "hostile.model"
    whole = model.to_bytes()
    rng = np.random.default_rng(0)
    stored = tensors_of(whole)

    def refused():
        with pytest.raises(aecodec.ModelError) as caught:
            anomaly.load(path)
        text = str(caught.value)
        assert "\n" not in text and len(text) < 600

    for data in (b"", b"x", whole[:100], whole[:-1], b"\xff" * 100, (1 << 62).to_bytes(8, "little") + b"{}", whole + b"x"):
        path.write_bytes(data)
        refused()
    kind = {"aecodec": "anomaly 1"}
    for name in stored:
        for change in (
            lambda t: np.full_like(t, np.nan),
            lambda t: np.full_like(t, np.inf),
            lambda t: np.full_like(t, 1e30),
            lambda t: t[:0],
            lambda t: t[None],
            lambda t: t.astype(np.float64),
            lambda t: t.astype(np.int8),
        ):
            save_file({**stored, name: np.ascontiguousarray(change(stored[name]))}, path, kind)
            refused()
        save_file({k: v for k, v in stored.items() if k != name}, path, kind)
        refused()
        wild = rng.choice([-1e12, 0, 1e-30, 1e12], stored[name].shape).astype(np.float32)
        for values in (wild, np.zeros_like(wild), np.full_like(wild, 1e12)):  # numbers as such: a score, or an error
            save_file({**stored, name: values}, path, kind)
            try:
                value, places = anomaly.load(path).score(button(1))
            except aecodec.ModelError:
                continue
            assert 0 <= value <= 1 and np.isfinite(places).all()
    for metadata in (None, {"aecodec": "anomaly 2"}, {**kind, "more": "x"}):
        save_file(stored, path, metadata)
        refused()
    save_file({**stored, "more": np.zeros(1, np.float32)}, path, kind)
    refused()
    with path.open("wb") as file:
        file.truncate(1 << 40)  # sparse
    refused()
    path.unlink()
    with pytest.raises(FileNotFoundError):
        anomaly.load(path)
    with pytest.raises(IsADirectoryError):
        anomaly.load(tmp_path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("buttons")
    (folder / "good" / "more").mkdir(parents=True)
    for i in range(24):
        Image.fromarray(button(i)).save(folder / "good" / ("more" if i % 2 else "") / f"{i:02}.png")
    (folder / "good" / "last.aec").write_bytes(aecodec.compress(button(24), lossless=True))
    (folder / "bad.png").write_bytes(b"no picture")
    Image.fromarray(button(99, fault=True)).save(folder / "fault.png")
    return folder


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "aecodec", "anomaly", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert "Traceback" not in done.stderr
    return done


def test_command(folder):
    done = run(folder, "fit", "good", "-o", "normal.model")
    assert done.returncode == 0 and "25 pictures" in done.stdout and "%" in done.stdout
    again = run(folder, "fit", "good", "-o", "normal.model")
    assert again.returncode == 1 and "-f replaces it" in again.stderr and again.stderr.count("\n") == 1
    done = run(folder, "score", "normal.model", "fault.png", "good", "bad.png", "--map", "maps", "--json")
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "bad.png" in done.stderr
    report = json.loads(done.stdout)
    assert report["model"]["pictures"] == 25 and len(report["files"]) == 27
    fault, *good, bad = report["files"]
    assert fault["file"] == "fault.png" and fault["score"] > max(g["score"] for g in good) and fault["odd"] is True
    assert fault["share_of_good"] == pytest.approx(1 / 26, abs=1e-5) and bad["score"] is None and "bad.png" in bad["error"]
    heat, shown = (Image.open(folder / fault[name]) for name in ("map", "overlay"))
    assert heat.mode == "L" and shown.mode == "RGB" and heat.size == shown.size == (120, 90)
    _, places = anomaly.load(folder / "normal.model").score(button(99, fault=True))
    assert np.array_equal(np.asarray(heat), np.rint(255 * places).astype(np.uint8))
    assert len(list((folder / "maps").iterdir())) == 52
    assert run(folder, "score", "normal.model", "good", "--map", "fault.png").returncode == 2  # that is no folder
    kept = run(folder, "score", "normal.model", "fault.png", "--map", "maps")
    assert kept.returncode == 1 and "exists already" in kept.stderr
    line = run(folder, "score", "normal.model", "fault.png", "good/last.aec", "--map", "maps", "-f")
    assert line.returncode == 0 and "odd  fault.png" in line.stdout and "good good/last.aec" in line.stdout


def test_command_names_what_it_cannot_read_and_goes_on(folder, tmp_path):
    for i in range(6):
        Image.fromarray(button(i)).save(tmp_path / f"{i}.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "0.png").read_bytes()[:200])
    done = run(tmp_path, "fit", ".", "-o", "normal.model", "--json")
    assert done.returncode == 1 and "cut.png" in done.stderr and done.stderr.count("\n") == 1
    report = json.loads(done.stdout)
    assert report["pictures"] == 6 and len(report["failed"]) == 1 and (tmp_path / "normal.model").exists()
    (tmp_path / "empty").mkdir()
    for wrong in (
        ["fit", "empty", "-o", "new"],
        ["fit", "missing", "-o", "new"],
        ["score", "0.png", "1.png"],
        ["score", "no", "1.png"],
    ):
        failed = run(tmp_path, *wrong)
        assert failed.returncode == 1 and failed.stderr.strip(), wrong
    assert not (tmp_path / "new").exists()
