"""Files of other machines, by URL, and the work of a cluster on files."""

import io
import json
import sys

import numpy as np
import pytest
from PIL import Image

import aecodec


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def memory():
    pytest.importorskip("upath")
    store = pytest.importorskip("fsspec").filesystem("memory")
    store.store.clear()
    store.pseudo_dirs[:] = [""]
    return store


def test_a_folder_there_and_back(photo, memory, command_line, tmp_path):
    memory.pipe({"/in/a.png": png(photo[:64]), "/in/more/b.png": png(photo[64:128]), "/in/more/text.txt": b"none"})
    memory.pipe("/in/.hidden/c.png", png(photo[:8]))
    out = json.loads(command_line("compress", "-r", "memory://in", "-o", "memory://out", "-q", 40, "--json")[0])
    assert out["summary"]["done"] == 2 and {f["target"] for f in out["files"]} == {"memory://out/a.aec", "memory://out/more/b.aec"}
    assert memory.cat("/out/a.aec") == aecodec.compress(photo[:64], 40)
    assert sorted(memory.find("/out")) == ["/out/a.aec", "/out/more/b.aec"]
    said = command_line("compress", "-r", "memory://in", "-o", "memory://out", "-q", 40)[0]
    assert said.startswith("2 files: 0 done, 2 kept")
    command_line("decompress", "-r", "memory://out", "-o", tmp_path / "back")
    back = np.asarray(Image.open(tmp_path / "back" / "more" / "b.png"))
    np.testing.assert_array_equal(back, aecodec.decompress(memory.cat("/out/more/b.aec")))
    command_line("decompress", "memory://out/*.aec", "-o", "memory://pictures", "--format", "webp")
    assert memory.cat("/pictures/a.webp")[8:12] == b"WEBP"


def test_single_files(photo, memory, command_line, tmp_path):
    Image.fromarray(photo).save(tmp_path / "a.png")
    said = command_line("compress", tmp_path / "a.png", "memory://out/b.aec")[0]
    assert said.startswith("memory://out/b.aec: ") and said.rstrip().endswith("% of a.png")
    assert "b.aec exists already" in command_line("compress", tmp_path / "a.png", "memory://out/b.aec", status=1)[1]
    command_line("compress", "-f", "-q", 10, tmp_path / "a.png", "memory://out/b.aec")
    assert memory.cat("/out/b.aec") == aecodec.compress(photo, 10)
    command_line("decompress", "memory://out/b.aec", tmp_path / "b.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "b.png")), aecodec.decompress(memory.cat("/out/b.aec")))


def test_bad_files_are_one_line_each(photo, memory, command_line, tmp_path):
    memory.pipe({"/in/a.png": b"no picture", "/in/b.png": png(photo[:64])})
    out, err = command_line("compress", "-r", "memory://in", "-o", "memory://out", status=1)
    assert out.startswith("2 files: 1 done, 0 kept, 1 failed") and "memory://in/a.png" in err and "/tmp" not in err
    memory.pipe("/out/b.aec", memory.cat("/out/b.aec")[:-9])
    assert "memory://out/b.aec" in command_line("decompress", "memory://out/b.aec", tmp_path / "b.png", status=1)[1]
    assert not (tmp_path / "b.png").exists()
    for given, word in (("memory://nowhere/a.png", "nowhere"), ("memory://in/*.jpg", "no such files"), ("xyz://in", "xyz")):
        assert word in command_line("compress", given, "-o", "memory://out", status=1)[1]
    memory.pipe("/in/b.aec", png(photo[:64]))
    assert "same file" in command_line("compress", "-f", "memory://in/b.aec", "memory://in/b.aec", status=1)[1]


def test_a_second_writer_loses(photo, memory, monkeypatch, command_line, tmp_path):
    """Somebody makes the target while the picture is compressed."""
    Image.fromarray(photo[:64]).save(tmp_path / "a.png")
    real = aecodec.encoder.encode

    def slow(*arguments, **options):
        memory.pipe("/out/a.aec", b"theirs")
        return real(*arguments, **options)

    monkeypatch.setattr(aecodec.encoder, "encode", slow)
    assert "exists already" in command_line("compress", tmp_path / "a.png", "memory://out/a.aec", status=1)[1]
    assert memory.cat("/out/a.aec") == b"theirs"


def test_s3(photo, s3, command_line):
    s3.pipe("bucket/in/more/a.png", png(photo[:64]))
    assert command_line("compress", "-r", "s3://bucket/in", "-o", "s3://bucket/out")[0].startswith("1 file: 1 done")
    assert s3.cat("bucket/out/more/a.aec") == aecodec.compress(photo[:64])
    assert command_line("compress", "-r", "s3://bucket/in", "-o", "s3://bucket/out")[0].startswith("1 file: 0 done, 1 kept")
    assert "no-bucket" in command_line("compress", "-r", "s3://bucket/in", "-o", "s3://no-bucket/out", status=1)[1]


def test_ray_does_the_same(photo, command_line, tmp_path):
    ray = pytest.importorskip("ray")
    for name in ("a", "b", "c"):
        Image.fromarray(photo[:64]).save(tmp_path / f"{name}.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    how = ("--ray", "local", "-j", 2, "--json")
    try:
        found = command_line("compress", "-r", tmp_path, "-o", tmp_path / "out", "-q", 30, *how, status=1)
    finally:
        ray.shutdown()
    summary = json.loads(found[0])["summary"]
    assert summary["done"] == 3 and summary["failed"] == 1 and "bad.png" in found[1]
    assert all((tmp_path / "out" / f"{name}.aec").read_bytes() == aecodec.compress(photo[:64], 30) for name in "abc")
    assert "stdin" in command_line("compress", "-", tmp_path / "x.aec", "--ray", "local", status=1)[1]


def test_what_is_missing_is_said(command_line, monkeypatch):
    monkeypatch.setitem(sys.modules, "upath", None)
    assert "aecodec[s3]" in command_line("compress", "memory://in/a.png", status=1)[1]
