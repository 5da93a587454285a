"""examples/digits.py sorts far better than chance within seconds; examples/bottlenecks.py learns through each of its kinds."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def digits():
    pytest.importorskip("sklearn")
    return example("digits")


def example(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_sorts_and_draws(digits, tmp_path):
    x, labels = digits.pictures()
    found = digits.sort(x, 0, 3)
    assert found.code.shape == (1797,)
    assert digits.accuracy(found.code.numpy(), labels) > 0.35  # chance is 0.1
    digits.page(x, found).save(tmp_path / "page.png")


def test_a_page_has_room_for_codes_of_few_pictures(digits):
    x, _ = digits.pictures()
    found = digits.Sorted(digits.torch.zeros(5, dtype=digits.torch.long), digits.torch.ones(5), digits.torch.zeros(10, 8, 8))
    assert digits.page(x[:5], found, columns=24, zoom=1).size == (8 + 2 + 24 * 8, 10 * 10)


def test_accuracy_names_heaps_at_best(digits):
    labels = np.repeat(np.arange(10), 20)
    assert digits.accuracy((labels + 3) % 10, labels) == 1
    assert digits.accuracy(np.zeros(200, int), labels) == 0.1


def test_bottlenecks_side_by_side(digits, monkeypatch):
    monkeypatch.setitem(sys.modules, "digits", digits)
    bottlenecks, torch = example("bottlenecks"), digits.torch
    x, labels = digits.pictures()
    labels, held, rest = torch.from_numpy(labels), torch.arange(300), torch.arange(300, 1797)
    nets = [bottlenecks.train(kind, x[rest], 0, 300) for kind in bottlenecks.KINDS]
    for net in nets:
        found = bottlenecks.measure(net, x, labels, held, rest)
        assert found.psnr > 12 and 3 < found.bits <= 16 and found.right > 0.4  # the mean digit has 11.3 dB; chance is 0.1
    assert bottlenecks.page(nets[:3], x, labels, zoom=1).size == (3 * 88, 94)
    assert bottlenecks.entropy(torch.arange(64) % 8) == pytest.approx(3)
