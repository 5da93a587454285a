"""The shipped model: fixed-point tables in one safetensors file, and the network that runs on them."""

import functools
import json
from importlib import resources
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from . import _core
from .errors import ModelError
from .header import Header

SHIPPED = "weights/aecodec.safetensors"


def widened(tensor: np.ndarray) -> np.ndarray:
    """The runtime multiplies int16; int8 is for the file's size."""
    return tensor.astype(np.int16) if tensor.dtype == np.int8 else tensor


class Model:
    """A trained network, ready to encode and decode.

    `shape` and `tensors` are what aecodec/network/fixed_point.py wrote; `network` runs them; `identity` is the model's number, of
    which files carry the low 24 bits, `mark`, to say which model decodes them; `streams` is how many each tile has; `betas` are the
    prices of a bit, in squared steps, a stage, that its search was trained for.
    """

    def __init__(self, path: Path):
        """Raises ModelError if the file is not a model."""
        try:
            with safe_open(path, "numpy") as f:
                self.metadata = json.loads(f.metadata()["aecodec"])
                self.tensors = {name: widened(f.get_tensor(name)) for name in f.keys()}
            self.shape, self.identity = self.metadata["shape"], self.metadata["identity"]
            self.mark = self.identity & 0xFFFFFF
            self.streams = 1 + max(s["stream"] for s in self.shape["stages"])  # of a tile
            self.betas = [self.metadata["beta"]] * len(self.shape["stages"])
            self.network = _core.Network(self.shape, self.tensors)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{path}: not a model of this version of aecodec ({error})") from error

    @staticmethod
    def frame(header: Header, qualities: np.ndarray | None = None) -> _core.Frame:
        """What the network must know of a file's picture; qualities: a map of quality_map.py, or None."""
        return _core.Frame(*header.coded_size, header.quality, header.tile_log2, qualities)


@functools.cache
def shipped() -> Model:
    """The model inside the package."""
    with resources.as_file(resources.files(__package__) / SHIPPED) as path:
        return Model(path)
