"""Shards: WebDataset tars and parquet files, here and in stores."""

import ast
import functools
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import aecodec
from aecodec.shards import Task, convert, finished, record_of


def png(pixels: np.ndarray, format: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format)
    return out.getvalue()


def write_tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1234567
            tar.addfile(info, io.BytesIO(data))
    return path


def read_tar(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        names = tar.getnames()
        assert len(set(names)) == len(names)
        return {m.name: tar.extractfile(m).read() for m in tar}


@pytest.fixture(scope="module")
def samples(photo) -> dict[str, bytes]:
    return {
        "a/001.jpg": png(photo[:64, :80], "JPEG"),
        "a/001.txt": b"a parrot",
        "a/001.cls": b"7",
        "a/002.png": png(photo[64:128, :64]),
        "a/002.jpg": png(photo[:32, :32], "JPEG"),
        "a/003.png": b"no picture",
        "a/003.json": b"{}",
    }


@pytest.fixture
def run(command_line):
    return functools.partial(command_line, "shards")


def test_a_tar_and_back(samples, tmp_path):
    source, target = write_tar(tmp_path / "0.tar", samples), tmp_path / "out" / "0.tar"
    stats = convert(str(source), str(target), Task(quality=40))
    out = read_tar(target)
    assert list(out) == ["a/001.aec", "a/001.txt", "a/001.cls", "a/002.png.aec", "a/002.jpg.aec", "a/003.png", "a/003.json"]
    assert all(out[name] == samples[name] for name in ("a/001.txt", "a/001.cls", "a/003.png", "a/003.json"))
    assert out["a/001.aec"] == aecodec.compress(Image.open(io.BytesIO(samples["a/001.jpg"])), 40)
    pictures = stats.pictures
    assert (pictures.done, pictures.failed, pictures.others) == (3, 1, 3) and pictures.failed_names == ["a/003.png"]
    assert [m.partition(":")[0] for m in pictures.errors] == ["PictureError"] and list(pictures.errors.values()) == [1]
    assert pictures.bytes_after == sum(len(data) for name, data in out.items() if name.endswith(".aec"))
    assert stats.shard_bytes_after == target.stat().st_size and stats.shard_bytes_before == source.stat().st_size
    record = json.loads(Path(record_of(str(target))).read_text())
    assert record["settings"] == Task(quality=40).settings() and record["pictures"]["done"] == 3
    convert(str(target), str(tmp_path / "back.tar"), Task("decompress"))
    back = read_tar(tmp_path / "back.tar")
    assert list(back) == ["a/001.png", *list(out)[1:3], "a/002.png.png", "a/002.jpg.png", "a/003.png", "a/003.json"]
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(back["a/001.png"]))), aecodec.decompress(out["a/001.aec"]))


def test_only_some_extensions(samples, tmp_path, run):
    files = {"x/1.jpg": samples["a/001.jpg"], "x/1.seg.png": samples["a/002.png"], "x.y/2.png": samples["a/002.png"]}
    write_tar(tmp_path / "0.tar", files)
    run("compress", tmp_path / "0.tar", "-o", tmp_path / "out", "--only", "jpg", "--only", "png")
    out = read_tar(tmp_path / "out" / "0.tar")
    assert list(out) == ["x/1.aec", "x/1.seg.png", "x.y/2.aec"] and out["x/1.seg.png"] == files["x/1.seg.png"]
    assert "other options" in run("compress", tmp_path / "0.tar", "-o", tmp_path / "out", status=1)[1]


def test_webdataset_reads_it(samples, tmp_path):
    webdataset = pytest.importorskip("webdataset")
    source, target = write_tar(tmp_path / "0.tar", samples), tmp_path / "1.tar"
    convert(str(source), str(target), Task())
    first = next(iter(webdataset.WebDataset(str(target), shardshuffle=False)))
    assert first["__key__"] == "a/001" and first["txt"] == b"a parrot" and aecodec.info(first["aec"])["width"] == 80


def test_only_a_batch_is_in_memory(photo, tmp_path, monkeypatch):
    data, sizes = png(photo[:8, :8]), []
    source = write_tar(tmp_path / "0.tar", {f"{i // 2}.{i}.png": data for i in range(70)} | {"z.txt": b"z"})
    rows = Task.rows
    monkeypatch.setattr(Task, "rows", lambda self, pictures: sizes.append(len(pictures)) or rows(self, pictures))
    stats = convert(str(source), str(tmp_path / "1.tar"), Task(effort=1))
    assert stats.pictures.done == 70 and max(sizes) == 16 and len(read_tar(tmp_path / "1.tar")) == 71


def test_what_is_too_large_is_copied(samples, tmp_path, monkeypatch):
    monkeypatch.setattr("aecodec.shards.tar.LIMIT", 100)
    stats = convert(str(write_tar(tmp_path / "0.tar", samples)), str(tmp_path / "1.tar"), Task())
    assert stats.pictures.done == 0 and stats.pictures.failed == 4 and read_tar(tmp_path / "1.tar") == samples


def hostile(samples: dict[str, bytes], folder: Path) -> dict[str, bytes]:
    whole = write_tar(folder / "whole.tar", samples).read_bytes()
    second = whole.index(b"a/001.txt")
    huge = tarfile.TarInfo("x.png")
    huge.size = 1 << 50
    name = tarfile.TarInfo("x")
    name.type, name.size = tarfile.GNUTYPE_LONGNAME, 1 << 40
    sparse = tarfile.TarInfo("x.png")
    sparse.type = tarfile.GNUTYPE_SPARSE
    return {
        "empty": b"",
        "no tar": b"no tar at all" * 100,
        "a damaged header": whole[:second] + b"?" + whole[second + 1 :],
        "cut in a member": whole[: second + 600],
        "cut after a member": whole[:second],
        "cut in a header": whole[: second + 100],
        "a huge member": huge.tobuf(tarfile.GNU_FORMAT),
        "a huge name": name.tobuf(tarfile.GNU_FORMAT),
        "sparse": sparse.tobuf(tarfile.GNU_FORMAT) + bytes(1024),
    }


def test_hostile_tars_are_errors_and_leave_nothing(samples, tmp_path):
    target = tmp_path / "out" / "0.tar"
    for what, data in hostile(samples, tmp_path).items():
        (tmp_path / "0.tar").write_bytes(data)
        with pytest.raises(aecodec.FileError):
            convert(str(tmp_path / "0.tar"), str(target), Task())
            pytest.fail(what)
        assert list(target.parent.iterdir()) == [], what


def test_records_are_bounded(tmp_path):
    source, target = write_tar(tmp_path / "0.tar", {f"{i}{'x' * 9000}.png": b"" for i in range(120)}), tmp_path / "1.tar"
    stats = convert(str(source), str(target), Task())
    assert stats.pictures.failed == 120 and len(stats.pictures.failed_names) == 100
    assert Path(record_of(str(target))).stat().st_size < 200_000 and finished(str(target)) is not None


def test_links_and_folders_are_left_out(tmp_path):
    with tarfile.open(tmp_path / "0.tar", "w") as tar:
        for name, type in (("d", tarfile.DIRTYPE), ("l.png", tarfile.SYMTYPE), ("h.png", tarfile.LNKTYPE), ("c", tarfile.CHRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = type, "/etc/passwd"
            tar.addfile(info)
    stats = convert(str(tmp_path / "0.tar"), str(tmp_path / "1.tar"), Task())
    assert stats.pictures.left_out == 4 and read_tar(tmp_path / "1.tar") == {}


def test_parquet_and_back(samples, tmp_path):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    secret = tmp_path / "secret.png"
    secret.write_bytes(samples["a/002.png"])
    image = [{"bytes": samples[n], "path": n} for n in ("a/001.jpg", "a/003.png")]
    image += [None, {"bytes": None, "path": str(secret)}, {"bytes": samples["a/002.png"], "path": None}]
    table = pa.table({"label": list("abcde"), "image": image}).replace_schema_metadata({"huggingface": "{}"})
    parquet.write_table(table, tmp_path / "0.parquet")
    stats = convert(str(tmp_path / "0.parquet"), str(tmp_path / "1.parquet"), Task(quality=40))
    out = parquet.read_table(tmp_path / "1.parquet")
    assert out.schema.equals(table.schema, check_metadata=True) and out.column("label").to_pylist() == list("abcde")
    values = out.column("image").to_pylist()
    data = aecodec.compress(Image.open(io.BytesIO(samples["a/001.jpg"])), 40)
    assert values[0] == {"bytes": data, "path": "a/001.aec"} and values[1:4] == image[1:4]
    assert values[4]["bytes"].startswith(data[:3]) and values[4]["path"] is None
    assert (stats.pictures.done, stats.pictures.failed, stats.pictures.others) == (2, 1, 2)
    convert(str(tmp_path / "1.parquet"), str(tmp_path / "2.parquet"), Task("decompress"))
    back = parquet.read_table(tmp_path / "2.parquet").column("image").to_pylist()
    assert back[0]["path"] == "a/001.png" and back[1:4] == image[1:4]
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(back[0]["bytes"]))), aecodec.decompress(data))


def test_parquet_of_bytes_alone_and_what_is_none(samples, tmp_path):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pa.table({"jpg": [samples["a/001.jpg"]] * 40, "n": range(40)}), tmp_path / "0.parquet")
    stats = convert(str(tmp_path / "0.parquet"), str(tmp_path / "1.parquet"), Task(column="jpg", effort=1))
    assert stats.pictures.done == 40 and parquet.ParquetFile(tmp_path / "1.parquet").num_row_groups == 1
    for column in ("image", "n"):
        with pytest.raises(aecodec.OptionError, match=column):
            convert(str(tmp_path / "0.parquet"), str(tmp_path / "2.parquet"), Task(column=column))
    for data in (b"", b"PAR1", (tmp_path / "0.parquet").read_bytes()[:-9]):
        (tmp_path / "3.parquet").write_bytes(data)
        with pytest.raises(aecodec.FileError):
            convert(str(tmp_path / "3.parquet"), str(tmp_path / "2.parquet"), Task())
    assert not (tmp_path / "2.parquet").exists()


def test_command_line_and_resume(samples, tmp_path, run):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for i in range(3):
        write_tar(folder / f"{i}.tar", samples)
    (folder / "3.tar").write_bytes(b"none")
    said, error = run("compress", folder, "-o", out, "-j", 2, "-e", 1, status=1)
    assert said.startswith("4 shards: 3 done, 0 kept, 1 failed; 9 pictures, ") and "left as they were: 3 pictures" in said
    assert "3.tar: the tar" in error and not (out / "3.tar").exists()
    (folder / "3.tar").unlink()
    before = {p.name: p.stat().st_mtime_ns for p in out.iterdir()}
    assert sorted(before) == sorted(f"{i}{end}" for i in range(3) for end in (".tar", "_stats.json"))
    (out / "1.tar").unlink()
    report = json.loads(run("compress", folder / "*.tar", "-o", out, "-e", 1, "--json")[0])
    assert [s["status"] for s in report["shards"]] == ["kept", "done", "kept"] and report["summary"]["pictures"]["done"] == 3
    assert {p.name for p in out.iterdir() if p.stat().st_mtime_ns != before[p.name]} == {"1.tar", "1_stats.json"}
    assert "other options" in run("compress", folder / "0.tar", "-o", out, "-q", 5, status=1)[1]
    (out / "0_stats.json").write_text("{")
    assert "without a record" in run("compress", folder / "0.tar", "-o", out, "-e", 1, status=1)[1]
    assert finished(str(out / "0.tar")) is None
    run("compress", folder / "0.tar", "-o", out, "-e", 1, "-f")
    assert "same file" in run("compress", folder / "0.tar", "-o", folder, "-f", status=1)[1]
    assert run("decompress", out, "-o", tmp_path / "back", "--format", "webp", "--quiet")[0] == ""
    assert "a/001.webp" in read_tar(tmp_path / "back" / "0.tar")
    assert "xyz" in run("decompress", out, "-o", tmp_path / "back", "--format", "xyz", status=1)[1]
    (folder / "0.parquet").touch()
    assert "0_stats.json" in run("compress", folder, "-o", out, status=1)[1]
    assert "no such .tar" in run("compress", tmp_path / "none", "-o", out, status=1)[1]


def test_urls(samples, tmp_path, run):
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    store.pipe("/in/0.tar", write_tar(tmp_path / "0.tar", samples).read_bytes())
    assert run("compress", "memory://in", "-o", "memory://out", "-e", 1)[0].startswith("1 shard: 1 done")
    convert(str(tmp_path / "0.tar"), str(tmp_path / "1.tar"), Task(effort=1))
    assert store.cat("/out/0.tar") == (tmp_path / "1.tar").read_bytes() and store.exists("/out/0_stats.json")
    assert run("compress", "memory://in/*.tar", "-o", "memory://out", "-e", 1)[0].startswith("1 shard: 0 done, 1 kept")
    store.pipe("/in/1.tar", b"none")
    assert "the tar" in run("compress", "memory://in/1.tar", "-o", "memory://out", "-e", 1, status=1)[1]
    assert not store.exists("/out/1.tar")
    assert "same file" in run("compress", "memory://in/0.tar", "-o", "memory://in", "-f", status=1)[1]
    assert "no such" in run("compress", "memory://nowhere", "-o", "memory://out", status=1)[1]
    assert "xyz" in run("compress", "xyz://in/0.tar", "-o", "memory://out", status=1)[1]


def test_s3(samples, tmp_path, run, s3):
    s3.pipe("bucket/in/0.tar", write_tar(tmp_path / "0.tar", samples).read_bytes())
    assert run("compress", "s3://bucket/in", "-o", "s3://bucket/out", "-e", 1)[0].startswith("1 shard: 1 done")
    assert run("compress", "s3://bucket/in", "-o", "s3://bucket/out", "-e", 1)[0].startswith("1 shard: 0 done, 1 kept")
    convert(str(tmp_path / "0.tar"), str(tmp_path / "1.tar"), Task(effort=1))
    assert s3.cat("bucket/out/0.tar") == (tmp_path / "1.tar").read_bytes()
    assert "bucket" in run("compress", "s3://bucket/in", "-o", "s3://no-bucket/out", status=1)[1]


DIES_ONCE = """
import os, sys
from pathlib import Path
from aecodec import cluster

def work(job, folder):
    if job == 1 and not Path(folder, "died").exists():
        Path(folder, "died").touch()
        os._exit(1)
    if job == 2:
        raise ValueError("two")
    return 10 * job

cluster.connect("local")
print({job: str(result).splitlines()[-1] for job, result in cluster.each(work, range(6), (sys.argv[1],), 2)})
"""


def test_ray_gives_the_shard_of_a_dead_worker_to_another(tmp_path):
    pytest.importorskip("ray")
    (tmp_path / "job.py").write_text(DIES_ONCE)
    command = [sys.executable, str(tmp_path / "job.py"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()  # and not what Ray has to say of the dead
    found = ast.literal_eval(line)
    assert (tmp_path / "died").exists() and found.pop(2).startswith("ValueError: two")
    assert found == {0: "0", 1: "10", 3: "30", 4: "40", 5: "50"}


def test_what_is_missing_is_said(samples, tmp_path, run, monkeypatch):
    write_tar(tmp_path / "0.tar", samples)
    for module in ("ray", "fsspec", "pyarrow"):
        monkeypatch.setitem(sys.modules, module, None)
    assert "aecodec[ray]" in run("compress", tmp_path / "0.tar", "-o", tmp_path / "out", "--ray", "auto", status=1)[1]
    assert "aecodec[s3]" in run("compress", "s3://bucket/0.tar", "-o", tmp_path / "out", status=1)[1]
    (tmp_path / "0.parquet").touch()
    assert "aecodec[shards]" in run("compress", tmp_path / "0.parquet", "-o", tmp_path / "out", status=1)[1]
