"""Training by several processes, on this machine by gloo."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from test_train import TINY, pictures  # noqa: F401

from aecodec.errors import AecodecError
from aecodec.train import checkpoint, loop
from aecodec.train.loop import CHECKPOINT, Run
from aecodec.train.ranks import ALONE, Ranks, joined
from aecodec.train.settings import Settings

SETTINGS = {"batch": 4, "crop": 64, "minutes": 60, "warmup": 1, "validation_pictures": 3, "bfloat16": False}


def some_steps(run: Run) -> list[tuple[float, float, float]]:
    """In both phases, from the first on."""
    run.start()
    run.share()
    run.crops.start(0, run.ranks.parts(run.settings.accumulate))
    found = [run.train_step() for _ in range(2)]
    run.enter_codebook_phase()
    run.step = 15  # the gains are tuned in the step after it
    return [*found, *(run.train_step() for _ in range(2))]


def work(data: str, out: str) -> None:
    """What a rank does; in the end it writes everything that it has, and rank 1 is lost."""
    torch.set_num_threads(1)
    with joined("cpu") as ranks:
        torch.manual_seed(ranks.rank)
        run = Run(Path(data), Path(out), Settings(**SETTINGS, seed=0), TINY, ranks)
        if not ranks.leads:
            with torch.no_grad():
                run.net.stem.weight += 1  # it takes those of rank 0
        found = some_steps(run)
        told = ranks.agree(100.0 + ranks.rank, 15 * ranks.rank)
        checkpoint.save(Path(out) / f"{ranks.rank}.safetensors", run.tensors(), {"found": found, "told": told})
        if not ranks.leads:
            os._exit(9)
        run.train_step()


def test_two_ranks_compute_what_one_does_in_two_parts(pictures, tmp_path):  # noqa: F811
    """To the bit: weights, moments, averages and figures; and a rank that is left alone says so in one line."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", "import sys, test_ranks; test_ranks.work(*sys.argv[1:])", str(pictures), str(tmp_path)]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "PYTHONPATH": os.pathsep.join(sys.path)}
    ranks = [
        subprocess.Popen(command, env={**os.environ, **shared, "RANK": str(n)}, stderr=subprocess.PIPE, text=True) for n in (0, 1)
    ]
    errors = [process.communicate(timeout=300)[1] for process in ranks]
    assert [process.returncode for process in ranks] == [1, 9], errors
    assert "AecodecError: another process of the run is gone" in errors[0].splitlines()[-1]

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        run = Run(pictures, tmp_path, Settings(**SETTINGS, accumulate=2, seed=0), TINY)
        found = some_steps(run)
    finally:
        torch.set_num_threads(threads)
    for rank in (0, 1):
        groups, counters = checkpoint.load(tmp_path / f"{rank}.safetensors")
        assert counters["told"] == [100, 15]  # rank 0's clock, and a signal that came to rank 1
        assert [tuple(f) for f in counters["found"]] == found
        for group, tensors in run.tensors().items():
            assert groups[group].keys() == tensors.keys()
            assert all(torch.equal(groups[group][k], t) for k, t in tensors.items())


def test_parts_of_a_step_are_drawn_apart(pictures, tmp_path, monkeypatch):  # noqa: F811
    """The parts that two ranks draw are those of one rank with twice as many; no two of any steps are alike."""
    assert [Ranks(rank, 2).parts(3) for rank in (0, 1)] == [range(3), range(3, 6)] and ALONE.parts(6) == range(6)
    run = Run(pictures, tmp_path, Settings(**SETTINGS, accumulate=2), TINY)
    assert run.part == 2
    seen = [(run.crops.sample(1, step, part), run.qualities(1, step, part)) for step in (0, 1) for part in (0, 1)]
    assert len({(x.numpy().tobytes(), q.item()) for x, q in seen}) == 4
    run.crops.start(1, range(1, 3))
    for seeds in ((1, 1), (1, 2), (2, 1)):
        assert torch.equal(next(run.crops), run.crops.sample(2, *seeds))


def test_a_batch_that_cannot_be_shared_out_is_refused(pictures, tmp_path):  # noqa: F811
    with pytest.raises(ValueError, match=r"a batch of 4 crops \(--batch\) cannot be shared out to 3 processes"):
        Run(pictures, tmp_path, Settings(**SETTINGS), TINY, Ranks(0, 3))
    with pytest.raises(ValueError, match="1 processes with 8 parts each"):
        Run(pictures, tmp_path, Settings(**SETTINGS, accumulate=8), TINY)


def test_a_rank_without_a_gpu_of_its_own_says_so(monkeypatch):
    for name, value in (("WORLD_SIZE", "2"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(AecodecError, match="this machine has 1"), joined("cuda"):
        pass


def test_processes_that_are_started_again_go_on_with_the_run(pictures, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr(loop, "Shape", Mock(return_value=TINY, from_json=lambda _: TINY))
    changes = {**SETTINGS, "minutes": 0.01}

    def train() -> None:
        loop.train(pictures, tmp_path, None, None, tmp_path / "model.safetensors", None, changes)

    train()
    first = checkpoint.load(tmp_path / CHECKPOINT)[1]
    with pytest.raises(AecodecError, match="holds a run already"):
        train()
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    changes["minutes"] = first["seconds"] / 60 + 0.01
    train()
    again = checkpoint.load(tmp_path / CHECKPOINT)[1]
    assert again["step"] > first["step"] and len(again["history"]) == 2
