"""The command line, as a subprocess."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from conftest import psnr


def run(*arguments, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-W", "error", "-m", "aecodec", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def fails(folder, *arguments, status=1) -> str:
    """Runs a command that must fail with one line and leave the folder as it was; -> the line."""
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    done = run(*arguments)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    if status == 1:
        assert done.stderr.count("\n") == 1 and done.stderr.startswith("aecodec: ")
    return done.stderr


@pytest.fixture
def picture(photo, tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(photo).save(path)
    return path


def test_there_and_back(picture, photo, tmp_path):
    done = run("compress", picture)
    assert done.returncode == 0 and not done.stderr
    coded = tmp_path / "photo.aec"
    assert f"{coded.stat().st_size} bytes" in done.stdout
    assert run("decompress", coded, tmp_path / "back.png").returncode == 0
    assert psnr(photo, np.asarray(Image.open(tmp_path / "back.png"))) > 30
    assert run("decompress", coded, tmp_path / "back.jpg").returncode == 0
    assert Image.open(tmp_path / "back.jpg").format == "JPEG"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["back.jpg", "back.png", "photo.aec", "photo.png"]
    assert run("compress", picture, tmp_path / "small.aec", "-q", 5).returncode == 0
    assert (tmp_path / "small.aec").stat().st_size < coded.stat().st_size / 2


def test_existing_files_are_kept(picture, tmp_path):
    assert run("compress", picture).returncode == 0
    assert "exists already" in fails(tmp_path, "compress", picture, "-q", 5)
    assert "exists already" in fails(tmp_path, "decompress", tmp_path / "photo.aec")
    size = (tmp_path / "photo.aec").stat().st_size
    assert run("compress", "-f", picture, "-q", 5).returncode == 0
    assert (tmp_path / "photo.aec").stat().st_size < size


def test_info(picture, tmp_path):
    run("compress", picture, "-q", 42)
    text = run("info", tmp_path / "photo.aec").stdout
    assert "256 x 192 RGB" in text and "quality 42" in text
    facts = json.loads(run("info", tmp_path / "photo.aec", "--json").stdout)
    assert facts["quality"] == 42 and facts["bytes"] == (tmp_path / "photo.aec").stat().st_size


def test_bad_input(picture, tmp_path):
    assert run("compress", picture).returncode == 0
    good = (tmp_path / "photo.aec").read_bytes()
    bad = {"empty": b"", "text": b"just text\n" * 50, "cut": good[:-9], "damaged": good[:300] + b"\0\0\0" + good[303:]}
    for name, data in bad.items():
        (tmp_path / f"{name}.aec").write_bytes(data)
        assert name in fails(tmp_path, "decompress", tmp_path / f"{name}.aec")
        fails(tmp_path, "info", tmp_path / f"{name}.aec")
        (tmp_path / f"{name}.png").write_bytes(data)
        fails(tmp_path, "compress", tmp_path / f"{name}.png", tmp_path / "out.aec")
    (tmp_path / "half.png").write_bytes(picture.read_bytes()[:2000])
    assert "half.png" in fails(tmp_path, "compress", tmp_path / "half.png")
    assert "No such file" in fails(tmp_path, "compress", tmp_path / "missing.png")
    assert "No such file" in fails(tmp_path, "compress", picture, tmp_path / "nowhere" / "x.aec")
    assert "suffix" in fails(tmp_path, "decompress", tmp_path / "photo.aec", tmp_path / "x.unknown")
    fails(tmp_path, "compress", tmp_path)


def test_what_a_format_cannot_hold(tmp_path):
    Image.fromarray(np.full((20, 20, 4), 100, np.uint8)).save(tmp_path / "a.png")
    assert run("compress", tmp_path / "a.png").returncode == 0
    assert "JPEG" in fails(tmp_path, "decompress", tmp_path / "a.aec", tmp_path / "a.jpg")


def test_wrong_usage(picture, tmp_path):
    for arguments in (
        [],
        ["compress"],
        ["compress", picture, "-q", 0],
        ["compress", picture, "-q", "x"],
        ["nonsense"],
        ["train", "--data", tmp_path],
    ):
        assert run(*arguments).returncode == 2
    assert run("--help").returncode == 0 and run("--version").stdout.startswith("aecodec")


def test_start_is_light():
    """Using the codec never loads torch, and `import aecodec` loads neither NumPy nor Pillow."""
    code = "import sys, aecodec; print([m for m in ('numpy', 'PIL', 'torch') if m in sys.modules]);"
    code += "import numpy; aecodec.decompress(aecodec.compress(numpy.zeros((8, 8, 3), 'uint8'))); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split("\n")[:2] == ["[]", "False"], done.stderr
