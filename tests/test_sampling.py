"""Pictures from the prior."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import aecodec
from aecodec import _core
from aecodec.sampling import sample_file
from conftest import psnr, with_simd


@pytest.fixture(scope="module")
def file(photo) -> bytes:
    return aecodec.compress(photo[:128, :192], 50)


def test_the_seed_says_which_picture(simd):
    first = aecodec.sample((160, 96), seed=7)
    assert first.shape == (96, 160, 3) and first.dtype == np.uint8 and first.std() > 10
    assert np.array_equal(first, aecodec.sample((160, 96), seed=7, threads=1))
    assert not np.array_equal(first, aecodec.sample((160, 96), seed=8))


def test_all_instruction_sets_draw_the_same():
    found = set()
    for name in _core.available_simd():
        with with_simd(name):
            found.add(sample_file((96, 64), seed=3))
    assert len(found) == 1


def test_a_low_temperature_takes_the_likeliest():
    coldest = [sample_file((64, 64), seed=s, temperature=0) for s in (1, 2)]
    assert coldest[0] == coldest[1]
    sizes = [np.mean([len(sample_file((128, 128), seed=s, temperature=t)) for s in range(4)]) for t in (0.0, 0.5, 1.0)]
    assert sizes[0] < sizes[1] < sizes[2]


def test_coarse_codes_of_a_file_are_kept(photo, file):
    kept = aecodec.tokens(file).stages
    errors = []
    for stage in range(8):
        drawn = sample_file(like=file, stage=stage, seed=1)
        stages = aecodec.tokens(drawn).stages
        assert all(np.array_equal(a, b) for a, b in zip(stages[:stage], kept[:stage], strict=True))
        errors.append(psnr(photo[:128, :192], aecodec.decompress(drawn)))
    assert errors[0] < errors[3] < errors[5] < errors[7]
    assert np.array_equal(aecodec.sample(like=file, stage=7), aecodec.decompress(file))


def test_gray_files_give_gray_samples(photo):
    assert aecodec.sample(like=aecodec.compress(photo[:64, :64, 0], 40), stage=2).shape == (64, 64)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "size or a file"),
        ({"size": (0, 5)}, "width"),
        ({"size": "5x5"}, "size must be"),
        ({"size": "55"}, "width"),
        ({"size": 5}, "size must be"),
        ({"size": (9.5, 9)}, "width"),
        ({"size": (9, 2**30)}, "height"),
        ({"size": (9, 9), "temperature": "warm"}, "temperature"),
        ({"size": (9, 9), "seed": "x"}, "seed"),
        ({"size": (9, 9), "seed": 1.5}, "seed"),
        ({"size": (9, 9), "seed": 2**64}, "seed must be a whole number from 0 to 18446744073709551615"),
        ({"size": (9, 9), "stage": "first"}, "first stage"),
        ({"size": (9, 9), "threads": "2"}, "threads"),
        ({"size": (9, 9), "temperature": 5}, "temperature"),
        ({"size": (9, 9), "temperature": float("nan")}, "temperature"),
        ({"size": (9, 9), "seed": -1}, "seed"),
        ({"size": (9, 9), "quality": 0}, "quality"),
    ],
)
def test_wrong_options(arguments, message):
    with pytest.raises(aecodec.OptionError, match=message):
        aecodec.sample(**arguments)


def test_wrong_files(file, photo):
    with pytest.raises(aecodec.OptionError, match="first stage"):
        aecodec.sample(like=file, stage=8)
    with pytest.raises(aecodec.TruncatedFile):
        aecodec.sample(like=file[:100], stage=3)
    exact = aecodec.compress(np.zeros((40, 40, 3), np.uint8), 90)
    with pytest.raises(aecodec.PictureError):
        aecodec.sample(like=exact, stage=3)


def test_command(file, tmp_path):
    (tmp_path / "a.aec").write_bytes(file)

    def run(*arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "aecodec", "sample", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)

    assert run("s.png", "--size", "96x64", "--seed", "7").returncode == 0
    assert np.array_equal(np.asarray(Image.open(tmp_path / "s.png")), aecodec.sample((96, 64), seed=7))
    assert run("s.aec", "--like", "a.aec", "--from", "4").returncode == 0
    assert (tmp_path / "s.aec").read_bytes() == sample_file(like=file, stage=4)
    again = run("s.png", "--size", "96x64")
    assert again.returncode == 1 and "exists" in again.stderr and again.stderr.count("\n") == 1
    assert run("t.png", "--size", "96").returncode == 2 and run("t.xyz").returncode == 1
    assert run("t.png", "--from", "3").returncode == 2
    assert not (tmp_path / "t.png").exists()
