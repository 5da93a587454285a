"""examples/digits.py: it sorts far better than chance within seconds, and draws its page."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def digits():
    pytest.importorskip("sklearn")
    spec = importlib.util.spec_from_file_location("digits", ROOT / "examples" / "digits.py")
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
