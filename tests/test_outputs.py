"""Outputs: whole or not at all, where and how a user of the shell expects them."""

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import aecodec
from aecodec import replacing as module
from aecodec.cli.messages import printable
from aecodec.replacing import replacing

pytestmark = pytest.mark.skipif(os.name != "posix", reason="of POSIX file systems")
COMMAND = [sys.executable, "-m", "aecodec"]


def run(*arguments, **options) -> subprocess.CompletedProcess:
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, timeout=120, **options)


@pytest.fixture
def tiny(tmp_path) -> Path:
    Image.new("RGB", (8, 8), "teal").save(tmp_path / "tiny.png")
    return tmp_path / "tiny.png"


@pytest.fixture
def coded(tiny) -> Path:
    aecodec.compress_file(tiny, tiny.with_suffix(".aec"))
    return tiny.with_suffix(".aec")


def test_a_device_is_written_to(tiny, tmp_path):
    device = tmp_path / "nul.aec"
    try:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        open(device, "wb").close()
    except PermissionError:
        pytest.skip("may not make devices")
    for force in ([], ["-f"]):
        assert run("compress", *force, tiny, device).returncode == 0
        assert stat.S_ISCHR(device.stat().st_mode)


def test_a_fifo_is_written_to(coded, tmp_path):
    fifo = tmp_path / "pipe.png"
    os.mkfifo(fifo)
    got = []
    reader = threading.Thread(target=lambda: got.append(fifo.read_bytes()))
    reader.start()
    done = run("decompress", coded, fifo)
    reader.join(20)
    assert done.returncode == 0 and got[0].startswith(b"\x89PNG") and stat.S_ISFIFO(fifo.stat().st_mode)


def test_a_second_argument_without_the_suffix_is_no_input(coded, tiny, tmp_path):
    coded.rename(tmp_path / "a.aec")
    before = sorted(tmp_path.iterdir())
    for command, status, word in (
        (("compress", tiny, tmp_path / "nosuffix"), 2, b"OUT must end in .aec"),
        (("compress", tiny, tmp_path / "missing.png"), 2, b"no such file"),
        (("compress", tmp_path / "missing.png", tiny), 1, b"missing.png: No such file"),
        (("compress", tiny, "/dev/full"), 1, b"/dev/full: No space"),
        (("decompress", tmp_path / "a.aec", tmp_path / "b.aec"), 2, b"OUT must not end in .aec"),
    ):
        done = run(*command)
        assert done.returncode == status and word in done.stderr and b"Traceback" not in done.stderr
        assert sorted(tmp_path.iterdir()) == before
    assert run("compress", tiny, "/dev/stdout").stdout == (tmp_path / "a.aec").read_bytes()
    done = run("compress", tiny, tmp_path / "missing.png", tmp_path / "other.png")  # of more than two, those that are there
    assert done.returncode == 1 and b"1 done, 0 kept, 2 failed" in done.stdout


def test_a_fifo_without_the_suffix_is_an_output(coded, tiny, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    got = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    assert run("compress", tiny, tmp_path / "pipe").returncode == 0
    reader.join(20)
    assert got == [coded.read_bytes()]


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_descriptors_are_written_to(coded, name, tmp_path):
    done = run("decompress", coded, name, "--format", "ppm", "-f")
    assert done.returncode == 0 and done.stdout.startswith(b"P6") and not done.stderr
    with open(tmp_path / "out", "wb") as out:
        command = [*COMMAND, "decompress", str(coded), name, "--format", "ppm", "-f"]
        assert subprocess.run(command, stdout=out, timeout=60).returncode == 0
    assert (tmp_path / "out").read_bytes() == done.stdout


def test_a_pipe_as_input(tiny, tmp_path):
    command = f"{' '.join(COMMAND)} compress <(cat {tiny}) {tmp_path / 'x.aec'}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=60)
    assert done.returncode == 0 and not done.stderr and aecodec.decompress((tmp_path / "x.aec").read_bytes()).shape == (8, 8, 3)


def test_symbolic_links_are_followed(tiny, tmp_path):
    (tmp_path / "real").mkdir()
    real = tmp_path / "real" / "r.aec"
    for before in (False, True):
        if before:
            real.write_bytes(b"old")
        link = tmp_path / f"link{before}.aec"
        link.symlink_to(real)
        assert run("compress", "-f", tiny, link).returncode == 0
        assert link.is_symlink() and aecodec.decompress(real.read_bytes()).shape == (8, 8, 3)


def test_modes(tiny, tmp_path):
    out = tmp_path / "m.aec"
    for mask, mode in ((0o022, 0o644), (0o077, 0o600), (0o002, 0o664)):
        out.unlink(missing_ok=True)
        assert run("compress", tiny, out, preexec_fn=lambda mask=mask: os.umask(mask)).returncode == 0
        assert stat.S_IMODE(out.stat().st_mode) == mode
    out.chmod(0o640)
    assert run("compress", "-f", tiny, out).returncode == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o640


def test_the_umask_is_never_changed(tmp_path):
    before = os.umask(0o077)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def one(i: int) -> int:
        with replacing(tmp_path / str(i)) as out:
            out.write(b"x")
        return stat.S_IMODE((tmp_path / str(i)).stat().st_mode)

    try:
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(one, range(2000))) == {0o600}
    finally:
        sys.setswitchinterval(interval)
        assert os.umask(before) == 0o077


def test_a_second_writer_loses_cleanly(tmp_path):
    barrier = threading.Barrier(6)

    def one(i: int) -> bool:
        barrier.wait()
        try:
            with replacing(tmp_path / "x", exclusive=True) as out:
                out.write(bytes([i]) * 1000)
            return True
        except FileExistsError as error:
            assert error.filename == str(tmp_path / "x")
            return False

    with ThreadPoolExecutor(6) as pool:
        won = list(pool.map(one, range(6)))
    assert sum(won) == 1 and (tmp_path / "x").read_bytes() == bytes([won.index(True)]) * 1000
    assert os.listdir(tmp_path) == ["x"]


def test_writers_without_force_at_the_command_line(tiny, tmp_path):
    command = [*COMMAND, "compress", str(tiny), str(tmp_path / "x.aec")]
    writers = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    results = [(w.communicate(timeout=100), w.returncode) for w in writers]
    assert sorted(code for _, code in results) == [0, 1, 1]
    assert all("exists already" in text[1] for text, code in results if code)


def test_names_as_long_as_the_file_system_takes(tiny, tmp_path):
    long = tmp_path / ("x" * 251 + ".aec")
    assert run("compress", tiny, long).returncode == 0 and long.exists()
    done = run("compress", tiny, tmp_path / ("x" * 252 + ".aec"))
    assert done.returncode == 1 and b"File name too long" in done.stderr and b".tmp" not in done.stderr


def test_messages_name_the_target(tiny, tmp_path):
    (tmp_path / "folder.aec").mkdir()
    for target in (tmp_path / "nowhere" / "x.aec", tmp_path / "folder.aec"):
        done = run("compress", "-f", tiny, target)
        assert done.returncode == 1 and str(target).encode() in done.stderr and b".tmp" not in done.stderr
        assert done.stderr.count(b"\n") == 1


def test_a_full_disk_is_said_of_the_target(tiny, tmp_path):
    Image.effect_noise((64, 64), 90).save(tmp_path / "noise.png")
    small = f"ulimit -f 2; exec {' '.join(COMMAND)} compress --lossless {tmp_path / 'noise.png'} {tmp_path / 'x.aec'}"
    for command, said in (
        ([*COMMAND, "compress", "-f", str(tiny), "-o", "/dev/full"], "/dev/full: No space left on device"),
        (["bash", "-c", small], f"{tmp_path / 'x.aec'}: File too large"),
        (["bash", "-c", f"{' '.join(COMMAND)} compress - {tmp_path / 'y.aec'} 0> /dev/null"], "stdin: Bad file descriptor"),
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and done.stderr == f"aecodec: {said}\n"
    assert not (tmp_path / "x.aec").exists()


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31mb", "a\u202eb", os.fsdecode(b"a\xffb")])
def test_messages_are_one_printable_line_whatever_the_name(tiny, coded, name, tmp_path):
    bad, good = tmp_path / f"{name}-bad.png", tmp_path / f"{name}.aec"
    bad.write_bytes(b"bad")
    (tmp_path / f"{name}-bad.aec").write_bytes(b"bad")
    good.write_bytes(coded.read_bytes())
    for command, status in (
        (("compress", bad), 1),
        (("compress", tiny, tmp_path / f"{name}-out.aec"), 0),
        (("verify", bad), 1),
        (("verify", good), 0),
        (("info", bad), 1),
        (("info", tmp_path / f"{name}-missing"), 1),
        (("compare", bad, bad), 1),
    ):
        done = run(*command)
        said = (done.stdout + done.stderr).decode()
        assert done.returncode == status and said.count("\n") == 1 and said[:-1].isprintable(), said
        assert said.replace("aecodec: ", "").startswith(str(tmp_path / "a"))
    done = run("info", good, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0 and not done.stderr
    assert all(line.isprintable() for line in done.stdout.decode().splitlines())


def test_names_are_escaped_as_bytes_or_characters():
    assert printable("é ü\u202f-\n\x1b" + os.fsdecode(b"\xff") + "\ud800") == "é ü\u202f-\\n\\x1b\\xff\\ud800"


def test_a_failure_leaves_no_empty_folder(tiny, coded, tmp_path):
    (tmp_path / "bad").mkdir()
    for name in ("bad/a.png", "bad/b.png", "bad/a.aec", "bad/a.tar"):
        (tmp_path / name).write_bytes(b"bad")
    before = sorted(tmp_path.rglob("*"))
    for command in (
        ("compress", tiny, "-o", tmp_path / "out" / "deep", "--limit-pixels", 10),
        ("compress", "-r", tmp_path / "bad", "-o", tmp_path / "out"),
        ("decompress", coded, "-o", f"{tmp_path / 'out'}/", "--limit-pixels", 10),
        ("decompress", "-r", tmp_path / "bad", "-o", tmp_path / "out"),
        ("shards", "compress", tmp_path / "bad" / "a.tar", "-o", tmp_path / "out" / "deep"),
    ):
        assert run(*command).returncode == 1 and sorted(tmp_path.rglob("*")) == before, command
    assert run("compress", tiny, "-o", tmp_path / "out" / "deep").returncode == 0
    assert (tmp_path / "out" / "deep" / "tiny.aec").read_bytes() == coded.read_bytes()


def test_stale_temporaries_are_removed(tiny, tmp_path):
    gone = subprocess.Popen(["true"])
    gone.wait()
    old = time.time() - 1000
    names = {f".aecodec-{module.host()}-{pid}-0123abcd.tmp": pid == gone.pid for pid in (gone.pid, os.getpid(), 1)}
    names[f".aecodec-00000000-{gone.pid}-0123abcd.tmp"] = names[".other-1-2.tmp"] = False  # another machine's, another program's
    for name in names:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (old, old))
    young = tmp_path / f".aecodec-{module.host()}-{gone.pid}-4567abcd.tmp"
    young.touch()
    assert run("compress", tiny, tmp_path / "x.aec").returncode == 0
    assert {name: not (tmp_path / name).exists() for name in names} == names and young.exists()


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    """A picture that takes seconds, as a file to decompress."""
    path = tmp_path_factory.mktemp("large") / "large.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (3000, 3000, 3), dtype=np.uint8)).save(path, compress_level=0)
    return path


@pytest.fixture
def heard():
    """No signal is ignored, as SIGHUP is beneath nohup, which programs that the tests start would take over."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGHUP, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
@pytest.mark.parametrize("command", ["compress", "compare"])
def test_signals_end_the_program_at_once_and_leave_nothing(large, name, status, command, tmp_path):
    arguments = ["compress", str(large), str(tmp_path / "x.aec"), "-q", "90"]
    if command == "compare":
        arguments = ["compare", str(large), str(large)]
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(4)  # it has begun
    assert process.poll() is None
    start = time.monotonic()
    process.send_signal(getattr(signal, name))
    _, errors = process.communicate(timeout=20)
    assert time.monotonic() - start < 4 and process.returncode == status  # a moment, but on a busy machine
    assert os.listdir(tmp_path) == [] and b"Traceback" not in errors and b"Aborted" not in errors


@pytest.mark.usefixtures("heard")
def test_what_is_being_written_is_removed_by_a_signal(tmp_path):
    code = f"""
import time
from pathlib import Path
from aecodec.cli import signals
from aecodec.replacing import replacing
signals.end_at_once()
with replacing(Path({str(tmp_path / "x")!r})) as out:
    out.write(b"half")
    out.flush()
    print("begun", flush=True)
    time.sleep(60)
"""
    for name in ("SIGTERM", "SIGHUP", "SIGINT"):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None and process.stdout.readline() == "begun\n"
        assert len(os.listdir(tmp_path)) == 1
        process.send_signal(getattr(signal, name))
        process.wait(10)
        assert os.listdir(tmp_path) == []


def test_input_and_output_the_same_file(tiny, tmp_path):
    before = tiny.read_bytes()
    (tmp_path / "link.png").symlink_to(tiny)
    os.link(tiny, tmp_path / "hard.aec")
    for arguments in (["-o", tiny], ["-o", tmp_path / "hard.aec"], [tmp_path / "hard.aec"]):
        done = run("compress", "-f", tiny, *arguments)
        assert done.returncode == 1 and b"same file" in done.stderr and tiny.read_bytes() == before
    with pytest.raises(aecodec.OptionError, match="same file"):
        aecodec.compress_file(tiny, tmp_path / "link.png")


def test_a_dot_in_a_folders_name(tiny, coded, tmp_path):
    (tmp_path / "tree").mkdir()
    tiny.rename(tmp_path / "tree" / "tiny.png")
    assert run("compress", "-r", tmp_path / "tree", "-o", tmp_path / "back.2024").returncode == 0
    assert (tmp_path / "back.2024" / "tiny.aec").exists()
    assert run("compress", tmp_path / "tree" / "tiny.png", "-o", tmp_path / "photos.2024").returncode == 0
    assert (tmp_path / "photos.2024" / "tiny.aec").exists()
    assert run("decompress", coded, "-o", tmp_path / "pictures.v1").returncode == 0
    assert (tmp_path / "pictures.v1" / "tiny.png").exists()
    assert run("decompress", coded, "-o", tmp_path / "named.tiff").returncode == 0
    assert Image.open(tmp_path / "named.tiff").format == "TIFF"


def test_suffixes_in_capitals(tiny, tmp_path):
    assert run("compress", tiny, tmp_path / "A.AEC").returncode == 0
    assert (tmp_path / "A.AEC").exists() and not (tmp_path / "A.aec").exists()
    (tmp_path / "up").mkdir()
    (tmp_path / "A.AEC").rename(tmp_path / "up" / "A.AEC")
    assert run("decompress", "-r", tmp_path / "up", "-o", tmp_path / "out").returncode == 0
    assert (tmp_path / "out" / "A.png").exists()
    assert run("compare", tiny, tmp_path / "up" / "A.AEC").returncode == 0


def test_patterns_under_folders_with_brackets(tiny, tmp_path):
    (tmp_path / "d[1]").mkdir()
    tiny.rename(tmp_path / "d[1]" / "tiny.png")
    assert run("compress", tmp_path / "d[1]" / "*.png").returncode == 0
    assert (tmp_path / "d[1]" / "tiny.aec").exists()


def test_json_and_a_picture_are_kept_apart(tiny, coded):
    done = run("compress", tiny, "-", "--json")
    assert done.returncode == 0 and aecodec.decompress(done.stdout).shape == (8, 8, 3) and b'"files"' in done.stderr
    done = run("decompress", coded, "-", "--json")
    assert done.stdout.endswith(b"IEND\xaeB`\x82") and b'"files"' in done.stderr


def test_closed_and_full_streams(tiny, coded):
    for command, word in (
        ("compress - - <&-", "stdin"),
        (f"compress {tiny} - >&-", "stdout"),
        (f"verify {coded} > /dev/full", "space"),
        (f"decompress {coded} - > /dev/full", "space"),
        (f"info {coded} --json > /dev/full", "space"),
        ("--help > /dev/full", "space"),
        ("compress --help > /dev/full", "space"),
    ):
        buffered = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}  # as it is for most users
        call = ["bash", "-c", f"{' '.join(COMMAND)} {command}"]
        done = subprocess.run(call, capture_output=True, text=True, timeout=60, env=buffered)
        assert done.returncode == 1 and word in done.stderr and done.stderr.count("\n") == 1, (command, done.stderr)
        assert "Traceback" not in done.stderr and f"{coded}: " not in done.stderr


def test_targets_that_are_no_numbers(tiny, tmp_path):
    for option in ("--target-size", "--target-bpp", "--target-psnr"):
        for value in ("nan", "inf", "-1"):
            done = run("compress", tiny, tmp_path / "x.aec", option, value)
            assert done.returncode == 2 and b"Traceback" not in done.stderr


def test_no_option_takes_what_is_no_number(tiny, coded, tmp_path):
    for command in (
        ("compress", tiny, tmp_path / "x.aec", "--target-ssimulacra2"),
        ("decompress", coded, tmp_path / "x.png", "--grain"),
        ("sample", tmp_path / "x.png", "--temperature"),
        ("duplicates", tmp_path, "--threshold"),
        ("anomaly", "score", tmp_path / "model", tiny, "--threshold"),
    ):
        done = run(*command, "nan")
        assert done.returncode == 2 and b"no finite number" in done.stderr and b"Traceback" not in done.stderr
    done = run("compress", tiny, tmp_path / "x.aec", "--target-ssimulacra2", "-inf")
    assert done.returncode == 2 and not (tmp_path / "x.aec").exists()


def test_files_that_are_no_pictures_for_us_are_left_alone(tiny, tmp_path):
    for name in ("film.mpg", "._tiny.jpg", "drawing.eps", "code.xbm"):
        (tmp_path / name).write_bytes(b"\0" * 100)
    done = run("compress", "-r", tmp_path)
    assert done.returncode == 0 and b"1 file: 1 done" in done.stdout
