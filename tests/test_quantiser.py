import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from aecodec import _core
from aecodec.network import codebook as cb
from aecodec.network.lattice import UNIT_CELL, voronoi_code
from conftest import with_simd


def example(positions, groups, codewords, seed):
    """What bench/gpu.py compares a GPU's results on, too."""
    spec = importlib.util.spec_from_file_location("gpu", Path(__file__).parent.parent / "bench" / "gpu.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.example(positions, groups, codewords, seed)


@pytest.fixture
def book():
    torch.manual_seed(0)
    book = cb.StageCodebook(groups=3, rvq_levels=3)
    with torch.no_grad():
        book.fine += 0.05 * torch.randn_like(book.fine)
        book.log_weight += 0.3 * torch.randn_like(book.log_weight)
        book.project()
    return book


def latents(n=200, groups=3):
    """-> residuals and their σ."""
    torch.manual_seed(1)
    sigma = (torch.rand(n, groups, 4) * 3 - 1).exp()
    return torch.randn(n, groups, 4) * sigma * 1.3, sigma


def test_lattice_is_the_voronoi_code():
    words = voronoi_code()
    points = np.round(words / UNIT_CELL).astype(int)
    np.testing.assert_allclose(points * UNIT_CELL, words)
    assert words.shape == (256, 4) and not words[0].any()
    assert (points.sum(1) % 2 == 0).all()  # in D4
    # No two are in one coset of 4·D4: no difference is 4 times a point of D4.
    difference = points[:, None] - points[None]
    quarter = difference // 4
    same = (difference % 4 == 0).all(2) & (quarter.sum(2) % 2 == 0)
    assert same.sum() == 256
    # Mean squared error of a wide uniform source: D4's second moment, 0.0766 a dimension for cells of volume 1.
    source = np.random.default_rng(0).uniform(-1, 1, (4000, 4)).astype(np.float32)
    found = words[_core.nearest(source, np.ascontiguousarray(words.T, np.float32), (words**2).sum(1).astype(np.float32) * 0)]
    assert 0.070 < ((source - found) ** 2).mean() < 0.081


def test_rvq_levels_reach_far_and_nest():
    """Three RVQ levels of the lattice quantise anything within ±20 steps to nearly the lattice's own precision."""
    rng = np.random.default_rng(2)
    lattice = np.ascontiguousarray(voronoi_code().T, np.float32)
    residual = rng.uniform(-20, 20, (3000, 1, 4)).astype(np.float32)
    sigma = np.full_like(residual, 20)
    zeros = np.zeros((1, 2, 256), np.float32)
    code, value, bits = _core.quantise(
        residual, sigma, lattice[None].copy(), lattice, zeros, np.full(2, 0.0766, np.float32), 3, 0.0
    )
    error = ((residual - value) ** 2).mean()
    assert error < 0.085 and np.abs(residual - value).max() < 2
    scales = np.array([16.0, 4.0, 1.0])
    np.testing.assert_allclose((lattice.T[code[:, 0]] * scales[None, :, None]).sum(1), value[:, 0], atol=1e-4)
    assert 14 < bits.mean() < 26


def test_variants_agree_to_the_bit(book):
    residual, sigma = latents(2000)
    arrays = [t.detach().contiguous().numpy() for t in (residual, sigma, *book.tables())]
    results = []
    for name in _core.available_simd():
        with with_simd(name):
            results.append(_core.quantise(*arrays, 3, cb.BETA, threads=2))
    for result in results:
        for a, b in zip(result, results[0], strict=True):
            np.testing.assert_array_equal(a, b)


def test_search_beats_the_greedy_one_and_counts_the_same_bits(book):
    residual, sigma = latents()
    tables = book.tables()
    value, bits, code, _ = cb.quantise(residual, sigma, *tables, 3, cb.BETA)
    _, same_value, same_bits, _, _ = cb.reference(residual, sigma, tables, 3, cb.BETA, code)
    torch.testing.assert_close(value, same_value)
    torch.testing.assert_close(bits, same_bits, atol=1e-3, rtol=1e-3)
    _, greedy, greedy_bits, _, _ = cb.reference(residual, sigma, tables, 3, cb.BETA)

    def cost(v, b):
        return ((residual - v) ** 2).sum() + cb.BETA * b.sum()

    assert cost(value, bits) < cost(greedy, greedy_bits)


def test_gradients_are_those_of_the_torch_definition(book):
    residual, sigma = (t.requires_grad_() for t in latents())
    leaves = [residual, sigma, book.fine, book.log_weight, book.log_variance]
    value, bits, code, _ = cb.quantise(residual, sigma, *book.tables(), 3, cb.BETA)
    torch.manual_seed(3)
    grad_value, grad_bits = torch.randn_like(value), torch.rand_like(bits)
    ours = torch.autograd.grad((value * grad_value).sum() + (bits * grad_bits).sum(), leaves)

    # The same codes through torch, and autograd.
    _, hard, hard_bits, soft, soft_bits = cb.reference(residual, sigma, book.tables(), 3, cb.BETA, code)
    loss = ((hard + soft) * grad_value).sum() + ((hard_bits + soft_bits) * grad_bits).sum()
    names = ("residual", "sigma", "fine", "log_weight", "log_variance")
    for name, a, b in zip(names, ours, torch.autograd.grad(loss, leaves), strict=True):
        assert (a - b).abs().max() < 0.03 * b.abs().max(), name  # unlikely codewords are left out of ours


def test_a_price_on_bits_saves_bits(book):
    residual, sigma = latents(2000)
    arrays = [t.detach().contiguous().numpy() for t in (residual, sigma, *book.tables())]
    plain, priced = (_core.quantise(*arrays, 3, beta) for beta in (0.0, 0.12))
    assert priced[2].sum() < 0.97 * plain[2].sum()
    assert ((arrays[0] - plain[1]) ** 2).sum() < ((arrays[0] - priced[1]) ** 2).sum()


def test_torch_path_for_other_devices_is_the_same(book):
    """With one RVQ level there is no beam: codes, values, bits and gradients agree."""
    sources = latents()
    results = []
    for native in (True, False):
        leaves = [t.clone().requires_grad_() for t in sources] + [book.fine, book.log_weight]
        tables = book.tables()
        if native:
            value, bits, code, _ = cb.quantise(*leaves[:2], *tables, 1, cb.BETA)
        else:
            value, bits, code = cb.quantise_torch(*leaves[:2], tables, 1, cb.BETA)
        results.append([code.long(), value, bits, *torch.autograd.grad((value * sources[0]).sum() + bits.sum(), leaves)])
    for a, b in zip(*results, strict=True):
        assert (a - b).abs().max() <= 0.03 * b.abs().max()


@pytest.mark.parametrize(("groups", "rvq_levels", "codewords"), [(1, 1, 8), (3, 3, 256), (2, 5, 64), (5, 4, 256)])
def test_the_bodies_for_a_gpu_do_the_same(groups, rvq_levels, codewords):
    """One thread of the CPU as the team: csrc/training/quantiser_host.cpp. What a warp does more is to share the codewords."""
    residual, sigma, tables = example(300, groups, codewords, seed=groups)
    random = torch.Generator().manual_seed(100 + groups)
    code, value, bits = cb.search(residual, sigma, tables, rvq_levels, cb.BETA)
    found = cb.team_search(residual, sigma, tables, rvq_levels, cb.BETA)
    same = (found[0] == code).all(2)  # of two that cost the same, either may be found
    assert same.float().mean() > 0.999
    torch.testing.assert_close(found[1][same], value[same], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found[2][same], bits[same], atol=1e-3, rtol=1e-4)
    along = torch.randn(value.shape, generator=random), torch.rand(bits.shape, generator=random)
    given = residual, sigma, *tables, rvq_levels, cb.BETA
    expected = cb.quantise_gradient(*given, torch.empty(0, dtype=torch.int32), code, *along)
    results = cb.team_gradient(residual, sigma, tables, rvq_levels, cb.BETA, found[3], code, *along)
    for a, b in zip(results, expected, strict=True):
        assert (a - b).norm() <= 1e-4 * b.norm()


def test_it_is_an_operator_that_torch_can_compile(book):
    residual, sigma = latents(20)
    given = residual.requires_grad_(), sigma.requires_grad_(), *(t.detach().requires_grad_() for t in book.tables())
    torch.library.opcheck(cb.quantise, (*given, 3, cb.BETA))
