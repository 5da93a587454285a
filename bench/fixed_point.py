"""What fixed point costs: the shipped model's files against its float network, on the validation pictures of a folder.

Run: python bench/fixed_point.py TRAINING_PICTURES     writes bench/results/fixed_point.json
The float network is the shipped tables taken as real numbers, so this is the cost of integer activations and probabilities;
its rates are the prior's prediction, without headers.
"""

import sys
from pathlib import Path

import bjontegaard
import numpy as np
import torch

from aecodec._core import Frame
from aecodec.bench.distortions import finite_psnr as psnr
from aecodec.model import shipped
from aecodec.network.codebook import Codebook
from aecodec.network.fixed_point import restore
from aecodec.network.network import Network, Shape
from aecodec.train.data import load, split
from results import write

QUALITIES = (5, 20, 35, 50, 65, 80, 95)
PICTURES = 12


def main() -> None:
    model = shipped()
    shape = Shape.from_json(model.shape)
    net, codebook = Network(shape), Codebook(shape)
    restore(net, codebook, model.tensors)
    validation = split(Path(sys.argv[1]))[1]
    rows = np.zeros((len(QUALITIES), 4))
    for path in validation[:: len(validation) // PICTURES][:PICTURES]:
        pixels = load(path)
        h, w = (s // shape.multiple * shape.multiple for s in pixels.shape[:2])
        pixels = np.ascontiguousarray(pixels[:h, :w])
        x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
        for row, quality in zip(rows, QUALITIES, strict=True):
            frame = Frame(h, w, quality, 10)
            streams, bits = model.network.encode(pixels, frame, model.betas)
            fixed = model.network.decode(streams, frame)
            with torch.no_grad():
                y, float_bits = net(x, torch.tensor([float(quality)]), codebook.quantise)
            floating = y.clamp(0, 255).round()[0].permute(1, 2, 0).numpy().astype(np.uint8)
            row += sum(bits) / (h * w), psnr(pixels, fixed), float(float_bits.sum()) / (h * w), psnr(pixels, floating)
    rows /= PICTURES
    fixed_bpp, fixed_psnr, float_bpp, float_psnr = rows.T.tolist()
    cost = bjontegaard.bd_rate(float_bpp, float_psnr, fixed_bpp, fixed_psnr, method="pchip")
    result = {
        "qualities": QUALITIES,
        "fixed": {"bpp": fixed_bpp, "psnr": fixed_psnr},
        "float": {"bpp": float_bpp, "psnr": float_psnr},
    }
    result["bd_rate_of_fixed_point"] = float(cost)
    print(write("fixed_point", result))


if __name__ == "__main__":
    main()
