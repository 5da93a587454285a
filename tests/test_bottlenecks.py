"""Bottlenecks: what passes through them forward, what passes back, and that all codes are used."""

import math

import pytest
import torch
from torch import nn

from aecodec.train.bottlenecks import Binary, OneHot, VectorQuantiser, drawn, imbalance


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("training", [True, False])
def test_one_hot_is_one_of_k(training):
    logits = torch.randn(50, 7, requires_grad=True)
    code = OneHot().train(training)(logits)
    assert code.value.detach().sort(1).values[:, -1].allclose(torch.ones(50))
    assert code.value.detach().abs().sum(1).allclose(torch.ones(50), atol=1e-5)
    assert (code.code == code.value.argmax(1)).all() and code.code.dtype == torch.int64
    if not training:
        assert (code.code == logits.argmax(1)).all()


def test_one_hot_draws_by_the_probabilities():
    p = torch.tensor([0.7, 0.2, 0.1])
    drawn = OneHot()(p.log().expand(20000, 3)).value.mean(0)
    assert drawn.allclose(p, atol=0.015)


def test_one_hot_learns_which_code_is_worth_most():
    """Gradients of draws raise the probability of the code with the least cost."""
    logits, bottleneck = nn.Parameter(torch.zeros(1, 4)), OneHot()
    cost = torch.tensor([3.0, 1.0, 2.0, 4.0])
    optimiser = torch.optim.Adam([logits], 0.05)
    for _ in range(150):
        optimiser.zero_grad()
        (bottleneck(logits.expand(32, 4)).value @ cost).mean().backward()
        optimiser.step()
    assert logits.softmax(1)[0, 1] > 0.9


def test_binary():
    logits = torch.tensor([[-2.0, 0.5, 3.0]]).repeat(20000, 1).requires_grad_()
    code = Binary()(logits)
    assert set(code.value.detach().unique().tolist()) == {-1.0, 1.0}
    assert (code.code == (code.value > 0)).all() and code.code.dtype == torch.bool
    assert code.value.mean(0).allclose(2 * logits[0].sigmoid() - 1, atol=0.02)
    code.value.sum().backward()
    p = logits.detach().sigmoid()
    assert logits.grad.allclose(2 * p * (1 - p))
    assert Binary().eval()(logits).code[0].tolist() == [False, True, True]


def test_imbalance():
    assert float(imbalance(torch.full((9, 4), 0.25))) == pytest.approx(0, abs=1e-6)
    assert float(imbalance(torch.eye(4))) == pytest.approx(0, abs=1e-6)  # each surely something, all alike in use
    assert float(imbalance(torch.eye(4)[:1])) == pytest.approx(math.log(4))
    assert float(Binary()(torch.tensor([[50.0, 0.0]])).loss) == pytest.approx(math.log(2) / 2)


def test_codewords_go_where_the_vectors_are():
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    book = VectorQuantiser(3, 2, decay=0.8)
    for _ in range(60):
        book(centres[torch.randint(3, (90,))] + 0.1 * torch.randn(90, 2))
    book.eval()
    code = book(centres)
    assert sorted(code.code.tolist()) == [0, 1, 2] and (code.value - centres).abs().max() < 0.3
    before = book.codebook.clone()
    book(centres + 5)
    assert book.codebook.equal(before)  # it moves only while training


def test_vectors_pass_straight_through_and_are_drawn_to_their_codeword():
    book = VectorQuantiser(4, 3)
    z = torch.randn(40, 3, requires_grad=True)
    code = book.eval()(z) if book(z.detach()) else None
    assert code.value.allclose(book.codebook[code.code], atol=1e-6)
    assert (torch.cdist(z, book.codebook).argmin(1) == code.code).all()
    code.value.backward(torch.ones(40, 3), retain_graph=True)
    assert z.grad.equal(torch.ones(40, 3))
    z.grad = None
    code.loss.backward()
    assert z.grad.allclose(2 * (z - book.codebook[code.code]) / z.numel())


def test_an_unused_codeword_is_put_to_use():
    book = VectorQuantiser(4, 2, decay=0.5)
    book(torch.randn(40, 2))
    book.total[3] = 1e4
    book.codebook[3] = 1e4
    for _ in range(20):
        code = book(torch.randn(40, 2))
    assert book.codebook.abs().max() < 10 and len(code.code.unique()) == 4


def test_fewer_vectors_than_codewords():
    z = torch.arange(3.0)[:, None]
    assert (torch.bincount(drawn(z, 7).flatten().long()) >= 2).all()
    assert VectorQuantiser(7, 1)(z).value.flatten().tolist() == [0, 1, 2]


def test_a_bottleneck_is_kept_with_its_network(tmp_path):
    """Codewords are in the state, and none is a parameter that an optimiser would move."""
    book = VectorQuantiser(5, 2)
    book(torch.randn(30, 2))
    again = VectorQuantiser(5, 2)
    again.load_state_dict(book.state_dict())
    z = torch.randn(8, 2)
    assert again.eval()(z).code.equal(book.eval()(z).code) and not list(book.parameters())
