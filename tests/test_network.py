"""The fixed-point runtime against the float network that its tables come from, on small networks of several shapes."""

from importlib import resources

import numpy as np
import pytest
import torch

import aecodec
from aecodec import _core
from aecodec.model import SHIPPED, Model, shipped
from aecodec.network import fixed_point
from aecodec.network.codebook import Codebook
from aecodec.network.network import Network, Shape, StageShape, initialise
from conftest import psnr

SMALL = Shape(
    channels=(64, 64, 32),
    hidden=(32, 48, 32),
    analysis=(1, 0, 1),
    stages=(StageShape(2, 16, 5, 1, 0), StageShape(1, 32, 4, 0, 0), StageShape(0, 32, 3, 2, 8)),
)
SINGLE = Shape(channels=(48,), hidden=(16,), analysis=(1,), stages=(StageShape(0, 48, 4, 1, 0),))


def build(shape: Shape, photo: np.ndarray, path) -> tuple[Network, Codebook, Model]:
    """A network whose every weight does something, and its export."""
    torch.manual_seed(0)
    net, codebook = Network(shape), Codebook(shape)
    x = torch.from_numpy(photo).permute(2, 0, 1)[None].float()
    initialise(net, x)
    with torch.no_grad():
        for p in net.parameters():
            p += 0.02 * torch.randn_like(p) * (p.std() if p.numel() > 1 and p.std() > 0 else 1)
        for stage in net.stages:
            stage.prior.last.bias[stage.inject.in_channels :] += 2.0  # an untrained σ is too small for such residuals
        for book in codebook.stages:
            book.log_weight += 0.2 * torch.randn_like(book.log_weight)
            book.fine += 0.03 * torch.randn_like(book.fine)
    codebook.project()
    fixed_point.export(net, codebook, path, {})
    return net, codebook, Model(path)


@pytest.mark.parametrize("shape", [SMALL, SINGLE], ids=["three levels", "one level"])
@pytest.mark.parametrize("quality", [16, 50, 95])
def test_fixed_point_follows_the_float_network(shape, quality, photo, tmp_path, simd):
    net, codebook, model = build(shape, photo, tmp_path / "model.safetensors")
    streams, bits = model.network.encode(photo, _core.Frame(*photo.shape[:2], quality, 10), model.betas)
    fixed = model.network.decode(streams, _core.Frame(*photo.shape[:2], quality, 10))
    with torch.no_grad():
        x, decoded = torch.from_numpy(photo).permute(2, 0, 1)[None].float(), []
        y, float_bits = net(x, torch.tensor([float(quality)]), codebook.quantise, decoded)
        small = net.reduced(decoded).clamp(0, 255).round()[0].permute(1, 2, 0).numpy()
    floating = y.clamp(0, 255).round()[0].permute(1, 2, 0).numpy()
    means = photo.reshape(24, 8, 32, 8, 3).mean((1, 3))
    reduced = model.network.decode(streams, _core.Frame(*photo.shape[:2], quality, 10), scale=8)
    assert abs(psnr(means, reduced) - psnr(means, small)) < 0.1
    assert abs(psnr(photo, fixed) - psnr(photo, floating)) < 0.05
    assert abs(sum(bits) / float(float_bits.sum()) - 1) < 0.02
    coded = sum(len(t) for s in streams for t in s) - 2 * len(streams)  # of states
    assert abs(coded * 8 / sum(bits) - 1) < 0.01


def test_no_sum_can_overflow():
    """Of every output channel of every convolution of the shipped model, with the bound that the export promises."""
    tensors, checked = shipped().tensors, 0
    for name, weight in tensors.items():
        if not name.endswith(".weight"):
            continue
        base = name.removesuffix(".weight")
        bias, shift = tensors[f"{base}.bias"].astype(np.int64), tensors[f"{base}.shift"].astype(np.int64)
        total = np.abs(weight.astype(np.int64)).reshape(len(weight), -1).sum(1) * fixed_point.CONV_INPUT_MAX
        assert (total + np.abs(bias) + (1 << (shift - 1)) < 2**31).all()
        checked += len(weight)
    assert checked > 10000


def test_models_that_could_overflow_are_refused():
    model = shipped()
    bias = model.tensors["out.bias"].copy()
    bias[0] = 2**31 - 1
    with pytest.raises(ValueError, match="overflow"):
        _core.Network(model.shape, {**model.tensors, "out.bias": bias})
    with pytest.raises(ValueError, match="out.bias"):
        _core.Network(model.shape, {k: v for k, v in model.tensors.items() if k != "out.bias"})
    with pytest.raises(ValueError, match="size"):
        _core.Network(model.shape, {**model.tensors, "out.bias": bias[:5]})
    with pytest.raises(ValueError, match="type"):
        _core.Network(model.shape, {**model.tensors, "out.bias": bias.astype(np.int64)})


@pytest.mark.parametrize("height, width", [(192, 256), (64, 64), (191, 130)])
def test_winograd_and_nine_taps_give_the_same(height, width, photo, tmp_path, simd):
    """A 3x3 convolution with a channel too large for Winograd's filtering goes by its taps; nothing reads that channel."""
    tensors = dict(build(SMALL, photo, tmp_path / "model.safetensors")[2].tensors)
    blocks = [name.removesuffix(".mix.weight") for name in tensors if name.endswith(".mix.weight")]
    for block in blocks:
        tensors[f"{block}.mix.weight"] = tensors[f"{block}.mix.weight"].copy()
        tensors[f"{block}.mix.weight"][:, 5] = 0
    large = dict(tensors)
    for block in blocks:
        weight = large[f"{block}.spatial.weight"] = tensors[f"{block}.spatial.weight"].astype(np.int16)
        weight[5] = 65535 * 3 // weight[5].size  # four times the sum of products would not fit an int32; the sum does
    shape = Model(tmp_path / "model.safetensors").shape
    by_winograd, by_taps = (_core.Network(shape, t) for t in (tensors, large))
    picture, frame = photo[:height, :width].copy(), _core.Frame(height, width, 60, 10)
    betas = Model(tmp_path / "model.safetensors").betas
    streams = [n.encode(picture, frame, betas)[0] for n in (by_winograd, by_taps)]
    assert streams[0] == streams[1]
    assert (by_winograd.decode(streams[0], frame) == by_taps.decode(streams[0], frame)).all()


def test_identity_is_that_of_the_contents():
    import hashlib
    import json

    from safetensors.numpy import load_file

    with resources.as_file(resources.files(aecodec) / SHIPPED) as path:
        tensors = load_file(path)
    digest = hashlib.sha256(json.dumps(shipped().shape, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(name.encode() + tensors[name].tobytes())
    assert shipped().identity == int.from_bytes(digest.digest()[:4], "little")


def test_shipped_weights_say_where_they_come_from():
    record = shipped().metadata["record"]
    assert record["pixels"] > 1e8 and record["history"]
    ways = "aecodec ", "python -m aecodec.", "python tools/"
    assert all(h["command"].startswith(ways) and h["commit"] for h in record["history"])


def test_analysis_and_synthesis_start_as_inverses(photo):
    """At the start the network is a transform codec: without quantisation what is coded comes back."""
    net = Network()
    x = torch.from_numpy(photo).permute(2, 0, 1)[None].float()
    initialise(net, x)
    decoded: list[torch.Tensor] = []
    with torch.no_grad():
        y, _ = net(x, torch.tensor([50.0]), lambda residual, sigma, index: (residual, residual.new_zeros(len(residual))), decoded)
        assert psnr(photo, y[0].permute(1, 2, 0).numpy()) > 38
        assert psnr(torch.nn.functional.avg_pool2d(x, 8).numpy(), net.reduced(decoded).numpy()) > 45


def test_a_model_can_be_trained_on(photo, tmp_path):
    """Restoring a model's weights and exporting them again gives a model that works the same."""
    net, codebook, model = build(SMALL, photo, tmp_path / "model.safetensors")
    again, books = Network(SMALL), Codebook(SMALL)
    fixed_point.restore(again, books, model.tensors)
    fixed_point.export(again, books, tmp_path / "again.safetensors", {})
    same = Model(tmp_path / "again.safetensors")
    for name, tensor in same.tensors.items():
        tensor = model.tensors[name]
        difference = np.abs(tensor.astype(np.float64) - same.tensors[name])
        assert difference.max() <= max(2, 1e-3 * np.abs(tensor).max()), name
    decoded = []
    for m in (model, same):
        streams, bits = m.network.encode(photo, _core.Frame(*photo.shape[:2], 60, 10), m.betas)
        decoded.append((psnr(photo, m.network.decode(streams, _core.Frame(*photo.shape[:2], 60, 10))), sum(bits)))
    assert abs(decoded[0][0] - decoded[1][0]) < 0.02 and abs(decoded[0][1] / decoded[1][1] - 1) < 0.005


@pytest.fixture(scope="module")
def coded(photo, tmp_path_factory):
    """A picture of several tiles, coded: the model, the pixels, and encode's streams."""
    *_, model = build(SMALL, photo, tmp_path_factory.mktemp("model") / "model.safetensors")
    pixels = np.ascontiguousarray(np.tile(photo, (2, 2, 1))[:350, :420])
    streams, _ = model.network.encode(pixels, _core.Frame(*pixels.shape[:2], 50, 6), model.betas)
    return model, pixels, streams


def kept(streams, areas, columns):
    """The tiles that lie in each stream's area, and None for all others."""
    return [
        [t if a[0] <= i // columns < a[2] and a[1] <= i % columns < a[3] else None for i, t in enumerate(tiles)]
        for tiles, a in zip(streams, areas, strict=True)
    ]


@pytest.mark.parametrize("scale", [1, 2, 4, 8])
@pytest.mark.parametrize("region", [(0, 0, 1, 1), (20, 3, 33, 40), (1, 50, 40, 52), (0, 0, 44, 53), (43, 52, 44, 53)])
def test_a_region_is_the_crop_of_the_whole_and_needs_no_other_tiles(coded, scale, region):
    model, pixels, streams = coded
    size = pixels.shape[:2]
    whole = model.network.decode(streams, _core.Frame(*size, 50, 6), scale=scale)
    assert whole.shape[:2] == tuple(-(-n // scale) for n in size)
    areas = model.network.tiles(_core.Frame(*size, 50, 6), scale, region)
    part = model.network.decode(kept(streams, areas, 7), _core.Frame(*size, 50, 6), scale=scale, region=region)
    np.testing.assert_array_equal(part, whole[region[0] : region[2], region[1] : region[3]])


def test_a_half_is_the_mean_of_the_whole(coded):
    model, pixels, streams = coded
    whole = model.network.decode(streams, _core.Frame(*pixels.shape[:2], 50, 6)).astype(float)
    blocks = whole.reshape(175, 2, 210, 2, 3)
    means, inside = blocks.mean((1, 3)), (blocks.min((1, 3)) > 0) & (blocks.max((1, 3)) < 255)  # where no pixel was clipped
    half = model.network.decode(streams, _core.Frame(*pixels.shape[:2], 50, 6), scale=2)
    assert inside.mean() > 0.5 and np.abs(half - means)[inside].max() <= 1.5


def test_small_regions_need_few_tiles(coded):
    model, pixels, streams = coded
    areas = model.network.tiles(_core.Frame(*pixels.shape[:2], 50, 6), 1, (0, 0, 8, 8))
    assert areas[-1] == (0, 0, 1, 1) and areas[0][2] <= 3
    eighth = model.network.tiles(_core.Frame(*pixels.shape[:2], 50, 6), 8, (0, 0, 1, 1))
    assert eighth[-1] == (0, 0, 0, 0)  # an eighth needs no codes at 1/8


@pytest.mark.parametrize("region", [(0, 0, 0, 5), (5, 5, 5, 9), (0, 0, 351, 1), (-1, 0, 3, 3)])
def test_impossible_regions_are_refused(coded, region):
    model, pixels, streams = coded
    with pytest.raises(ValueError, match="region"):
        model.network.decode(streams, _core.Frame(*pixels.shape[:2], 50, 6), region=region)


def test_codes_give_the_same_streams(coded):
    model, pixels, streams = coded
    codes = model.network.decode_codes(streams, _core.Frame(*pixels.shape[:2], 50, 6))
    assert [c.shape[2:] for c in codes] == [(s.latents // 4, s.rvq_levels) for s in SMALL.stages]
    again, bits = model.network.encode_codes(codes, _core.Frame(*pixels.shape[:2], 50, 6))
    assert again == streams and min(bits) > 0
    codes[1] = codes[1][:-1].copy()
    with pytest.raises(ValueError, match="stage 1"):
        model.network.encode_codes(codes, _core.Frame(*pixels.shape[:2], 50, 6))


def test_impossible_codes_are_refused(coded):
    model, pixels, streams = coded
    codes = model.network.decode_codes(streams, _core.Frame(*pixels.shape[:2], 50, 6))
    for c in codes:
        c[...] = 255
    with pytest.raises(ValueError, match="code"):
        model.network.encode_codes(codes, _core.Frame(*pixels.shape[:2], 50, 6))


def test_missing_tiles_are_guessed_and_spoil_nothing_far_away(coded):
    model, pixels, streams = coded
    size = pixels.shape[:2]
    whole = model.network.decode(streams, _core.Frame(*size, 50, 6))
    without_the_finest = model.network.decode([*streams[:-1], [None] * 42], _core.Frame(*size, 50, 6))
    nothing = model.network.decode([[None] * 42] * len(streams), _core.Frame(*size, 50, 6))
    assert psnr(pixels, whole) > psnr(pixels, without_the_finest) + 1 > psnr(pixels, nothing) + 2
    hole = [list(tiles) for tiles in streams]
    hole[0][0] = None  # the top left corner
    damaged = model.network.decode(hole, _core.Frame(*size, 50, 6))
    np.testing.assert_array_equal(damaged[300:, 350:], whole[300:, 350:])
    assert not np.array_equal(damaged[:64, :64], whole[:64, :64])


@pytest.mark.parametrize("values", [(0, 5, 50, 6), (5, 5, 0, 6), (5, 5, 101, 6), (5, 5, 50, 17)])
def test_a_frame_out_of_range_is_refused_by_its_value(values):
    with pytest.raises(ValueError, match="0|101|17"):
        _core.Frame(*values)


def test_a_shape_that_no_network_has_is_refused_by_its_value():
    model = shipped()
    shape = {**model.shape, "stages": [dict(s) for s in model.shape["stages"]]}
    shape["stages"][3]["level"] = 9
    with pytest.raises(ValueError, match=r"stages.3: level 9 is not one of 0 to \d"):
        _core.Network(shape, model.tensors)
