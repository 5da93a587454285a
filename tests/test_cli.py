"""The command line, as a subprocess."""

import io
import json
import subprocess
import sys
import tarfile

import numpy as np
import pytest
import tifffile
from PIL import Image

import aecodec
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


def test_info_of_stages(picture, tmp_path):
    run("compress", picture, "-q", 42)
    aec, pictures = tmp_path / "photo.aec", tmp_path / "new" / "stages"
    facts = json.loads(run("info", aec, "--stages", pictures, "--json").stdout)
    stages = facts["stages"]
    assert [s["scale"] for s in stages] == ["1/64", "1/32", "1/16", "1/16", "1/16", "1/8", "1/8"]
    assert stages[-1]["together"] == sum(s["bytes"] for s in stages)
    assert 0 <= sum(s["bytes"] for s in facts["streams"]) - stages[-1]["together"] < 25
    shown = [np.asarray(Image.open(s["picture"])) for s in stages]
    assert np.array_equal(shown[-1], aecodec.decompress(aec.read_bytes()))
    quality = [psnr(p, np.asarray(Image.open(picture))) for p in shown]
    assert quality[0] < quality[1] < quality[2] < quality[4] < quality[5] < quality[6]
    assert "stage-0.png exists already" in fails(tmp_path, "info", aec, "--stages", pictures)
    assert f"stage 6, at 1/8: {stages[6]['bytes']} bytes" in run("info", "-f", aec, "--stages", pictures).stdout
    Image.new("RGB", (40, 40)).save(tmp_path / "flat.png")
    run("compress", "--lossless", tmp_path / "flat.png")
    assert "without loss" in fails(tmp_path, "info", tmp_path / "flat.aec", "--stages", tmp_path / "none")
    assert not (tmp_path / "none").exists()


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


@pytest.fixture
def folder(photo, tmp_path):
    """Pictures of several formats, sizes and modes, in a tree, with two broken ones among them."""
    tree = tmp_path / "in"
    (tree / "deep" / "er").mkdir(parents=True)
    image = Image.fromarray(photo)
    image.save(tree / "a.png")
    image.convert("L").save(tree / "a.jpg")
    image.crop((0, 0, 33, 20)).save(tree / "deep" / "b.webp")
    image.convert("CMYK").save(tree / "deep" / "c.tiff")
    image.quantize(8).save(tree / "deep" / "er" / "d.gif")
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tree / "deep" / "turned.png", exif=exif)
    (tree / "empty.png").write_bytes(b"")
    (tree / "deep" / "half.png").write_bytes((tree / "a.png").read_bytes()[:900])
    (tree / "notes.txt").write_text("not a picture")
    return tree


def test_folders(folder, tmp_path):
    done = run("compress", "-r", folder, "-o", tmp_path / "out", "-q", 30)
    assert done.returncode == 1 and "8 files: 6 done, 0 kept, 2 failed" in done.stdout
    assert done.stderr.count("\n") == 2 and "empty.png" in done.stderr and "half.png" in done.stderr
    made = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file())
    assert made == ["a.jpg.aec", "a.png.aec", "deep/b.aec", "deep/c.aec", "deep/er/d.aec", "deep/turned.aec"]
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*")}
    again = run("compress", "-r", folder, "-o", tmp_path / "out", "-q", 30)
    assert again.returncode == 1 and "0 done, 6 kept, 2 failed" in again.stdout
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*")} == before
    back = run("decompress", "-r", tmp_path / "out", "-o", tmp_path / "back", "-j", 2, "--json")
    assert back.returncode == 0 and json.loads(back.stdout)["summary"]["done"] == 6
    assert Image.open(tmp_path / "back" / "deep" / "turned.png").size == (192, 256)
    assert Image.open(tmp_path / "back" / "a.jpg.png").mode == "L"
    assert "kept" in run("decompress", "-r", tmp_path / "out", "-o", tmp_path / "back").stdout
    assert "-r" in fails(tmp_path, "compress", folder)


def test_several_files_and_globs(folder, tmp_path):
    done = run("compress", folder / "a.png", folder / "deep" / "c.tiff", "-o", tmp_path / "out", "--json")
    files = json.loads(done.stdout)["files"]
    assert [f["status"] for f in files] == ["done", "done"]
    assert files[0]["bytes_after"] == (tmp_path / "out" / "a.aec").stat().st_size
    assert run("compress", str(folder / "deep" / "*.w*"), "-o", tmp_path / "out").returncode == 0
    assert (tmp_path / "out" / "b.aec").exists()
    assert "no such" in fails(tmp_path, "compress", str(folder / "*.nothing"))
    (tmp_path / "other").mkdir()
    (folder / "a.png").rename(tmp_path / "other" / "a.jpg")
    assert "two inputs" in fails(tmp_path, "compress", folder / "a.jpg", tmp_path / "other" / "a.jpg", "-o", tmp_path / "out")


def test_pipes(picture, photo, tmp_path):
    def pipe(data: bytes, *arguments) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, "-m", "aecodec", *map(str, arguments)], input=data, capture_output=True, timeout=120)

    coded = pipe(picture.read_bytes(), "compress", "-", "-", "-q", 50)
    assert coded.returncode == 0 and not coded.stderr
    assert pipe(picture.read_bytes(), "compress", "-", "-q", 50).stdout == coded.stdout
    assert run("compress", picture, tmp_path / "f.aec", "-q", 50).returncode == 0
    assert (tmp_path / "f.aec").read_bytes() == coded.stdout
    for kind, name in [("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP"), ("tiff", "TIFF"), ("ppm", "PPM")]:
        back = pipe(coded.stdout, "decompress", "-", "-", "--format", kind)
        assert Image.open(io.BytesIO(back.stdout)).format == name
    assert pipe(coded.stdout, "decompress", "-", tmp_path / "out.png").returncode == 0
    assert psnr(photo, np.asarray(Image.open(tmp_path / "out.png"))) > 30
    assert b"% of stdin" in pipe(picture.read_bytes(), "compress", "-", tmp_path / "g.aec").stdout
    assert pipe(b"nonsense", "placeholder", "-").stderr.startswith(b"aecodec: stdin: ")
    partial = pipe(coded.stdout[:-9], "decompress", "-", tmp_path / "part.png", "--allow-partial")
    assert partial.returncode == 0 and partial.stderr.startswith(b"aecodec: stdin: the file is cut short")
    bad = pipe(b"nonsense", "decompress", "-")
    assert bad.returncode == 1 and not bad.stdout and bad.stderr.startswith(b"aecodec: ")
    command = f"{sys.executable} -m aecodec"
    chain = f"{command} compress {picture} - | {command} decompress - - --format ppm | head -c 2"
    assert subprocess.run(["bash", "-c", chain], capture_output=True, timeout=120).stdout == b"P6"


def test_targets(picture, photo, tmp_path):
    out = tmp_path / "t.aec"
    assert "quality" in run("compress", picture, out, "--target-size", "6k").stdout
    assert 5000 < out.stat().st_size <= 6000
    assert "bits per pixel" in run("compress", "-f", picture, out, "--target-bpp", 0.5).stdout
    assert 0.45 < out.stat().st_size * 8 / (192 * 256) <= 0.5
    assert "dB" in run("compress", "-f", picture, out, "--target-psnr", 35).stdout
    run("decompress", out, tmp_path / "t.png")
    assert 35 <= psnr(photo, np.asarray(Image.open(tmp_path / "t.png"))) < 35.6
    out.unlink()
    assert "smallest" in fails(tmp_path, "compress", picture, out, "--target-size", 100)
    assert "without loss" in run("compress", "-f", picture, out, "--target-psnr", 80).stdout
    assert run("compress", picture, out, "--target-psnr", 30, "-q", 5).returncode == 2
    assert run("compress", picture, out, "--target-size", "much").returncode == 2


def test_parts(picture, tmp_path):
    coded = tmp_path / "photo.aec"
    assert run("compress", picture).returncode == 0
    assert run("decompress", coded, tmp_path / "whole.png").returncode == 0
    whole = np.asarray(Image.open(tmp_path / "whole.png"))
    assert run("decompress", coded, tmp_path / "part.png", "--region", "10,20,30,40").returncode == 0
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "part.png")), whole[20:60, 10:40])
    assert run("decompress", coded, tmp_path / "small.png", "--scale", 8).returncode == 0
    assert Image.open(tmp_path / "small.png").size == (32, 24)
    assert "region" in fails(tmp_path, "decompress", coded, tmp_path / "x.png", "--region", "250,0,10,10")
    assert run("decompress", coded, tmp_path / "x.png", "--region", "1,2").returncode == 2
    (tmp_path / "cut.aec").write_bytes(coded.read_bytes()[:-100])
    assert "cut short" in fails(tmp_path, "decompress", tmp_path / "cut.aec")
    done = run("decompress", tmp_path / "cut.aec", "--allow-partial")
    assert done.returncode == 0 and "cut short" in done.stderr and "guess" in done.stderr
    assert psnr(whole, np.asarray(Image.open(tmp_path / "cut.png"))) > 20


def test_bits(picture, tmp_path):
    coded = tmp_path / "photo.aec"
    assert run("compress", picture, "-q", 90).returncode == 0
    assert run("decompress", coded, tmp_path / "eight.png").returncode == 0
    eight = np.asarray(Image.open(tmp_path / "eight.png"))
    for name in ("sixteen.png", "sixteen.tiff"):
        done = run("decompress", coded, tmp_path / name, "--bits", 16)
        assert done.returncode == 0, done.stderr
    sixteen = tifffile.imread(tmp_path / "sixteen.tiff")
    assert sixteen.dtype == np.uint16 and np.abs(sixteen / 257 - eight).max() <= 0.51
    assert (tmp_path / "sixteen.png").read_bytes()[24] == 16  # IHDR's bit depth
    assert "PNG or TIFF" in fails(tmp_path, "decompress", coded, tmp_path / "sixteen.jpg", "--bits", 16)


def test_effort(picture, tmp_path):
    Image.open(picture).crop((0, 0, 128, 96)).save(tmp_path / "part.png")
    picture = tmp_path / "part.png"
    for effort in (1, 9):
        assert run("compress", picture, tmp_path / f"{effort}.aec", "-e", effort).returncode == 0
    assert (tmp_path / "1.aec").read_bytes() != (tmp_path / "9.aec").read_bytes()
    assert run("compress", picture, tmp_path / "0.aec", "-e", 0).returncode == 2


def test_an_effort_that_needs_torch_says_so_where_it_is_missing(tmp_path):
    """Once for all files; not where nothing is to be said, nor where the effort is not at fault."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        Image.new("RGB", (24, 16), (9, 80, 7)).save(folder / name)
    with tarfile.open(tmp_path / "shard.tar", "w") as shard:
        shard.add(folder / "a.png", "a.png")
    without = "import sys; sys.modules['torch'] = None; import aecodec.__main__"

    def said(*options, command=("compress", "-r", folder)) -> str:
        command = [sys.executable, "-c", without, *command, "-o", tmp_path / "out", "-f", *options]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stderr

    shards = "shards", "compress", tmp_path / "shard.tar"
    for line in (said("-e", 7), said("-e", 7, command=shards)):
        assert line.startswith("aecodec: effort 7 ") and "torch" in line and line.count("\n") == 1
    for options in (("-e", 4), ("-e", 7, "--quiet"), ("-e", 7, "--json"), ("-e", 7, "--lossless")):
        assert not said(*options)
    assert not said("-e", 7, "--quiet", command=shards)


def test_verify(picture, tmp_path):
    run("compress", picture)
    good, bad = tmp_path / "photo.aec", tmp_path / "bad.aec"
    data = bytearray(good.read_bytes())
    data[500] ^= 1
    bad.write_bytes(data)
    assert run("verify", good).returncode == 0
    done = run("verify", bad, good, tmp_path / "none.aec")
    assert done.returncode == 1 and "photo.aec: intact" in done.stdout
    assert "bad.aec" in done.stderr and "checksum" in done.stderr and "none.aec" in done.stderr and "Traceback" not in done.stderr


def test_a_file_is_named_once_whatever_its_name(tmp_path):
    (tmp_path / "a").write_bytes(b"text")
    for command in (("verify", "a"), ("compress", "a"), ("decompress", "a"), ("verify", "b")):
        done = run(*command, cwd=tmp_path)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith(f"aecodec: {command[1]}: "), done.stderr
        assert done.stderr.count(f"{command[1]}: ") == 1


def test_compare(picture, photo, tmp_path):
    run("compress", picture)
    facts = json.loads(run("compare", picture, tmp_path / "photo.aec", "--json", "--difference", tmp_path / "d.png").stdout)
    assert 30 < facts["psnr"] < 50 and 0.9 < facts["ms_ssim"] < 1
    difference = np.asarray(Image.open(tmp_path / "d.png"))
    assert difference.shape == photo.shape and abs(difference.mean() - 128) < 5
    assert "equal" in run("compare", picture, picture).stdout
    assert "exists already" in fails(tmp_path, "compare", picture, picture, "--difference", tmp_path / "d.png")
    Image.fromarray(photo[:50]).save(tmp_path / "other.png")
    assert "sizes" in fails(tmp_path, "compare", picture, tmp_path / "other.png")


def test_strip_and_animations(photo, tmp_path):
    image = Image.fromarray(photo)
    image.save(tmp_path / "a.png", icc_profile=b"profile")
    run("compress", tmp_path / "a.png")
    run("compress", tmp_path / "a.png", tmp_path / "b.aec", "--strip")
    sizes = [json.loads(run("info", tmp_path / f"{n}.aec", "--json").stdout)["metadata"] for n in "ab"]
    assert sizes == [{"icc": 7}, {}]
    image.save(tmp_path / "m.gif", save_all=True, append_images=[Image.fromarray(photo[::-1].copy())])
    assert "animated" in fails(tmp_path, "compress", tmp_path / "m.gif")
    assert run("compress", tmp_path / "m.gif", "--first-frame").returncode == 0
    run("decompress", tmp_path / "m.aec")
    assert psnr(photo, np.asarray(Image.open(tmp_path / "m.png").convert("RGB"))) > 20


def test_quiet(picture, folder, tmp_path):
    for arguments in (["compress", picture], ["compress", "-r", folder / "deep" / "er"], ["verify", tmp_path / "photo.aec"]):
        done = run(*arguments, "--quiet")
        assert done.returncode == 0 and not done.stdout and not done.stderr
