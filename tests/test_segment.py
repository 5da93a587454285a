"""What blocks cost, by the engine and by NumPy; and which go to the layer."""

import time

import numpy as np
import pytest

from aecodec import _core, plan, segment
from aecodec.options import quality_to_lambda

SIZES = [(40, 56, 3), (33, 17, 3), (8, 8, 1), (1, 1, 3), (1, 70, 1), (50, 3, 3)]


def pictures(photo, shape):
    """A photograph, flat colours with lines, and noise of few colours."""
    height, width, channels = shape
    rng = np.random.default_rng(0)
    drawn = np.full(shape, 200, np.uint8)
    drawn[::5, : width // 2] = 30
    drawn[:, ::7] = 90
    yield np.ascontiguousarray(photo[:height, :width, :channels])
    yield drawn
    yield rng.integers(0, 4, shape).astype(np.uint8) * np.uint8(60)


def blocks_of(plane: np.ndarray) -> np.ndarray:
    """(H, W), whole blocks -> (rows, columns, 8, 8)."""
    return plane.reshape(plane.shape[0] // 8, 8, -1, 8).swapaxes(1, 2)


def dct_costs(samples: np.ndarray, lam: float) -> np.ndarray:
    """What `codeword_costs` documents, in float64; of every second row of blocks."""
    padded = np.pad(samples, [(0, -n % 8) for n in samples.shape[:2]] + [(0, 0)], "edge").astype(float)
    if padded.shape[2] == 1:
        planes = [padded[:, :, 0] * 3**0.5]
    else:
        r, g, b = np.moveaxis(padded, 2, 0)
        planes = [(r + g + b) / 3**0.5, (r - b) / 2**0.5, (r + b - 2 * g) / 6**0.5]
    k, n = np.mgrid[:8, :8]
    dct = np.cos((2 * n + 1) * k * np.pi / 16) * np.where(k, 0.5, 8**-0.5)
    energy = np.stack([(dct @ blocks_of(p)[::2] @ dct.T) ** 2 * lam / 3 for p in planes])
    energy[..., 0, 0] = 0
    costs = 2 + np.minimum(energy, 3 + 0.5 * np.log2(1 + energy)).sum((0, 3, 4))
    return costs.repeat(2, axis=0)[: padded.shape[0] // 8]


@pytest.mark.parametrize("shape", SIZES)
def test_costs_of_codewords(photo, shape):
    for samples in pictures(photo, shape):
        for quality in (10, 60, 95):
            lam = quality_to_lambda(quality)
            one, two = (_core.codeword_costs(samples, lam, threads) for threads in (1, 3))
            np.testing.assert_array_equal(one, two)
            np.testing.assert_allclose(one, dct_costs(samples, lam), rtol=2e-3, atol=0.1)


@pytest.mark.parametrize("shape", SIZES)
def test_costs_of_a_layer(photo, shape):
    """Pixels like a neighbour are counted, and make up for what is neither flat nor repeated."""
    rows, columns = (-(-n // 8) for n in shape[:2])
    for samples in pictures(photo, shape):
        (costs, runs), (again, _) = (_core.layer_costs(samples, threads) for threads in (1, 3))
        np.testing.assert_array_equal(costs, again)
        wide = np.dstack([samples.astype(np.int64)[:, :, c] for c in range(shape[2])]) @ (256 ** np.arange(shape[2])[::-1])
        new = np.zeros(shape[:2], bool)
        here, left, up, corner = wide[1:, 1:], wide[1:, :-1], wide[:-1, 1:], wide[:-1, :-1]
        new[1:, 1:] = (here != left) & (here != up) & (here != left + up - corner)
        like = np.pad(~new, [(0, 8 * rows - shape[0]), (0, 8 * columns - shape[1])])
        np.testing.assert_array_equal(runs, blocks_of(like).sum((2, 3)))
        assert (costs[runs == 64] < 1 + 64 * 0.01).all() and (costs >= 0.009).all()


def test_costs_rise_with_what_is_there():
    rng = np.random.default_rng(0)
    flat, noise = np.full((64, 64, 3), 77, np.uint8), rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)
    assert _core.layer_costs(flat)[0].sum() < 100 < 8 * noise.size < 2 * _core.layer_costs(noise)[0].sum()
    assert _core.codeword_costs(flat, 0.1).sum() == 128 < 100 * 64 < _core.codeword_costs(noise, 0.1).sum()


def test_what_is_no_picture_is_refused():
    for shape in ((8, 8), (0, 8, 3), (8, 8, 4)):
        for costs in (lambda a: _core.codeword_costs(a, 0.1), _core.layer_costs):
            with pytest.raises(ValueError, match="samples must be"):
                costs(np.zeros(shape, np.uint8))
    with pytest.raises(TypeError):
        _core.layer_costs(np.zeros((8, 8, 3), np.float32))


def test_a_line_that_goes_on_is_not_cut():
    """A block is no cheaper in the layer if the edge in it goes on in blocks that are not."""
    others = np.full((9, 9), 10, np.float32)
    others[4] = 200
    edges = segment.Edges.of(others)
    alone, row = np.zeros((9, 9), bool), np.zeros((9, 9), bool)
    alone[4, 4], row[4] = True, True
    assert edges.between(alone) > others[4, 4] > 200 / 9 > edges.between(row) / 9
    assert edges.between(np.ones((9, 9), bool)) == 0
    assert (edges.pull(row)[4] > 0).all() and (edges.pull(~row)[4] < 0).all()


@pytest.mark.parametrize("shape", SIZES)
def test_colours_of_a_block(photo, shape):
    for samples in pictures(photo, shape):
        found = _core.distinct_colours(samples)
        for row, column in np.ndindex(found.shape):
            block = samples[8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
            assert found[row, column] == len(np.unique(block.reshape(-1, shape[2]), axis=0))


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("lam", [0.002, 0.1, 10.0])
def test_fewer_colours(photo, shape, lam):
    rng = np.random.default_rng(1)
    for samples in pictures(photo, shape):
        inside = rng.random([(side + 7) // 8 for side in shape[:2]]) < 0.8
        for mask in (None, inside):
            (found, errors), (again, _) = (_core.fewer_colours(samples, lam, mask, threads) for threads in (1, 3))
            np.testing.assert_array_equal(found, again)
            squares = np.square(found.astype(float) - samples).mean(2)
            blocks = np.pad(squares, [(0, -side % 8) for side in squares.shape])
            rows, columns = (side // 8 for side in blocks.shape)
            np.testing.assert_allclose(errors, blocks.reshape(rows, 8, columns, 8).sum((1, 3)), rtol=1e-4, atol=1e-4)
            assert squares.max() <= 8 / lam
            if mask is not None:
                outside = ~mask.repeat(8, 0).repeat(8, 1)[: shape[0], : shape[1]]
                np.testing.assert_array_equal(found[outside], samples[outside])


def test_shades_become_one_where_that_pays():
    """A dither of two shades, whose mean is nearly as good; ink is far from both, and so are they from each other if λ is large."""
    dither = np.where(np.random.default_rng(2).random((64, 64, 1)) < 0.5, 200, 210).astype(np.uint8)
    dither[::9] = 20
    flat, errors = _core.fewer_colours(dither, 0.01)
    assert np.unique(flat).tolist() == [20, 205] and errors.max() <= 26 * 64
    kept, _ = _core.fewer_colours(dither, 1.0)
    np.testing.assert_array_equal(kept, dither)


def test_paper_stays_as_white_as_it_is():
    page = np.full((80, 80, 3), 250, np.uint8)
    page[::8, ::8] = 240
    found, _ = _core.fewer_colours(page, 0.001)
    assert (found == 250).all()


def test_paper_with_specks_stays_as_white_as_it_is():
    """Though one pixel in twelve has specks that become as white."""
    rng = np.random.default_rng(0)
    page = np.full((256, 256, 3), 255, np.uint8)
    page[rng.random((256, 256)) < 0.08] = [241, 240, 239]
    page[192:] = rng.integers(0, 230, (1500, 3), dtype=np.uint8)[rng.integers(0, 1500, (8, 32))].repeat(8, 0).repeat(8, 1)
    white = (page == 255).all(2)
    for lam in (0.001, 0.003, 0.01):
        assert (_core.fewer_colours(page, lam)[0][white] == 255).all()


def test_no_colours_take_much_longer_than_others():
    """Colours whose products with a constant, as tables of hashes use it, begin alike; against as many others."""
    numbers = np.arange(1 << 24, dtype=np.uint64)
    alike = numbers[(numbers * 0x9E3779B1 & 0xFFFFFFFF) < 1 << 26][: 1 << 17]
    times = []
    for chosen in (alike, np.random.default_rng(0).permutation(numbers)[: len(alike)]):
        colours = np.stack([chosen >> 16 & 255, chosen >> 8 & 255, chosen & 255], 1).astype(np.uint8)
        picture = np.ascontiguousarray(colours.reshape(256, -1, 3).repeat(2, 1))
        start = time.perf_counter()
        _core.fewer_colours(picture, 0.001, threads=1)
        times.append(time.perf_counter() - start)
    assert times[0] < 4 * times[1] + 0.5, times


@pytest.mark.parametrize("channels", [1, 3])
def test_the_step_for_noise(channels):
    """The power of two for which bits and error of uniform noise cost least, or one of those beside it if that is hardly worse."""

    def cost(step: float, lam: float) -> float:
        return -channels * np.log2(step) + lam * (step**2 - 1) / 12

    for lam in np.geomspace(0.1, 20, 40):
        if step := plan.step_for(lam, channels):
            assert cost(step, lam) <= min(cost(s, lam) for s in (1, 2, 4, 8, 16)) + 0.6 * channels


def test_fewer_colours_of_wrong_shapes():
    picture = np.zeros((8, 9, 3), np.uint8)
    for arguments in ((picture[:, :, :2].copy(), 1.0), (picture, 0.0), (picture, 1.0, np.ones((2, 1), bool))):
        with pytest.raises(ValueError):
            _core.fewer_colours(*arguments)
    with pytest.raises(ValueError):
        _core.distinct_colours(np.zeros((8, 9, 2), np.uint8))


def test_with_a_larger_lambda_the_picture_is_nearer():
    """The same mergers in the same order, and fewer of them."""
    rng = np.random.default_rng(3)
    drawing = np.repeat(np.repeat(rng.integers(0, 40, (40, 50)), 2, 0), 3, 1)
    drawing = np.stack([5 * drawing, 200 - 3 * drawing, 7 * (drawing % 9)], 2).astype(np.uint8)
    errors = [float(_core.fewer_colours(drawing, lam)[1].sum()) for lam in np.geomspace(1e-3, 1, 12)]
    assert errors == sorted(errors, reverse=True) and errors[0] > 0 == errors[-1]
