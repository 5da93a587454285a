"""Models as files: safetensors of float32. Nothing in them is executed, and what they claim is checked before it is used."""

from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from ..errors import ModelError
from .descriptors import Floats

KIND = {"aecodec": "anomaly 1"}  # the metadata; the number is of the version
BYTES_MAX = 1 << 26
VALUE_MAX = 1e12  # of any number: no product of those that occur leaves float64


def packed(tensors: dict[str, Floats]) -> bytes:
    return save({name: np.ascontiguousarray(tensor, np.float32) for name, tensor in tensors.items()}, KIND)


def read(path: Path) -> dict[str, Floats]:
    """Raises ModelError if the file is none of these, or holds what is no number of a sensible size; OSError."""
    with path.open("rb") as file:  # as safetensors has no error for folders and for files that may not be read
        size = file.seek(0, 2)
    try:
        if size > BYTES_MAX:
            raise ValueError(f"it has {size} bytes, more than any of them")
        with safe_open(path, "numpy") as f:
            if f.metadata() != KIND:
                raise ValueError("it is of another kind or version")
            tensors = {name: f.get_tensor(name) for name in f.keys()}
        for name, tensor in tensors.items():
            if tensor.dtype != np.float32 or not (np.abs(tensor) <= VALUE_MAX).all():
                raise ValueError(f"{name:.40} is not of sensible numbers")
    except MemoryError:
        raise
    except Exception as error:  # of whatever kind: any bytes may stand there
        raise ModelError(f"{path}: no model of anomalies ({' '.join(str(error).split()):.200})") from error
    return {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
