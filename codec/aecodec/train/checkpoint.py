"""Checkpoints: every tensor of a run and its counters, in one safetensors file that is replaced atomically."""

import json
import os
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor


def save(path: Path, tensors: dict[str, dict[str, Tensor]], counters: dict) -> None:
    """Writes groups of named tensors; a kill at any moment leaves either the old file or the new one."""
    flat = {f"{group}/{name}": t.detach().contiguous() for group, named in tensors.items() for name, t in named.items()}
    temporary = path.with_suffix(".tmp")
    save_file(flat, temporary, metadata={"counters": json.dumps(counters)})
    os.replace(temporary, path)


def load(path: Path, device: str = "cpu") -> tuple[dict[str, dict[str, Tensor]], dict]:
    """-> groups of named tensors, on the device, and the counters."""
    groups: dict[str, dict[str, Tensor]] = {}
    with safe_open(path, "pt", device=device) as f:
        counters = json.loads(f.metadata()["counters"])
        for key in f.keys():
            group, name = key.split("/", 1)
            groups.setdefault(group, {})[name] = f.get_tensor(key)
    return groups, counters
