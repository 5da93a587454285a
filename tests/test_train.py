import dataclasses
import itertools
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from aecodec import _core
from aecodec.metrics import ssimulacra2
from aecodec.model import Model, shipped
from aecodec.network.codebook import Codebook
from aecodec.network.fixed_point import restore
from aecodec.network.loss import VISUAL_SHARES, distortion, preview_error, rate_distortion, visible, visual_share
from aecodec.network.network import FEATURE_LAMBDAS, Network, Shape, StageShape, compute_in, quality_features
from aecodec.options import QUALITY_MAX, QUALITY_MIN, quality_to_lambda
from aecodec.train import checkpoint, data
from aecodec.train.data import Crops, is_validation, load, split, vivid
from aecodec.train.grow import grow
from aecodec.train.loop import CHECKPOINT, GAIN_EVERY, INITIAL, MOMENTS, Learned, Run
from aecodec.train.pack import pack
from aecodec.train.scenes import scene
from aecodec.train.settings import Settings
from aecodec.train.synthetic import synthetic

ROOT = Path(__file__).parent.parent
TINY = Shape(
    channels=(32, 32),
    hidden=(16, 16),
    analysis=(1, 1),
    stages=(StageShape(1, 16, 5, 1, 0), StageShape(0, 16, 4, 1, 4)),
)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of crops of the example photograph, some of them for validation."""
    from conftest import PHOTO

    folder = tmp_path_factory.mktemp("pictures")
    photo, rng = Image.open(PHOTO), np.random.default_rng(0)
    for i in range(60):
        x, y = rng.integers(768 - 128), rng.integers(512 - 128)
        photo.crop((x, y, x + 128, y + 128)).save(folder / f"{i}.png")
    return folder


def test_split_is_fixed_and_complete(pictures):
    train, validation = split(pictures)
    assert len(train) + len(validation) == 60 and validation
    assert all(map(is_validation, validation)) and not any(map(is_validation, train))
    with pytest.raises(ValueError, match="too few"):
        split(pictures.parent)


def test_a_packed_file_is_as_good_as_the_folder(pictures, tmp_path):
    whole, part = tmp_path / "whole.zip", tmp_path / "part.zip"
    assert pack(pictures, whole, 10**9) == 60
    for a, b in zip(split(pictures), split(whole), strict=True):
        assert [p.name for p in a] == [p.name for p in b]
        np.testing.assert_array_equal(load(a[0]), load(b[0]))
    a, b = (Crops(split(data)[0], 2, 64, 0).sample(4, 7) for data in (pictures, whole))
    torch.testing.assert_close(a, b, rtol=0, atol=0)
    limit = whole.stat().st_size // 2
    assert 20 < pack(pictures, part, limit) < 40 and part.stat().st_size <= limit
    assert len(split(part)[1]) == len(split(pictures)[1])
    part.write_bytes(b"no zip file")
    with pytest.raises(ValueError, match="neither"):
        split(part)


def test_crops_depend_on_the_seeds_alone(pictures):
    a, b, c = (Crops(split(pictures)[0], 2, 64, seed) for seed in (0, 0, 1))
    torch.testing.assert_close(a.sample(4, 7), b.sample(4, 7), rtol=0, atol=0)
    assert not torch.equal(a.sample(4, 7), a.sample(4, 8)) and not torch.equal(a.sample(4, 7), c.sample(4, 7))
    a.start(5)
    torch.testing.assert_close(next(a), b.sample(2, 5), rtol=0, atol=0)


def test_scenes_have_strong_colours_and_edges_that_are_not_jagged():
    rng = np.random.default_rng(0)
    for picture in (scene(64, rng) for _ in range(20)):
        assert picture.shape == (64, 64, 3) and picture.dtype == np.uint8
        differences = np.abs(np.diff(picture.astype(int), axis=1)).max(2)
        steps = (differences[:, 1:-1] > 60) & (differences[:, :-2] < 6) & (differences[:, 2:] < 6)
        assert steps.mean() < 0.03  # from one flat colour to another between two pixels; at any slant a pixel is between
    np.testing.assert_array_equal(scene(64, np.random.default_rng(1)), scene(64, np.random.default_rng(1)))


def test_vivid_crops_have_more_contrast_and_saturation(photo):
    x = torch.from_numpy(photo).float()
    saturation = lambda p: (p.amax(2) - p.amin(2)).mean().item()  # noqa: E731
    found = [vivid(x, 1 + 0.1 * i, 1 + 0.2 * i) for i in range(1, 7)]
    assert all(p.shape == x.shape and torch.equal(p, p.round().clamp(0, 255)) for p in found)
    assert all(saturation(p) > saturation(x) and p.std() > x.std() for p in found)
    many = vivid(torch.stack([x, x]), torch.tensor([1.1, 1.5])[:, None, None, None], torch.tensor([1.2, 2.0])[:, None, None, None])
    torch.testing.assert_close(many[1], vivid(x, 1.5, 2.0), atol=1, rtol=0)
    gray = x[:, :, :1].expand(-1, -1, 3)
    assert saturation(vivid(gray, 1.3, 2.0)) == 0


def test_crops_and_qualities_are_drawn_from_different_seeds(pictures, tmp_path, monkeypatch):
    run, sequence, states = Run(pictures, tmp_path, Settings(batch=1, crop=64), TINY), np.random.SeedSequence, []

    def spy(seeds: tuple[int, ...]) -> np.random.SeedSequence:
        states.append(tuple(sequence(seeds).generate_state(4)))
        return sequence(seeds)

    monkeypatch.setattr(np.random, "SeedSequence", spy)
    for seeds in ((0,), (1,), (2,), (INITIAL,), (INITIAL, 1)):
        run.crops.sample(1, *seeds)
        run.qualities(1, *seeds)
    assert len(set(states)) == len(states) == 10


def test_both_phases_learn(pictures, tmp_path, monkeypatch):
    """By the loss that validation has. With six crops a step: with two, the codebook phase of so small a network goes up or
    down with the seed. Without scenes and strong colours, which validation has none of, and 120 steps are few."""
    monkeypatch.setattr(data, "SCENE_SHARE", 0)
    monkeypatch.setattr(data, "VIVID_SHARE", 0)
    settings = Settings(batch=6, crop=64, minutes=60, warmup=10, learning_rate=3e-4, visual=0, validation_pictures=3)
    run = Run(pictures, tmp_path, settings, TINY)
    run.start()
    run.crops.start(0)
    first = run.validate()["validation_loss"]
    for _ in range(200):
        loss, bpp, db = run.train_step()
        assert np.isfinite([loss, bpp, db]).all()
    scalar = run.validate()["validation_loss"]
    assert scalar < first
    run.enter_codebook_phase()
    fitted = run.validate()["validation_loss"]
    for _ in range(120):
        run.train_step()
    assert run.validate()["validation_loss"] < fitted
    assert len(run.codebook.perplexity()) == 2 and all(1 <= p <= 256 for p in run.codebook.perplexity())
    for book in run.codebook.stages:
        assert not book.fine[:, :, 0].any()


def test_gains_find_back(pictures, tmp_path):
    """Steps four times too coarse get finer again, and the loss falls, by measured slopes alone."""
    settings = Settings(batch=4, crop=64, minutes=60, warmup=1, learning_rate=5e-4, validation_pictures=3, bfloat16=False)
    run = Run(pictures, tmp_path, settings, TINY)  # at a higher rate so small a network's loss goes up and down
    run.start()
    run.enter_codebook_phase()
    with torch.no_grad():
        for stage in run.net.stages:
            stage.log_gain.bias -= 1.4
    x, quality = run.crops.sample(8, 3), torch.linspace(20, 90, 8)

    def state() -> tuple[float, float]:
        with torch.no_grad():
            y, bits = run.net(x, quality, run.codebook.quantise)
            gains = [stage.gain(quality_features(quality), x.shape).log().mean().item() for stage in run.net.stages]
            return rate_distortion(x, y, bits, quality, run.settings.visual)[0].mean().item(), sum(gains)

    loss, gain = state()
    before = {n: p.clone() for n, p in run.net.named_parameters() if "log_gain.weight" not in n}
    for run.step in range(0, 120 * GAIN_EVERY, GAIN_EVERY):
        run.tune_gain(run.gain_slope(x, quality), run.rate())
    after = state()
    assert after[0] < 0.9 * loss and after[1] > gain
    for name, parameter in run.net.named_parameters():
        assert name not in before or torch.allclose(parameter, before[name], atol=1e-6)


@pytest.mark.parametrize("phase", ["scalar", "codebook"])
def test_a_resumed_run_makes_the_steps_of_an_uninterrupted_one(pictures, tmp_path, phase):
    settings = Settings(batch=2, crop=64, minutes=60)
    run = Run(pictures, tmp_path, settings, TINY)
    run.start()
    run.crops.start(0)
    for _ in range(3):
        run.train_step()
    if phase == "codebook":
        run.enter_codebook_phase()
        run.train_step()
    run.save()
    expected = [run.train_step() for _ in range(3)]
    again = Run(pictures, tmp_path, settings, TINY)
    again.resume(tmp_path / CHECKPOINT)
    assert again.phase == phase
    again.crops.start(again.step)
    assert [again.train_step() for _ in range(3)] == expected
    assert (again.step, again.pixels) == (run.step, run.pixels)
    for a, b in ((run.model, again.model), (run.average, again.average)):
        for x, y in zip(a.parameters(), b.parameters(), strict=True):
            assert torch.equal(x, y)
    x, y = run.adam.state_dict()["state"], again.adam.state_dict()["state"]
    assert x and x.keys() == y.keys() and all(torch.equal(x[i][k], y[i][k]) for i in x for k in MOMENTS)


def test_a_run_that_has_made_no_step_is_resumed(pictures, tmp_path):
    """Such is the checkpoint of what a GPU brought: there is nothing of the optimiser in it."""
    run = Run(pictures, tmp_path, Settings(batch=2, crop=64), TINY)
    run.start()
    run.save()
    again = Run(pictures, tmp_path, Settings(batch=2, crop=64), TINY)
    again.resume(tmp_path / CHECKPOINT)
    again.crops.start(again.step)
    assert np.isfinite(again.train_step()[0])


def test_features_of_a_quality_are_those_of_its_lambda():
    """So that a wider range of λ does not change what weights do at one."""
    qualities = torch.tensor([QUALITY_MIN, 30.0, 60.0, QUALITY_MAX])
    t = quality_features(qualities)[:, 1]
    assert t[0] < -1 and t[-1] == pytest.approx(1, abs=1e-6) and torch.allclose(t.diff(), t.diff()[0] * qualities.diff() / 29)
    low, high = map(math.log, FEATURE_LAMBDAS)
    assert ((t + 1) / 2 * (high - low) + low).exp().tolist() == pytest.approx([quality_to_lambda(q) for q in qualities.tolist()])


def test_checkpoint_survives_a_kill_while_it_is_written(tmp_path, monkeypatch):
    path = tmp_path / "c.safetensors"
    checkpoint.save(path, {"a": {"x": torch.ones(3)}}, {"step": 1})
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(path, {"a": {"x": torch.zeros(3)}}, {"step": 2})
    groups, counters = checkpoint.load(path)
    assert counters["step"] == 1 and groups["a"]["x"].sum() == 3


def test_a_run_is_carried_to_another_machine(pictures, tmp_path):
    """The next step is the same but for what 8 bits of the moments leave out."""
    settings, here, there = Settings(batch=1, crop=64, minutes=60, warmup=1), tmp_path / "here", tmp_path / "there"
    here.mkdir()
    run = Run(pictures, here, settings, TINY)
    run.start()
    run.crops.start(0)
    for _ in range(3):
        run.train_step()
    run.save()
    subprocess.run([sys.executable, ROOT / "tools" / "carry.py", here, there], check=True, timeout=300)
    assert (there / CHECKPOINT).stat().st_size < 0.85 * (here / CHECKPOINT).stat().st_size
    again = Run(pictures, there, settings, TINY)
    again.resume(there / CHECKPOINT)
    before = [p.clone() for p in run.model.parameters()]
    again.crops.start(again.step)
    run.train_step()
    again.train_step()
    moved = sum(((a - b) ** 2).sum() for a, b in zip(run.model.parameters(), before, strict=True))
    apart = sum(((a - b) ** 2).sum() for a, b in zip(run.model.parameters(), again.model.parameters(), strict=True))
    assert 0 < apart < 1e-3 * moved


@pytest.mark.parametrize("is_run", [False, True])
def test_the_mean_of_models_is_between_them(pictures, tmp_path, is_run):
    """Their codewords are in other orders, as an exported model has the shortest first. One may be a run, of the same weights."""
    models, out = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"], tmp_path / "mean.safetensors"
    run = Run(pictures, tmp_path, Settings(batch=1, crop=64), TINY)
    run.start()
    run.phase = "codebook"
    net, books = run.average.net, run.average.codebook.stages
    words, weight = books[0].fine.detach().clone(), net.stem.weight.detach().clone()
    scales = torch.ones(words.shape[2]), torch.linspace(1.1, 0.9, words.shape[2])  # the shorter words become the longer ones
    with torch.no_grad():
        for path, scale, factor in zip(models, scales, (1, 1.2), strict=True):
            books[0].fine.copy_(words * scale)
            net.stem.weight.copy_(weight * factor)
            run.export(path)
    run.save()
    command = [sys.executable, ROOT / "tools" / "soup.py", out, pictures]
    subprocess.run([*command, models[0], "0.25", tmp_path if is_run else models[1], "0.75"], check=True, timeout=300)
    mean = Model(out)
    found = Learned.of(mean)
    for (name, p), q in zip(net.named_parameters(), found.net.parameters(), strict=True):
        if name.endswith("spatial.weight"):
            assert (p - q).abs().max() < 0.02 * p.abs().max(), f"{name} is in other units"
    torch.testing.assert_close(found.net.stem.weight, weight * 1.15, rtol=0, atol=1e-3 * weight.abs().max().item())
    wanted = (words * (scales[0] + 3 * scales[1]) / 4).mT
    assert torch.cdist(wanted, found.codebook.stages[0].fine.mT).amin(2).max() < 0.01
    assert mean.metadata["record"]["history"][-1]["command"].startswith("python tools/soup.py")


def test_learning_rate_falls_to_its_floor():
    rates = [Settings(minutes=10).rate(1000, 60 * minutes) for minutes in (0, 5, 7.4, 9, 10)]
    assert rates[0] == rates[1] == rates[2] == 1e-3 and rates[2] > rates[3] > rates[4]
    assert rates[4] == pytest.approx(2e-5)


def test_a_constant_rate_falls_when_it_is_annealed():
    constant = Settings(minutes=10, decay_share=0)
    assert {constant.rate(1000, 60 * minutes) for minutes in (0, 5, 9.9)} == {1e-3}
    annealed = constant.annealed(seconds=300, minutes=2)
    assert [annealed.rate(1000, s) for s in (300, 360, 420)] == pytest.approx([1e-3, 5e-4, 2e-5])


def test_command_trains_exports_survives_a_kill_and_resumes(pictures, tmp_path):
    command = [sys.executable, "-m", "aecodec", "train", "--data", pictures, "--batch", "1", "--crop", "64", "--scalar-share", "1"]
    done = subprocess.run([*command, "--out", tmp_path, "--minutes", "0.15"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    model = Model(tmp_path / "model.safetensors")
    record = model.metadata["record"]
    assert record["pixels"] > 0 and "--minutes 0.15" in record["history"][0]["command"]
    assert record["validation_loss"] > 0
    picture = np.zeros((64, 64, 3), np.uint8)
    streams, _ = model.network.encode(picture, _core.Frame(*picture.shape[:2], 50, 10), model.betas)
    assert model.network.decode(streams, _core.Frame(64, 64, 50, 10)).shape == picture.shape
    assert all(json.loads(line)["loss"] > 0 for line in open(tmp_path / "log.jsonl"))

    again = subprocess.run([*command, "--out", tmp_path], capture_output=True, text=True, timeout=300)
    assert again.returncode == 1 and "holds a run already" in again.stderr and again.stderr.count("\n") == 1

    before = checkpoint.load(tmp_path / CHECKPOINT)[1]
    log = tmp_path / "log.jsonl"
    reported, deadline = log.stat().st_size, time.monotonic() + 120
    process = subprocess.Popen([*command, "--resume", tmp_path, "--minutes", "50"], stderr=subprocess.DEVNULL)
    try:
        while log.stat().st_size == reported:  # until it has made steps
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert checkpoint.load(tmp_path / CHECKPOINT)[1]["step"] >= before["step"]
    minutes = before["seconds"] / 60 + 0.05
    done = subprocess.run([*command, "--resume", tmp_path, "--minutes", str(minutes)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert checkpoint.load(tmp_path / CHECKPOINT)[1]["step"] > before["step"]
    assert len(Model(tmp_path / "model.safetensors").metadata["record"]["history"]) == 2

    kept, annealed = (tmp_path / CHECKPOINT).read_bytes(), tmp_path / "annealed"
    anneal = [*command, "--resume", tmp_path, "--anneal", "0.05", "--out", annealed]
    done = subprocess.run(anneal, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / CHECKPOINT).read_bytes() == kept and (annealed / "model.safetensors").exists()


def grown(pictures: torch.Tensor, **changes) -> tuple[Network, Codebook]:
    """The shipped model, with more residual blocks everywhere."""
    small = Shape.from_json(shipped().shape)
    stages = tuple(dataclasses.replace(s, refine=s.refine + 1) for s in small.stages)
    stages = (*stages[:-1], dataclasses.replace(stages[-1], latents=changes.get("latents", stages[-1].latents)))
    channels = (changes.get("channels", small.channels[0]), *small.channels[1:])
    shape = Shape(channels, small.hidden, tuple(n + 1 for n in small.analysis), stages)
    net, codebook, *old = Network(shape), Codebook(shape), Network(small), Codebook(small)
    restore(*old, shipped().tensors)
    grow(net, codebook, *old, pictures)
    return net, codebook


def test_a_grown_network_is_the_same_function(photo):
    x, quality = torch.from_numpy(photo)[None].permute(0, 3, 1, 2).float(), torch.tensor([60.0])
    small = Shape.from_json(shipped().shape)
    net, codebook = Network(small), Codebook(small)
    restore(net, codebook, shipped().tensors)
    more, codebook_of_more = grown(x)
    assert sum(p.numel() for p in more.parameters()) > 1.2 * sum(p.numel() for p in net.parameters())
    with torch.no_grad():
        for a, b in zip(net(x, quality, codebook.quantise), more(x, quality, codebook_of_more.quantise), strict=True):
            torch.testing.assert_close(a, b)
    with pytest.raises(ValueError, match="grows"):
        grow(Network(TINY), Codebook(TINY), net, codebook, x)


def test_a_grown_network_has_a_stage_for_the_preview(pictures, tmp_path):
    """Its preview is exact, within 6 dB of the decoded picture's means, though no step of training has been made."""
    settings = Settings(batch=4, crop=128, minutes=60, validation_pictures=3)
    late = dataclasses.replace(TINY, stages=(StageShape(1, 16, 5, 1, 4), StageShape(0, 16, 4, 1, 0)))  # codes means at 1/8
    small = Run(pictures, tmp_path, settings, late)
    small.start()
    shape = dataclasses.replace(late, stages=(StageShape(1, 16, 5, 0, 0), *late.stages))
    net, codebook = Network(shape), Codebook(shape)
    grow(net, codebook, small.net, small.codebook, small.crops.sample(24, 5))
    x, quality = small.crops.sample(8, 6), torch.full((8,), 60.0)
    found = []
    for n, c in ((small.net, small.codebook), (net, codebook)):
        decoded: list[torch.Tensor] = []
        with torch.no_grad():
            y, _ = n(x, quality, c.quantise, decoded)
        found.append([preview_error(x, p).mean().item() for p in (n.reduced(decoded), torch.nn.functional.avg_pool2d(y, 8))])
    assert found[1][0] < 0.01 * found[0][0] and found[1][0] < 4 * found[1][1]
    backwards = dataclasses.replace(TINY, stages=(*TINY.stages, TINY.stages[1]))
    with pytest.raises(ValueError, match="grows"):
        grow(Network(backwards), Codebook(backwards), small.net, small.codebook, x)


def test_new_features_bring_back_what_was_lost(photo):
    rng = np.random.default_rng(0)
    drawn = torch.from_numpy(np.stack([synthetic(128, rng) for _ in range(6)])).permute(0, 3, 1, 2).float()
    x, quality = torch.from_numpy(photo)[None].permute(0, 3, 1, 2).float(), torch.tensor([95.0])
    small = Shape.from_json(shipped().shape)
    wider = {"channels": small.channels[0] + 16, "latents": small.stages[-1].latents + 16}
    found = []
    for net, codebook in (grown(drawn), grown(drawn, **wider)):
        with torch.no_grad():
            errors = [distortion(p, net(p, quality.expand(len(p)), codebook.quantise)[0], 0).mean().item() for p in (drawn, x)]
        found.append(errors)
    assert found[1][0] < 0.9 * found[0][0] and found[1][1] < 1.1 * found[0][1]


def test_bfloat16_computes_nearly_the_same(photo):
    x, quality = torch.from_numpy(photo)[None].permute(0, 3, 1, 2).float(), torch.tensor([60.0])
    net, codebook = Network(Shape.from_json(shipped().shape)), Codebook(Shape.from_json(shipped().shape))
    restore(net, codebook, shipped().tensors)
    found = []
    for compute in (torch.float32, torch.bfloat16):
        compute_in(net, compute)
        with torch.no_grad():
            y, bits = net(x, quality, codebook.quantise)
        found.append(rate_distortion(x, y, bits, quality, visual=0)[0].item())
    assert found[0] != found[1] and found[1] == pytest.approx(found[0], rel=0.02)


def test_the_visible_error_ranks_pictures_as_ssimulacra2_does(photo):
    """Blur, noise, a coarser contrast and a shift of colour, each weak and strong: of two that SSIMULACRA2 finds clearly
    apart, the same is the better."""
    x = torch.from_numpy(photo)[None].permute(0, 3, 1, 2).float()
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    blur = torch.nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False) - x
    tint = torch.tensor([4.0, -4.0, 0.0])[None, :, None, None]
    changes = [2 * noise, 5 * noise, 12 * noise, blur, 0.3 * blur, 0.2 * (x.mean() - x), tint, 3 * tint]
    found = []
    for y in ((x + change).clamp(0, 255).round() for change in changes):
        pixels = y[0].permute(1, 2, 0).numpy().astype(np.uint8)
        found.append((ssimulacra2(photo, pixels), visible(x, y).item()))
    for (a, error_a), (b, error_b) in itertools.combinations(found, 2):
        assert abs(a - b) < 20 or (a > b) == (error_a < error_b), found
    assert visible(x, x).item() == 0
    dark = x.clamp(max=250)
    assert distortion(dark, dark + 3, 0).item() == pytest.approx(9)
    assert distortion(dark, dark + 3, 0.5).item() == pytest.approx(4.5 + 5 * visible(dark, dark + 3).item())


def test_what_is_beyond_the_range_costs_nothing_at_its_end():
    x = torch.tensor([0.0, 255, 0, 255, 10, 250]).reshape(1, 1, 2, 3).expand(1, 3, 2, 3).clone()
    y = torch.tensor([-90.0, 300, 4, 250, -8, 263]).reshape(1, 1, 2, 3).expand(1, 3, 2, 3).clone().requires_grad_()
    small, large = distortion(x, x, 0).item(), distortion(x, y, 0)
    assert small == 0 and large.item() == pytest.approx((4**2 + 5**2 + (10 + 1) ** 2 + (5 + 1) ** 2) / 6)
    large.sum().backward()
    slopes = y.grad[0, 0].flatten()
    assert slopes[:2].tolist() == [0, 0] and (slopes[2:].sign() == torch.tensor([1, -1, -1, 1])).all()


def test_the_visible_share_goes_from_knot_to_knot():
    for (quality, share), (after, then) in itertools.pairwise(VISUAL_SHARES):
        middle = torch.tensor([quality, (quality + after) / 2, after])
        expected = torch.tensor([share, (share + then) / 2, then])
        torch.testing.assert_close(visual_share(middle), expected)


def test_the_visible_error_has_a_gradient_everywhere(photo):
    x = torch.from_numpy(photo)[None, :64, :64].permute(0, 3, 1, 2).float()
    for y in (x.clone(), x - 300, x + 300):
        y.requires_grad_()
        visible(x, y).sum().backward()
        assert y.grad.isfinite().all()


def test_a_run_can_start_from_the_shipped_weights(pictures, tmp_path):
    run = Run(pictures, tmp_path, Settings(batch=1, crop=64, minutes=10, scalar_share=0, validation_pictures=2), Shape())
    run.start()
    fresh = run.validate()["validation_loss"]
    run.start_from(shipped())
    assert run.phase == "codebook" and run.validate()["validation_loss"] < 0.9 * fresh
