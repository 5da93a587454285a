"""The mean of models that were trained one from another, as a model: cheaper than training, and often better than each of them.

Run: pip install scipy; python tools/soup.py OUT DATA MODEL SHARE [MODEL SHARE ...]; the shares add up to 1

Model soups (Wortsman et al., ICML 2022): weights of one ancestor lie in one valley of the loss, and their mean often lies deeper
in it. Between models that were trained for PSNR and for the eye, shares choose what is weighed how much. Only the codewords' order
has to be made the same first, as a model file has the shortest first. A MODEL may be the folder of a run, whose weights are not
rounded yet. DATA is the folder of training pictures, some of which are held out.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from scipy.optimize import linear_sum_assignment

from aecodec import provenance
from aecodec.errors import AecodecError
from aecodec.network.codebook import StageCodebook
from aecodec.train.data import Crops, evenly, split
from aecodec.train.loop import Learned
from aecodec.train.settings import Settings
from aecodec.train.validation import validate

APART_MAX = 0.2  # how far codewords of two models may be apart, as a share of their length


@torch.no_grad()
def align(book: StageCodebook, like: StageCodebook) -> None:
    """Puts the codewords into the order of another codebook's. Raises ValueError if that is another one altogether."""
    distances = torch.cdist(like.fine.mT, book.fine.mT)  # (G, K, K)
    order = torch.from_numpy(np.stack([linear_sum_assignment(d)[1] for d in distances.numpy()]))
    if distances.gather(2, order[:, :, None]).mean() > APART_MAX * like.fine.norm(dim=1).mean():
        raise ValueError("the models' codebooks have nothing to do with one another")
    book.fine.copy_(book.fine.gather(2, order[:, None].expand_as(book.fine)))
    book.log_weight.copy_(book.log_weight.gather(2, order[:, None].expand_as(book.log_weight)))


@torch.no_grad()
def mean_of(parts: list[Learned], shares: list[float]) -> Learned:
    """Raises ValueError if they were not trained one from another."""
    if len({str(part.net.shape) for part in parts}) != 1:
        raise ValueError("the models have different shapes")
    for part in parts[1:]:
        for book, like in zip(part.codebook.stages, parts[0].codebook.stages, strict=True):
            align(book, like)
    states = [part.state_dict() for part in parts]
    result = parts[0]
    result.load_state_dict({k: sum(s[k] * share for s, share in zip(states, shares, strict=True)) for k in states[0]})
    return result


def main() -> None:
    if len(sys.argv) < 7 or len(sys.argv) % 2 == 0:
        sys.exit(__doc__)
    out, data = map(Path, sys.argv[1:3])
    shares = [float(s) for s in sys.argv[4::2]]
    if abs(sum(shares) - 1) > 1e-6:
        sys.exit(f"the shares add up to {sum(shares):g}, not to 1")
    try:
        parts, records = zip(*(Learned.read(Path(p)) for p in sys.argv[3::2]), strict=True)
        result = mean_of(parts, shares)
        longest = max(records, key=lambda r: r["pixels"])
        train, held_out = split(data)
        crops = Crops(train, 1, longest.get("settings", {}).get("crop", Settings.crop), Settings.seed)
    except (AecodecError, SafetensorError, ValueError, OSError) as error:
        sys.exit(str(error))
    command = " ".join(["python tools/soup.py", *sys.argv[1:]])
    made = {"command": command, "commit": provenance.commit(), "from_pixels": longest["pixels"]}
    record = longest | {"history": [*longest["history"], made], "pictures": len(train)}
    record |= validate(result.net, result.codebook.quantise, evenly(held_out, 16))
    result.export(out, record, crops)


if __name__ == "__main__":
    main()
