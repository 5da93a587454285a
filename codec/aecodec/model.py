"""The shipped model: fixed-point tables in one safetensors file, and the network that runs on them."""

import functools
import hashlib
import json
import math
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from . import _core
from .errors import ModelError
from .header import Header

SHIPPED = "weights/aecodec.safetensors"


def widened(tensor: np.ndarray) -> np.ndarray:
    """The runtime multiplies int16; int8 is for the file's size."""
    return tensor.astype(np.int16) if tensor.dtype == np.int8 else tensor


def identity_of(shape: dict[str, Any], tensors: dict[str, np.ndarray]) -> int:
    """The number of a model, from the bytes of its file: docs/format.md, section 2."""
    digest = hashlib.sha256(json.dumps(shape, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensors[name].astype(tensors[name].dtype.newbyteorder("<"), copy=False)).tobytes())
    return int.from_bytes(digest.digest()[:4], "little")


class Model:
    """A trained network, ready to encode and decode.

    `shape` and `tensors` are what aecodec/network/fixed_point.py wrote; `network` runs them; `identity` is the model's number, of
    which files carry the low 24 bits, `mark`, to say which model decodes them; `streams` is how many each tile has; `betas` are the
    prices of a bit, in squared steps, a stage, that its search was trained for.
    """

    def __init__(self, path: Path):
        """Raises ModelError if the file is not a model, or damaged: its identity is computed, and compared with what it says."""
        try:
            with safe_open(path, "numpy") as f:
                self.metadata = json.loads(f.metadata()["aecodec"])
                stored = {name: f.get_tensor(name) for name in f.keys()}
            self.shape, self.identity = self.metadata["shape"], identity_of(self.metadata["shape"], stored)
            if self.identity != self.metadata["identity"]:
                raise ValueError(f"it is damaged: it says that it is {self.metadata['identity']!r:.20}, and is {self.identity}")
            self.tensors = {name: widened(tensor) for name, tensor in stored.items()}
            self.mark = self.identity & 0xFFFFFF
            self.streams = 1 + max(s["stream"] for s in self.shape["stages"])  # of a tile
            beta = float(self.metadata["beta"])
            if not 0 < beta < math.inf:
                raise ValueError(f"beta is {beta}")
            self.betas = [beta] * len(self.shape["stages"])
            self.network = _core.Network(self.shape, self.tensors)
        except MemoryError:
            raise
        except Exception as error:  # of whatever kind: any bytes may stand where a shape or a tensor should
            text = " ".join(str(error).split())
            raise ModelError(f"{path}: not a model of this version of aecodec ({text:.200})") from error

    @staticmethod
    def frame(header: Header, qualities: np.ndarray | None = None) -> _core.Frame:
        """What the network must know of a file's picture; qualities: a map of quality_map.py, or None."""
        return _core.Frame(*header.coded_size, header.quality, header.tile_log2, qualities)


@functools.cache
def shipped() -> Model:
    """The model inside the package."""
    with resources.as_file(resources.files(__package__) / SHIPPED) as path:
        return Model(path)
