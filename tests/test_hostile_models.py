"""Whatever a model's file holds: a model, or a ModelError of one line."""

import copy
import json
import math
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

import aecodec
from aecodec.model import Model, identity_of, shipped


@pytest.fixture(scope="module")
def parts() -> tuple[dict, dict]:
    """The metadata and the tensors of the shipped model, as its file has them."""
    path = Path(aecodec.__file__).parent / "weights" / "aecodec.safetensors"
    with safe_open(path, "numpy") as f:
        return json.loads(f.metadata()["aecodec"]), {name: f.get_tensor(name) for name in f.keys()}


def write(path: Path, metadata, tensors: dict, text: str | None = None) -> Path:
    save_file(tensors, path, metadata={"aecodec": json.dumps(metadata) if text is None else text})
    return path


def refused(path: Path) -> str:
    with pytest.raises(aecodec.ModelError) as caught:
        Model(path)
    text = str(caught.value)
    assert "\n" not in text and len(text) < 600
    return text


def test_the_shipped_model_is_what_it_says(parts):
    metadata, tensors = parts
    assert identity_of(metadata["shape"], tensors) == metadata["identity"] == shipped().identity


@pytest.mark.parametrize("seed", range(6))
def test_a_flipped_bit_is_noticed(parts, seed, tmp_path):
    metadata, tensors = parts
    rng = np.random.default_rng(seed)
    name = sorted(tensors)[rng.integers(len(tensors))]
    flipped = tensors[name].copy()
    flipped.reshape(-1).view(np.uint8)[rng.integers(flipped.nbytes)] ^= 1 << rng.integers(8)
    assert "damaged" in refused(write(tmp_path / "m.safetensors", metadata, {**tensors, name: flipped}))


SHAPES = {
    "latents is none": lambda s: s["stages"][0].update(latents=None),
    "latents is huge": lambda s: s["stages"][0].update(latents=2**40),
    "latents is 2^31 - 4": lambda s: s["stages"][0].update(latents=2**31 - 4),
    "level is text": lambda s: s["stages"][0].update(level="1"),
    "refine is negative": lambda s: s["stages"][0].update(refine=-1),
    "refine is huge": lambda s: s["stages"][0].update(refine=2**31 - 1),
    "analysis is negative": lambda s: s["analysis"].__setitem__(0, -1),
    "channels are huge": lambda s: s["channels"].__setitem__(0, 2**31 - 16),
    "channels are empty": lambda s: s.update(channels=[]),
    "stages are none": lambda s: s.update(stages=[]),
    "stages are a number": lambda s: s.update(stages=5),
    "stage is a list": lambda s: s["stages"].__setitem__(0, [1]),
    "previews are text": lambda s: s.update(previews="abc"),
    "codewords are none": lambda s: s.update(codewords=None),
    "feature_bits is a list": lambda s: s.update(feature_bits=[1]),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_that_no_network_has(parts, name, tmp_path):
    metadata, tensors = copy.deepcopy(parts[0]), parts[1]
    SHAPES[name](metadata["shape"])
    metadata["identity"] = identity_of(metadata["shape"], tensors)
    refused(write(tmp_path / "m.safetensors", metadata, tensors))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1.0, 0.0])
def test_variances_that_are_none(parts, value, tmp_path):
    metadata, tensors = dict(parts[0]), dict(parts[1])
    tensors["stages.0.variance"] = np.full_like(tensors["stages.0.variance"], value)
    metadata["identity"] = identity_of(metadata["shape"], tensors)
    assert "variance" in refused(write(tmp_path / "m.safetensors", metadata, tensors))


@pytest.mark.parametrize("change", [{"beta": None}, {"beta": "x"}, {"beta": -1}, {"beta": [1]}, {"identity": None}, {"shape": 1}])
def test_metadata_of_wrong_types(parts, change, tmp_path):
    refused(write(tmp_path / "m.safetensors", {**parts[0], **change}, parts[1]))


@pytest.mark.parametrize("text", ["[" * 100_000, "null", "[]", "{}", "\0", '{"shape": {"stages": [{}]}, "identity": 1}'])
def test_metadata_that_are_none(parts, text, tmp_path):
    refused(write(tmp_path / "m.safetensors", None, {"lattice": parts[1]["lattice"]}, text))


def test_cut_and_foreign_files(tmp_path):
    path = Path(aecodec.__file__).parent / "weights" / "aecodec.safetensors"
    data = path.read_bytes()
    for bad in (b"", data[:4], data[:100], data[: len(data) // 2], data[:-1], b"\xff" * 100, b"\0" * 1000):
        (tmp_path / "m.safetensors").write_bytes(bad)
        refused(tmp_path / "m.safetensors")
    refused(tmp_path / "missing.safetensors")
    refused(tmp_path)


def test_a_model_without_previews_decodes_but_is_not_trained_on(parts, tmp_path):
    loop = pytest.importorskip("aecodec.train.loop")
    metadata, tensors = copy.deepcopy(parts[0]), {k: t for k, t in parts[1].items() if not k.startswith("preview.")}
    metadata["shape"]["previews"] = []
    metadata["identity"] = identity_of(metadata["shape"], tensors)
    model = Model(write(tmp_path / "m.safetensors", metadata, tensors))
    with pytest.raises(ValueError, match="no previews"):
        loop.Learned.of(model)
