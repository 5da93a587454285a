"""One-hot, binary and VQ bottlenecks side by side: digits through six bits, and a page of what each code stands for.

Run: pip install "aecodec[train]" scikit-learn; python examples/bottlenecks.py [--seeds 3] [--page bottlenecks.png]

De-noising auto-encoders (Vincent et al., ICML 2008) that differ only in what stands between encoder and decoder: one of 64
(`OneHot`), six bits (`Binary`), or the nearest of 64 codewords (`VectorQuantiser`). All three can say 64 things. The first and the
last are tables: a code is a name. Bits are shared: each has to mean something whatever the others say, which is harder, but twice
as many need no larger table; hence a fourth, of 16 bits. Measured on digits that were kept back: how well they are rebuilt, how
many bits the codes carry, and how many digits they tell rightly; beside k-means, which quantises the pixels themselves.
"""

import argparse
import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from digits import SIDE, pictures
from PIL import Image
from sklearn.cluster import KMeans
from torch import Tensor, nn

from aecodec.train.bottlenecks import Binary, Coded, OneHot, VectorQuantiser

CODES, BITS, DIMENSIONS = 64, 6, 8
PLACES = 2 ** torch.arange(BITS - 1, -1, -1)  # what the bits count for, in a number
KINDS = {  # the bottleneck, and how many numbers the encoder gives it
    "one-hot, 1 of 64": (OneHot, CODES),
    "binary, 6 bits": (Binary, BITS),
    "VQ, 64 codewords": (lambda: VectorQuantiser(CODES, DIMENSIONS), DIMENSIONS),
    "binary, 16 bits": (Binary, 16),
}
HELD, HIDDEN, BATCH, RATE = 450, 256, 128, 2e-3
NOISE, USAGE = 0.15, 0.3  # of the input; the weight of the bottleneck's loss


class Trained(NamedTuple):
    """An auto-encoder; `bottleneck` in the middle."""

    encoder: nn.Module
    bottleneck: nn.Module
    decoder: nn.Module

    @torch.no_grad()
    def __call__(self, x: Tensor) -> tuple[Coded, Tensor]:
        """Pictures (N, 1, 8, 8) -> their codes, and what the decoder makes of these, (N, 64)."""
        coded = self.bottleneck(self.encoder(x))
        return coded, self.decoder(coded.value)


class Measured(NamedTuple):
    """psnr: dB, of held-out pictures rebuilt; bits: that their codes carry; right: the share whose digit the code tells."""

    psnr: float
    bits: float
    right: float


def train(kind: str, x: Tensor, seed: int, steps: int) -> Trained:
    torch.manual_seed(seed)
    make, width = KINDS[kind]
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(SIDE**2, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, width))
    net = Trained(encoder, make(), nn.Sequential(nn.Linear(width, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, SIDE**2)))
    optimiser = torch.optim.Adam([*net.encoder.parameters(), *net.decoder.parameters()], RATE)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1, 2 * (1 - step / steps))
        clean = x[torch.randint(len(x), (BATCH,))]
        coded = net.bottleneck(net.encoder(clean + NOISE * torch.randn_like(clean)))
        loss = F.mse_loss(net.decoder(coded.value), clean.flatten(1), reduction="sum") / BATCH + USAGE * coded.loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    for part in net:
        part.eval()
    return net


def measure(net: Trained, x: Tensor, labels: Tensor, held: Tensor, rest: Tensor) -> Measured:
    """held, rest: indices of pictures. A code tells the digit that most of the rest have whose codes are nearest to it."""
    coded, rebuilt = net(x)
    return judged(coded.value, coded.code, rebuilt, x, labels, held, rest)


def k_means(x: Tensor, labels: Tensor, held: Tensor, rest: Tensor, seed: int) -> Measured:
    """The same of a codebook of pixels."""
    found = KMeans(CODES, n_init=1, random_state=seed).fit(x[rest].flatten(1).numpy())
    code = torch.from_numpy(found.predict(x.flatten(1).numpy())).long()
    rebuilt = torch.from_numpy(found.cluster_centers_)[code]
    return judged(rebuilt, code, rebuilt, x, labels, held, rest)


def judged(value: Tensor, code: Tensor, rebuilt: Tensor, x: Tensor, labels: Tensor, held: Tensor, rest: Tensor) -> Measured:
    distance = torch.cdist(value[held], value[rest])
    nearest = distance <= distance.amin(1, keepdim=True) + 1e-4
    told = (nearest.float() @ F.one_hot(labels[rest]).float()).argmax(1)
    error = F.mse_loss(rebuilt[held], x[held].flatten(1))
    return Measured(-10 * error.log10().item(), entropy(code[held]), (told == labels[held]).float().mean().item())


def entropy(code: Tensor) -> float:
    """In bits, of names (N,); of bits (N, b) the sum of each one's own, which is no less than that of all."""
    columns = code.long().reshape(len(code), -1).T
    return sum(torch.special.entr(torch.bincount(c) / len(c)).sum().item() for c in columns) / math.log(2)


def drawings(net: Trained, x: Tensor, labels: Tensor) -> Tensor:
    """(64, 8, 8): what the decoder draws of each code; white if no picture has it. Names are sorted by digit, bits count up."""
    coded, rebuilt = net(x)
    binary = isinstance(net.bottleneck, Binary)
    code = (coded.code * PLACES).sum(1) if binary else coded.code
    sheet, digit = torch.zeros(CODES, SIDE, SIDE), torch.full((CODES,), 10)
    for k in code.unique():
        sheet[k] = rebuilt[code == k][0].reshape(SIDE, SIDE)
        digit[k] = labels[code == k].mode().values
    return sheet if binary else sheet[digit.argsort(stable=True)]


def effects(sheet: Tensor) -> Tensor:
    """Drawings of all codes (64, 8, 8) -> (6, 8, 8): what each bit adds to the mean drawing (above 0.5), and what it takes away."""
    seen = sheet.flatten(1).any(1)
    bits = (torch.arange(CODES) // PLACES[:, None] % 2).bool()  # (bits, codes)
    return torch.stack([0.5 + sheet[bit & seen].mean(0) - sheet[~bit & seen].mean(0) for bit in bits]).nan_to_num(0.5)


def page(nets: list[Trained], x: Tensor, labels: Tensor, zoom: int = 4) -> Image.Image:
    """For each a block of its 64 codes; below that of bits what each of these does."""
    blocks = []
    for net in nets:
        sheet = drawings(net, x, labels)
        last = effects(sheet) if isinstance(net.bottleneck, Binary) else torch.zeros(BITS, SIDE, SIDE)
        rows = [*sheet.reshape(8, 8, SIDE, SIDE), F.pad(last, (0, 0, 0, 0, 1, 1))]
        lines = [torch.cat([F.pad(cell, (1, 1, 1, 1)) for cell in row], 1) for row in rows]
        blocks.append(F.pad(torch.cat([*lines[:-1], torch.zeros(4, lines[0].shape[1]), lines[-1]]), (4, 4, 0, 0)))
    gray = (255 * (1 - torch.cat(blocks, 1).clamp(0, 1))).round().to(torch.uint8).numpy()
    return Image.fromarray(gray.repeat(zoom, 0).repeat(zoom, 1))


def say(name: str, found: list[Measured]) -> None:
    psnr, bits, right = torch.tensor(found).mean(0).tolist()
    print(f"{name}: {psnr:.2f} dB, codes of {bits:.1f} bits, {right:.1%} of digits told by the code", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="how many to average over; the page is of the first")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--page", default="bottlenecks.png", help="where to draw what the codes stand for")
    options = parser.parse_args()
    torch.set_num_threads(1)
    x, labels = pictures()[0], torch.from_numpy(pictures()[1])
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    held, rest = order[:HELD], order[HELD:]
    shown = []
    for kind in KINDS:
        nets = [train(kind, x[rest], seed, options.steps) for seed in range(options.seeds)]
        say(kind, [measure(net, x, labels, held, rest) for net in nets])
        shown.append(nets[0])
    say("k-means, 64 means of pixels", [k_means(x, labels, held, rest, seed) for seed in range(options.seeds)])
    page(shown[:3], x, labels).save(options.page)


if __name__ == "__main__":
    main()
