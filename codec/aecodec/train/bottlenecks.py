"""Bottlenecks of auto-encoders: a vector becomes a code, and gradients pass all the same.

Three kinds, with one face. Each is a module that takes vectors (N, d) and gives a `Coded`: what the decoder reads, what one would
keep in a file, and what is to be added to the loss. While training they draw or move; `eval()` makes them pure functions.
`examples/digits.py` is built on them. The codec's own quantiser, with rates and residual codes, is another: network/codebook.py.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..codeword_search import NearestSearch


class Coded(NamedTuple):
    """What a bottleneck lets through of N vectors.

    value: float (N, width), for the decoder, with gradients to the input. code: int64 (N,), whole numbers from 0 on;
    of `Binary`, bool (N, bits). loss: a scalar to be added to the loss, weighted.
    """

    value: Tensor
    code: Tensor
    loss: Tensor


class OneHot(nn.Module):
    """One of K: logits (N, K) -> a one-hot vector (N, K).

    While training it draws from softmax(logits) by the Gumbel trick, and gradients are those of the relaxed draw (straight-through
    Gumbel-softmax: Jang, Gu and Poole; Maddison, Mnih and Teh, both ICLR 2017); otherwise it takes the likeliest. The loss is
    log K minus the entropy of the mean probabilities over the batch, in nats, 0 to log K: it keeps all K in use.

    Args:
        temperature: of the relaxation, above 0. The lower, the less the gradients are biased and the more they vary.
    """

    def __init__(self, temperature: float = 1.0):
        super().__init__()
        self.temperature = temperature

    def forward(self, logits: Tensor) -> Coded:
        probabilities = logits.softmax(1)
        if self.training:
            value = F.gumbel_softmax(logits, self.temperature, hard=True)
        else:
            value = F.one_hot(logits.argmax(1), logits.shape[1]).to(logits.dtype)
        return Coded(value, value.argmax(1), imbalance(probabilities))


class Binary(nn.Module):
    """Bits: logits (N, bits) -> -1 or 1 (N, bits).

    While training every bit is drawn with probability sigmoid(logit) of being 1, and gradients are those of its mean,
    2·sigmoid(logit) - 1 (straight-through: Raiko et al., ICLR 2015); otherwise it is the logit's sign. The loss keeps a bit in use:
    log 2 minus the entropy of its mean probability over the batch, in nats, averaged over bits.
    """

    def forward(self, logits: Tensor) -> Coded:
        probability = logits.sigmoid()
        bits = (torch.rand_like(probability) < probability) if self.training else logits > 0
        mean = 2 * probability - 1
        value = mean + (2.0 * bits - 1 - mean).detach()
        pairs = torch.stack([probability, 1 - probability], 1)  # (N, 2, bits): a bit is one of two
        return Coded(value, bits, imbalance(pairs))


class VectorQuantiser(nn.Module):
    """The nearest of K codewords: vectors (N, d) -> codewords (N, d), found by `aecodec.nearest`.

    A VQ-VAE's bottleneck (van den Oord, Vinyals and Kavukcuoglu, NIPS 2017): gradients go straight through, and the loss, the mean
    squared distance to the codeword, draws the vectors to it. The codewords are no parameters: while training each moves to the
    mean of the vectors that chose it, by exponential averages (appendix A.1 there), and one that less than `revive` of a fair
    share chose for long is put on a vector of the batch (Dhariwal et al., 2020). The first batch gives the first codewords.

    Args:
        codewords: K.
        dimensions: d.
        decay: of the averages, a batch.
        revive: 0 to 1; the share of N / K below which a codeword is moved; 0 for never.
    """

    codebook: Tensor  # (K, d)
    count: Tensor  # (K,) vectors a batch, averaged; all 0 before the first batch
    total: Tensor  # (K, d) their sum, averaged

    def __init__(self, codewords: int, dimensions: int, decay: float = 0.97, revive: float = 0.05):
        super().__init__()
        self.decay, self.revive = decay, revive
        self.register_buffer("codebook", torch.zeros(codewords, dimensions))
        self.register_buffer("count", torch.zeros(codewords))
        self.register_buffer("total", torch.zeros(codewords, dimensions))

    def forward(self, z: Tensor) -> Coded:
        if self.training and not self.count.any():
            self.begin(z.detach())
        index = self.nearest(z)
        chosen = self.codebook[index]
        if self.training:
            self.move(z.detach(), index)
        return Coded(z + (chosen - z).detach(), index, F.mse_loss(z, chosen))

    def nearest(self, z: Tensor) -> Tensor:
        """The indices, int64 (N,), of the codewords nearest to z (N, d)."""
        search = NearestSearch(self.codebook.cpu().numpy())
        found = search(z.detach().float().cpu().numpy(), threads=torch.get_num_threads())
        return torch.from_numpy(found).long().to(z.device)

    @torch.no_grad()
    def begin(self, z: Tensor) -> None:
        self.codebook.copy_(drawn(z, len(self.codebook)))
        self.count.fill_(len(z) / len(self.codebook))
        self.total.copy_(self.codebook * self.count[:, None])

    @torch.no_grad()
    def move(self, z: Tensor, index: Tensor) -> None:
        self.count.lerp_(torch.bincount(index, minlength=len(self.count)).to(z.dtype), 1 - self.decay)
        self.total.lerp_(torch.zeros_like(self.total).index_add_(0, index, z), 1 - self.decay)
        share = len(z) / len(self.count)
        unused = self.count < self.revive * share
        if unused.any():
            self.count[unused] = share
            self.total[unused] = share * drawn(z, int(unused.sum()))
        self.codebook.copy_(self.total / self.count.clamp_min(1e-6)[:, None])


def drawn(z: Tensor, count: int) -> Tensor:
    """`count` rows of z at random: no row twice before every row has been taken."""
    rounds = -(-count // len(z))
    return z[torch.cat([torch.randperm(len(z), device=z.device) for _ in range(rounds)])[:count]]


def imbalance(probabilities: Tensor) -> Tensor:
    """log K minus the entropy of the mean probabilities (N, K, ...), averaged over what follows K; 0 if all are alike."""
    mean = probabilities.mean(0)
    return (torch.log(mean.new_tensor(len(mean))) + (mean * mean.clamp_min(1e-12).log()).sum(0)).mean()
