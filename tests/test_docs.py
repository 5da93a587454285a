"""Every example in the README and in docs/ runs, and the files that pages name exist.

Blocks marked "install", "test" or "long" are for people, or run elsewhere.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from aecodec.model import shipped
from conftest import PHOTO

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path):
    """What the examples may count on: photo.png, photo.jpg, photo.aec and a folder of pictures."""
    image = Image.open(PHOTO).convert("RGB").crop((0, 0, 256, 192))
    image.save(tmp_path / "photo.png")
    image.save(tmp_path / "photo.jpg", quality=95)
    (tmp_path / "pictures" / "more").mkdir(parents=True)
    image.crop((0, 0, 100, 60)).save(tmp_path / "pictures" / "a.png")
    image.convert("L").save(tmp_path / "pictures" / "more" / "b.png")
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_shell_examples(page, folder):
    commands = "".join(blocks(page, "sh"))
    (folder / "aecodec").write_text(f'#!/bin/sh\nexec {sys.executable} -m aecodec "$@"\n')
    (folder / "aecodec").chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-e", "-c", commands], cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_python_examples(page, folder):
    code = "\n".join(blocks(page, "python"))
    if not code:
        pytest.skip("no examples")
    subprocess.run([sys.executable, "-m", "aecodec", "compress", "photo.png"], cwd=folder, check=True, capture_output=True)
    prelude = "import numpy as np\nfrom PIL import Image\npixels = np.asarray(Image.open('photo.png'))\n"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", prelude + code], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr


def test_the_table_of_stages_is_the_models():
    text = (ROOT / "docs" / "library.md").read_text()
    for i, s in enumerate(shipped().shape["stages"]):
        pixels = 8 << s["level"]
        row = rf"^\| (\d, )?{i}(, \d)? \| {pixels} × {pixels} \| {s['latents'] // 4} \| {s['digits']} \|$"
        assert re.search(row, text, re.MULTILINE), i


@pytest.mark.parametrize("page", ["architecture.md", "glossary.md"])
def test_files_that_pages_name_exist(page):
    """A path begins at the root, in the package, in csrc or in tests."""
    names = {n for n in re.findall(r"`([\w./*-]+)`", (ROOT / "docs" / page).read_text()) if "/" in n or n.endswith(".py")}
    roots = [ROOT, ROOT / "codec" / "aecodec", ROOT / "csrc", ROOT / "tests"]
    assert len(names) > 10 and [n for n in sorted(names) if not any((r / n).exists() for r in roots)] == []


def test_examples_are_not_empty():
    assert sum(len(blocks(p, "sh")) for p in PAGES) > 6 and sum(len(blocks(p, "python")) for p in PAGES) > 5


def test_the_tests_that_the_page_on_robustness_names_exist():
    names = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "robustness.md").read_text()))
    there = {n for path in (ROOT / "tests").glob("*.py") for n in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)}
    assert len(names) > 40 and names - there == set()
