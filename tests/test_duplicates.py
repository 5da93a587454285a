"""The embedding, and `aecodec duplicates`."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

import aecodec
from aecodec import duplicates, neighbours
from conftest import PHOTO


@pytest.fixture(scope="module")
def scenes() -> list[Image.Image]:
    """Parts of the example photograph that have nothing in common."""
    photo = Image.open(PHOTO).convert("RGB")
    return [photo.crop(box) for box in ((0, 0, 250, 250), (260, 0, 510, 250), (520, 0, 768, 250), (0, 260, 380, 512))]


def run(*arguments: object, status: int = 0) -> str:
    done = subprocess.run([sys.executable, "-m", "aecodec", "duplicates", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == status and "Traceback" not in done.stderr, done.stderr
    return done.stdout if status == 0 else done.stderr


def test_versions_are_close_and_others_are_not(scenes):
    points = [aecodec.embed(s) for s in scenes]
    assert all(p.shape == (128,) and p.dtype == np.float32 and abs(np.linalg.norm(p) - 1) < 1e-5 for p in points)
    apart = max(float(a @ b) for i, a in enumerate(points) for b in points[:i])
    for scene, point in zip(scenes, points, strict=True):
        small = scene.resize((scene.width // 2, scene.height // 2))
        versions = [
            scene.resize((300, 300)),
            small,
            ImageOps.mirror(scene),
            scene.crop((20, 20, scene.width - 20, scene.height - 20)),
        ]
        close = min(float(point @ aecodec.embed(v)) for v in versions)
        assert close > 0.6 > apart + 0.05
    assert aecodec.embed(scenes[0]) @ aecodec.embed(ImageOps.mirror(scenes[0])) > 0.97


def test_all_kinds_of_input_say_the_same(scenes, tmp_path):
    scene, path = scenes[0], tmp_path / "x.png"
    scene.save(path)
    point = aecodec.embed(scene)
    for same in (np.asarray(scene), path, str(path), path.read_bytes()):
        np.testing.assert_array_equal(aecodec.embed(same), point)
    data = aecodec.compress(scene, 60)
    (tmp_path / "x.aec").write_bytes(data)
    assert aecodec.embed(data) @ point > 0.9
    np.testing.assert_array_equal(aecodec.embed(tmp_path / "x.aec"), aecodec.embed(data))
    opaque = np.dstack([np.asarray(scene), np.full((scene.height, scene.width), 255, np.uint8)])
    np.testing.assert_array_equal(aecodec.embed(opaque), point)
    assert np.isfinite(aecodec.embed(np.zeros((1, 1), np.uint8))).all()
    with pytest.raises(aecodec.PictureError):
        aecodec.embed(b"no picture")
    with pytest.raises(FileNotFoundError):
        aecodec.embed(tmp_path / "none.png")


@pytest.fixture
def folder(scenes, tmp_path) -> Path:
    """Two groups, of three and of two, and two pictures alone, in folders of folders."""
    folder = tmp_path / "pictures"
    (folder / "below").mkdir(parents=True)
    scenes[0].save(folder / "a.png")
    scenes[0].resize((125, 125)).save(folder / "below" / "a.jpg", quality=60)
    (folder / "a.aec").write_bytes(aecodec.compress(scenes[0], 40))
    scenes[1].save(folder / "b.webp")
    scenes[1].crop((5, 5, 240, 240)).save(folder / "below" / "b.png")
    scenes[2].save(folder / "c.png")
    scenes[3].save(folder / "d.bmp")
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_groups_have_the_best_first(folder):
    found = json.loads(run(folder, "--json"))
    names = [[Path(row["path"]).relative_to(folder).as_posix() for row in group] for group in found["groups"]]
    assert found["pictures"] == 7 and names == [["a.png", "a.aec", "below/a.jpg"], ["b.webp", "below/b.png"]]
    assert all(group[0]["likeness"] == 1 and duplicates.THRESHOLD <= group[1]["likeness"] <= 1 for group in found["groups"])
    assert found["groups"][0][2]["width"] == 125
    assert "7 pictures, 2 groups" in run(folder) and "7 pictures, 0 groups" in run(folder, "--threshold", 1)


def test_what_is_known_is_not_read_again(folder, monkeypatch):
    read, seen = duplicates.read, []
    monkeypatch.setattr(duplicates, "read", lambda path: seen.append(path.name) or read(path))
    first = duplicates.scan(folder, 2)
    assert len(seen) == 7 and not first.failed
    again = duplicates.scan(folder, 2)
    assert len(seen) == 7
    assert {f.path for f in again.files} == {f.path for f in first.files}
    shutil.copy(folder / "c.png", folder / "b.webp")
    os.utime(folder / "b.webp", ns=(1, 1))
    (folder / "d.bmp").unlink()
    third = duplicates.scan(folder, 2)
    assert seen[7:] == ["b.webp"] and len(third.files) == 6
    cache = folder / duplicates.CACHE
    for damaged in (b"", b"garbage", cache.read_bytes()[:-4], b'{"tables": 3, "files": []}\n', b'{"files": [[1]]}\n' + bytes(512)):
        cache.write_bytes(damaged)
        del seen[:]
        assert len(duplicates.scan(folder, 2).files) == 6 and len(seen) == 6


def test_moving_loses_nothing(folder, tmp_path):
    target = tmp_path / "moved"
    (target / "below").mkdir(parents=True)
    (target / "below" / "a.jpg").write_bytes(b"was here")
    before = {p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    out = run(folder, "--move", target)
    assert (target / "below" / "a.jpg").read_bytes() == b"was here" and (target / "below" / "a-1.jpg").exists()
    assert {p.name for p in folder.rglob("*.*") if p.is_file()} == {
        "a.png",
        "b.webp",
        "c.png",
        "d.bmp",
        "notes.txt",
        duplicates.CACHE,
    }
    assert before <= {p.read_bytes() for p in [*folder.rglob("*"), *target.rglob("*")] if p.is_file()}
    assert f"-> {target / 'a.aec'}" in out
    assert "0 groups" in run(folder)


def test_a_page_shows_them(folder, tmp_path):
    page = tmp_path / "page.html"
    run(folder, "--html", page)
    text = page.read_text()
    assert text.count("<section>") == 2 and text.count("data:image/jpeg;base64,") == 5 and "<script" not in text
    page.write_text("mine")
    (folder / "broken.png").write_bytes(b"no")
    errors = run(folder, "--html", page, status=1)
    assert errors.startswith("aecodec:") and "page.html exists" in errors and "broken" not in errors  # before anything is read
    assert page.read_text() == "mine"


def test_what_cannot_be_read_is_named_and_the_rest_goes_on(folder):
    (folder / "broken.png").write_bytes((folder / "c.png").read_bytes()[:500])
    (folder / "cut.aec").write_bytes((folder / "a.aec").read_bytes()[:20])
    errors = run(folder, status=1).splitlines()
    assert len(errors) == 2 and all(any(name in line for line in errors) for name in ("broken.png", "cut.aec"))


def test_folders_must_not_hold_one_another(folder, tmp_path):
    assert "in another" in run(folder, folder / "below", status=2)
    assert "twice" in run(folder, folder, status=2)
    assert "leave" in run(folder, "--move", folder / "x", status=2)


def test_groups_over_several_blocks(monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK", 7)
    points = np.random.default_rng(0).normal(size=(40, 128)).astype(np.float32)
    points[33] = points[2]
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    files = [duplicates.File(Path(f"{i:02}"), 10, 10, i, 0) for i in range(40)]
    (group,) = duplicates.groups(files, list(points), 0.9)
    assert [f.path.name for f in group.files] == ["33", "02"] and group.likeness == [1.0, 1.0]


def test_no_chain_joins_what_is_not_alike():
    angles = np.radians(25) * np.arange(4)
    points = np.zeros((4, 128), np.float32)
    points[:, 0], points[:, 1] = np.cos(angles), np.sin(angles)
    files = [duplicates.File(Path(str(i)), 10, 10, 4 - i, 0) for i in range(4)]
    found = duplicates.groups(files, list(points), 0.85)
    assert [[f.path.name for f in group.files] for group in found] == [["0", "1"], ["2", "3"]]


def test_the_index_finds_what_the_products_find(monkeypatch):
    pytest.importorskip("faiss")
    rng, count = np.random.default_rng(0), 26_000
    points = rng.normal(size=(count, 16)).astype(np.float32)
    points[rng.permutation(count)[:300]] = points[:300] + rng.normal(size=(300, 16)) * 0.05
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    found = []
    for first in (count, count + 1):  # by the index, by products
        monkeypatch.setattr(neighbours, "INDEXED_FROM", first)
        free = np.ones(count, bool)
        found.append({(row, c) for row, close, _ in neighbours.neighbours(points, free, 0.98) for c in close.tolist()})
    assert len(found[1]) > 250 and found[0] <= found[1] and len(found[0]) > 0.97 * len(found[1])
    assert all(a < b for a, b in found[0])


def test_what_is_taken_is_not_found_again(monkeypatch):
    points, free = np.ones((5, 4), np.float32) / 2, np.ones(5, bool)
    rows = []
    for row, close, likeness in neighbours.neighbours(points, free, 0.9):
        free[close] = False
        rows.append((row, close.tolist(), likeness.tolist()))
    assert rows == [(0, [1, 2, 3, 4], [1.0] * 4)]
