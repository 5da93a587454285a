"""Pictures as short strings."""

import json
import re
import shutil
import string
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

import aecodec
from aecodec import placeholders
from conftest import PHOTO, psnr

SCRIPT = Path(__file__).parent.parent / "examples" / "placeholder.js"


def small(picture: np.ndarray, like: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize(like.shape[1::-1], Image.Resampling.BOX))


def with_alpha(photo: np.ndarray) -> np.ndarray:
    mask = Image.new("L", photo.shape[1::-1])
    ImageDraw.Draw(mask).ellipse((20, 10, 220, 180), fill=255)
    return np.dstack([photo, np.asarray(mask)])


@pytest.fixture(scope="module")
def pictures(photo) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "photo": photo,
        "tall": np.ascontiguousarray(photo.transpose(1, 0, 2)),
        "square": photo[:, :192],
        "strip": np.tile(photo[:20], (1, 3, 1)),
        "gray": photo[:, :, 1],
        "alpha": with_alpha(photo),
        "gray alpha": with_alpha(photo)[:, :, [1, 3]],
        "clear": np.zeros((30, 40, 4), np.uint8),
        "pixel": np.full((1, 1, 3), 77, np.uint8),
        "white": np.full((64, 64, 3), 255, np.uint8),
        "noise": rng.integers(0, 256, (100, 100, 3)).astype(np.uint8),
        "wild": (rng.random((32, 24, 3)) < 0.5).astype(np.uint8) * 255,
    }


def test_lengths_are_kept_and_used(pictures):
    for name, picture in pictures.items():
        for length in (8, 16, 20, 28, 40, 100):
            text = aecodec.placeholder(picture, length=length)
            assert 1 <= len(text) <= length, name
            assert set(text) <= {*string.ascii_letters, *string.digits, "-", "_"}
    assert len(aecodec.placeholder(pictures["photo"])) == 28


def test_more_characters_show_more(photo):
    found = [aecodec.from_placeholder(aecodec.placeholder(photo, length=n)) for n in (8, 16, 28, 60)]
    errors = [psnr(small(photo, p), p) for p in found]
    assert errors == sorted(errors) and errors[2] > 16 and errors[3] > errors[0] + 4


def test_the_whole_photograph():
    photo = np.asarray(Image.open(PHOTO).convert("RGB"))
    shown = aecodec.from_placeholder(aecodec.placeholder(photo))
    assert shown.shape == (21, 32, 3) and psnr(small(photo, shown), shown) > 17.5


def test_ratio_colours_and_alpha_are_kept(pictures):
    for name, picture in pictures.items():
        shown = aecodec.from_placeholder(aecodec.placeholder(picture))
        assert shown.dtype == np.uint8 and shown.shape[2:] == picture.shape[2:] and max(shown.shape[:2]) == 32, name
        ratio = (shown.shape[1] / shown.shape[0]) / (picture.shape[1] / picture.shape[0])
        assert abs(np.log(ratio)) < 0.12 or name == "strip", name
        if name != "strip" and picture.shape[2:] in ((2,), (4,)):
            alpha = small(np.ascontiguousarray(picture[..., -1]), shown)
            assert psnr(alpha, shown[..., -1]) > 15, name
    assert abs(aecodec.from_placeholder(aecodec.placeholder(pictures["white"])).astype(int) - 255).max() <= 3
    assert abs(aecodec.from_placeholder(aecodec.placeholder(pictures["pixel"])).astype(int) - 77).max() <= 3


def test_what_nobody_sees_costs_nothing(photo):
    hidden = with_alpha(photo)
    changed = np.where(hidden[..., 3:] == 0, [[[255, 0, 255, 0]]], hidden).astype(np.uint8)
    assert aecodec.placeholder(hidden) == aecodec.placeholder(changed)


def test_sizes(photo):
    text = aecodec.placeholder(photo)
    large = aecodec.from_placeholder(text, (320, 240))
    assert large.shape == (240, 320, 3)
    first = aecodec.from_placeholder(text)
    assert psnr(small(large, first), first) > 38
    assert aecodec.from_placeholder(text, (1, 1)).shape == (1, 1, 3)
    for size in [(0, 5), (5, 5000), (5,), 5, (2.5, 3)]:
        with pytest.raises(aecodec.OptionError):
            aecodec.from_placeholder(text, size)
    for length in (5, 101, "x"):
        with pytest.raises(aecodec.OptionError):
            aecodec.placeholder(photo, length=length)


def test_what_is_no_placeholder(photo):
    for text in ["", "ä" * 28, "a b", "A" * 101, "_" * 28, None, b"abc"]:
        with pytest.raises(aecodec.DamagedFile):
            aecodec.from_placeholder(text)
    with pytest.raises(aecodec.DamagedFile, match="'!' is not in its alphabet"):
        aecodec.from_placeholder("abc!")
    rng, refused = np.random.default_rng(0), 0
    for _ in range(200):  # whatever stands there, a picture or this error
        text = "".join(rng.choice(list(placeholders.ALPHABET), rng.integers(1, 60)))
        try:
            aecodec.from_placeholder(text)
        except aecodec.DamagedFile:
            refused += 1
    assert refused > 100


def test_magnitudes_beyond_the_tables():
    shape = placeholders.tables().shape(1024, 3)
    magnitude = np.zeros(len(shape.scale), np.int64)
    magnitude[:4] = [0, 270, 15, 14]
    signs = np.arange(len(magnitude)) % 2 == 1
    (values,) = placeholders.unpacked(placeholders.packed(magnitude, signs, [shape], 3), [shape], 3)
    found = np.rint(values / 64 / placeholders.STEPS[3])
    assert np.array_equal(found[:5], [0, -270, 15, -14, 0])


def test_cosines_round_alike_everywhere():
    """No value is so near the middle of two whole numbers that the last bit of a library's cosine could decide."""
    exact = placeholders.UNIT * np.sqrt(2) * np.cos(2 * np.pi / placeholders.ANGLES * np.arange(placeholders.ANGLES))
    assert np.abs(exact - np.floor(exact) - 0.5).min() > 1e-6


def test_the_scripts_tables_are_the_packages():
    text = (Path(placeholders.__file__).parent / "weights" / "placeholder.json").read_text()
    inside = re.search("^const TABLES = (.*);$", SCRIPT.read_text(), re.MULTILINE)[1]
    assert json.loads(inside) == json.loads(text) and len(text) < 60_000
    for row in [
        *json.loads(text)["frequencies"],
        json.loads(text)["ratio_frequencies"],
        placeholders.KINDS,
        placeholders.STEP_TABLE,
    ]:
        assert sum(row) == 1 << placeholders.FREQUENCY_BITS and min(row) > 0


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
def test_javascript_gives_the_same_pixels(pictures, tmp_path):
    jobs = [(aecodec.placeholder(p, length=n), size) for p in pictures.values() for n, size in ((28, None), (60, (50, 41)))]
    code = f"""const {{decodePlaceholder}} = require({json.dumps(str(SCRIPT))});
        console.log(JSON.stringify({json.dumps(jobs)}.map(([text, size]) => {{
            const p = decodePlaceholder(text, ...(size ?? []));
            return [p.width, p.height, Array.from(p.data)];
        }})));
        for (const text of ["ä", "{"_" * 28}"]) try {{ decodePlaceholder(text); process.exit(3); }} catch (error) {{}}"""
    done = subprocess.run(["node", "-e", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    for (text, size), (width, height, data) in zip(jobs, json.loads(done.stdout), strict=True):
        ours = aecodec.from_placeholder(text, size)
        colours, alpha = (ours, None) if ours.shape[2:] in ((), (3,)) else (ours[..., :-1], ours[..., -1])
        rgb = np.broadcast_to(colours.reshape(*ours.shape[:2], -1), (*ours.shape[:2], 3))
        theirs = np.array(data, np.uint8).reshape(height, width, 4)
        assert np.array_equal(theirs[..., :3], rgb) and (theirs[..., 3] == (255 if alpha is None else alpha)).all()


def test_command(photo, tmp_path):
    Image.fromarray(photo).save(tmp_path / "photo.png")

    def run(*arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "aecodec", "placeholder", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    text = run("photo.png").stdout.strip()
    assert text == aecodec.placeholder(photo)
    assert len(run("photo.png", "--length", "20").stdout.strip()) <= 20
    assert run("--decode", text, "out.png", "--size", "320x240").returncode == 0
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out.png")), aecodec.from_placeholder(text, (320, 240)))
    again = run("--decode", text, "out.png")
    assert again.returncode == 1 and "exists" in again.stderr and again.stderr.count("\n") == 1
    for wrong in (["--decode", "___", "new.png"], ["--decode", text, "new.xyz"], ["missing.png"]):
        failed = run(*wrong)
        assert failed.returncode == 1 and failed.stderr.count("\n") == 1 and "Traceback" not in failed.stderr
    assert run("photo.png", "--size", "3x3").returncode == 2 and run("--decode", text).returncode == 2
    assert not (tmp_path / "new.png").exists()
