"""Other units inside the network: the same function, and what fixed point can hold."""

import copy

import numpy as np
import pytest
import torch

from aecodec.model import Model, shipped
from aecodec.network.fixed_point import CONV_INPUT_MAX, FEATURE_BITS, blocks, conv, export, placements
from aecodec.train import units
from aecodec.train.loop import Learned

LARGEST = CONV_INPUT_MAX / 2**FEATURE_BITS


@pytest.fixture(scope="module")
def crops():
    """Smooth and sharp ones: black and white edges are what latents are largest on."""
    random = np.random.default_rng(3)
    edges = np.kron(random.integers(0, 2, (2, 1, 8, 8)), np.ones((16, 16))) * np.array([255, 255, 255])[None, :, None, None]
    smooth = np.linspace(0, 255, 128)[None, None, None] * np.ones((2, 3, 128, 1))
    return torch.from_numpy(np.concatenate([edges, smooth])).float()


@pytest.fixture(scope="module")
def learned():
    return Learned.of(shipped())


@pytest.fixture(scope="module")
def fitted(learned, crops):
    return units.fitted(learned.net, learned.codebook.quantise, crops)


@torch.no_grad()
def results(net, codebook, x, quality):
    return net(x, torch.full((len(x),), quality), codebook.quantise)


@pytest.mark.parametrize("quality", [1.0, 40.0, 100.0])
def test_the_network_in_other_units_gives_the_same(learned, fitted, crops, quality):
    (pixels, bits), (again, more) = (results(net, learned.codebook, crops, quality) for net in (learned.net, fitted[0]))
    # a residual on the border of two codewords may fall to either side
    assert (pixels - again).abs().mean() < 0.05
    torch.testing.assert_close(bits, more, rtol=0.003, atol=1)


def test_units_are_worth_having(learned, fitted, crops):
    quantise = learned.codebook.quantise
    before, after = (units.ranges(net, quantise, crops) for net in (learned.net, fitted[0]))
    finest = f"stages.{len(learned.net.stages) - 1}.latents"
    assert before[finest].max() > LARGEST, "the test's pictures have no edge that is sharp enough"
    for name, largest in after.items():
        # before the FiLM layer sums have all 16 bits
        assert largest.max() <= LARGEST * (2 if name.endswith(".spatial") else 1), name
    hidden = [name for name, _ in blocks(learned.net)]
    assert np.mean([float(after[n].median() / before[n].median()) for n in hidden]) > 2, "hidden features are no finer than before"


def test_rows_of_int8_weights_are_full(fitted):
    placed = {p.name: conv(p) for p in placements(fitted[0]) if p.dtype == np.int8}
    assert len(placed) == len(list(blocks(fitted[0])))
    for name, tensors in placed.items():
        full = np.abs(tensors[f"{name}.weight"].astype(int)).max((1, 2, 3)) >= 126
        assert full.mean() > 0.95, name


def test_a_model_goes_back_to_the_units_it_was_trained_in(learned, fitted, crops, tmp_path):
    net, tensors = fitted
    export(net, learned.codebook, tmp_path / "model.safetensors", {}, tensors)
    model = Model(tmp_path / "model.safetensors")
    again = Learned.of(model)
    for (name, p), q in zip(learned.net.named_parameters(), again.net.parameters(), strict=True):
        if name.endswith(("mix.weight", "inject.weight")):
            assert (p - q).abs().max() < 0.01 * p.abs().max(), name  # int16 rows with the steps that int32 sums allow
    pixels, bits = results(learned.net, learned.codebook, crops, 50.0)
    others, more = results(again.net, again.codebook, crops, 50.0)
    # its weights have been rounded a second time, in other units
    torch.testing.assert_close(bits.sum(1), more.sum(1), rtol=0.04, atol=0)
    torch.testing.assert_close(*((y - crops).square().mean((1, 2, 3)) for y in (pixels, others)), rtol=0.06, atol=0)


def test_units_leave_room_for_what_is_added(learned, crops, tmp_path):
    """By the FiLM layer: more than is left of it after a leaky ReLU."""
    net = copy.deepcopy(learned.net)
    _, block = next(blocks(net))
    with torch.no_grad():
        block.film.bias[len(block.film.bias) // 2 :] = -20
    fitted, tensors = units.fitted(net, learned.codebook.quantise, crops)
    export(fitted, learned.codebook, tmp_path / "model.safetensors", {}, tensors)


@pytest.mark.parametrize(
    "wrong", [np.zeros(16), np.full(16, np.nan), np.full(16, 1e9), np.ones(5), np.ones((2, 8)), np.ones(16, np.int16)]
)
def test_units_that_are_none_are_refused(learned, fitted, tmp_path, wrong):
    tensors = {**fitted[1], "units.stages.0.latents": wrong if wrong.dtype == np.int16 else wrong.astype(np.float32)}
    path = tmp_path / "model.safetensors"
    export(fitted[0], learned.codebook, path, {"pixels": 0, "history": []}, tensors)
    with pytest.raises(ValueError, match=r"units\.stages\.0\.latents"):
        Learned.of(Model(path))


@pytest.mark.parametrize("name", ["units.nothing", "units.stages.0\nlatents", "units." + "x" * 10_000])
def test_units_of_nothing_are_refused_in_one_line(learned, fitted, tmp_path, name):
    path = tmp_path / "model.safetensors"
    export(fitted[0], learned.codebook, path, {"pixels": 0, "history": []}, {**fitted[1], name: np.ones(16, np.float32)})
    with pytest.raises(ValueError, match="holds no units") as error:
        Learned.of(Model(path))
    assert "\n" not in str(error.value) and len(str(error.value)) < 200
