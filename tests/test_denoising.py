"""De-noising before coding: the network in fixed point, the estimate of the noise, and `denoise=` where pictures are compressed."""

import io
import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import aecodec
import aecodec.pillow  # noqa: F401
from aecodec import _core, denoising
from aecodec.cli import main
from aecodec.denoising import Denoiser, amount_of, denoiser
from aecodec.errors import ModelError, OptionError
from aecodec.noise import LEVELS, SIGMA_MAX, SIGMA_MIN, estimator, level_of
from conftest import psnr


def with_noise(pixels: np.ndarray, sigma: float, seed: int = 0) -> np.ndarray:
    added = pixels + np.random.default_rng(seed).normal(0, sigma, pixels.shape)
    return np.clip(np.rint(added), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("sigma", "gain"), [(10, 2.5), (20, 4.5), (35, 6)])
def test_noise_goes(photo, sigma, gain):
    noisy = with_noise(photo, sigma)
    assert psnr(photo, denoiser()(noisy, sigma)) > psnr(photo, noisy) + gain


def test_noise_that_grows_with_the_light_goes(photo):
    noisy = with_noise(photo, np.sqrt(2.5 * photo + 16))
    assert psnr(photo, denoiser()(noisy, 18)) > psnr(photo, noisy) + 4


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (4, 4), (17, 66), (130, 9)])
def test_every_size_does(photo, size):
    pixels = photo[: size[0], : size[1]]
    assert denoiser()(pixels, 10).shape == pixels.shape


def test_every_instruction_set_and_number_of_threads_gives_the_same(photo, simd):
    noisy = with_noise(photo[:90, :110], 15)
    assert simd in _core.available_simd()
    several, one = (denoiser().network.run(noisy, 50, threads) for threads in (3, 1))
    np.testing.assert_array_equal(several, one)
    np.testing.assert_array_equal(one, denoiser()(noisy, SIGMA_MIN * (SIGMA_MAX / SIGMA_MIN) ** (49 / 99), 1))


def test_levels_cover_what_can_be_asked_for():
    assert level_of(0) == level_of(SIGMA_MIN) == 1
    assert level_of(SIGMA_MAX) == level_of(1000) == LEVELS
    assert 1 < level_of(5) < level_of(20) < LEVELS


@pytest.mark.parametrize("level", [0, LEVELS + 1])
def test_a_level_that_does_not_exist_is_refused(photo, level):
    with pytest.raises(ValueError, match="level of the noise"):
        denoiser().network.run(photo, level)


@pytest.mark.parametrize("pixels", [np.zeros((8, 8), np.uint8), np.zeros((0, 8, 3), np.uint8)])
def test_pixels_of_another_shape_are_refused(pixels):
    with pytest.raises(ValueError):
        denoiser().network.run(pixels, 1)


@pytest.mark.parametrize("sigma", [10, 20, 35])
def test_the_estimate_is_about_right(photo, sigma):
    assert sigma / 1.4 < estimator()(with_noise(photo, sigma)) < sigma * 1.4


def test_noise_that_a_mosaic_has_smoothed_is_seen(photo):
    noise = np.random.default_rng(1).normal(0, 30, photo.shape)
    smooth = (noise + np.roll(noise, 1, 0) + np.roll(noise, 1, 1) + np.roll(noise, (1, 1), (0, 1))) / 4  # of 15
    noisy = np.clip(np.rint(photo + smooth), 0, 255).astype(np.uint8)
    assert 9 < estimator()(noisy) < 23


def test_a_clean_picture_is_left_as_it_is(photo):
    assert aecodec.compress(photo, 40, denoise="auto") == aecodec.compress(photo, 40)
    assert aecodec.compress(photo, 40, denoise=0) == aecodec.compress(photo, 40)


def test_a_noisy_picture_is_smaller_and_nearer_to_the_clean_one(photo):
    noisy = with_noise(photo, 20)
    plain, clean = aecodec.compress(noisy, 60), aecodec.compress(noisy, 60, denoise="auto")
    assert len(clean) < 0.8 * len(plain)
    assert psnr(photo, aecodec.decompress(clean)) > psnr(photo, aecodec.decompress(plain)) + 2
    assert abs(len(aecodec.compress(noisy, 60, denoise=20)) / len(clean) - 1) < 0.2


def test_gray_and_alpha(photo):
    noisy = with_noise(photo[:, :, 1], 20)
    clean = aecodec.decompress(aecodec.compress(noisy, 60, denoise="auto"))
    assert clean.shape == noisy.shape
    assert psnr(photo[:, :, 1], clean) > psnr(photo[:, :, 1], noisy) + 3
    alpha = np.arange(noisy.size).reshape(*noisy.shape, 1).astype(np.uint8)
    back = aecodec.decompress(aecodec.compress(np.concatenate([noisy[:, :, None], alpha], 2), 60, denoise=20))
    np.testing.assert_array_equal(back[:, :, 1:], alpha)


def test_samples_of_16_bits(photo):
    noisy = with_noise(photo, 20).astype(np.uint16) * 257
    assert psnr(photo, aecodec.decompress(aecodec.compress(noisy, 60, denoise=20))) > 24


@pytest.mark.parametrize("effort", [1, 9])
def test_every_effort_takes_it(photo, effort):
    noisy = with_noise(photo[:64, :64], 20)
    clean = aecodec.decompress(aecodec.compress(noisy, 60, effort=effort, denoise=20))
    assert psnr(photo[:64, :64], clean) > psnr(photo[:64, :64], noisy) + 3


@pytest.mark.parametrize("denoise", [-1, 101, "much", True, float("nan"), [20]])
def test_what_is_no_noise_is_refused(photo, denoise):
    with pytest.raises(OptionError, match="denoise must be"):
        aecodec.compress(photo, denoise=denoise)


@pytest.mark.parametrize("denoise", [np.float32(5), np.float64(5), np.int64(5), np.uint8(5)])
def test_numbers_of_other_types_are_noise(photo, denoise):
    assert amount_of(denoise) == 5
    assert aecodec.compress(photo[:64, :64], denoise=denoise) == aecodec.compress(photo[:64, :64], denoise=5)


def test_without_loss_and_without_noise_is_refused(photo):
    with pytest.raises(OptionError, match="without loss"):
        aecodec.compress(photo, lossless=True, denoise="auto")


def test_pillow_takes_it(photo):
    noisy, file = with_noise(photo, 20), io.BytesIO()
    Image.fromarray(noisy).save(file, "AEC", quality=60, denoise="auto")
    assert file.getvalue() == aecodec.compress(noisy, 60, denoise="auto")
    with pytest.raises(ValueError, match="denoise must be"):
        Image.fromarray(noisy).save(io.BytesIO(), "AEC", denoise="much")


def test_command_line(photo, tmp_path):
    source, target = tmp_path / "noisy.png", tmp_path / "clean.aec"
    noisy = with_noise(photo, 20)
    Image.fromarray(noisy).save(source)
    run = CliRunner().invoke(main, ["compress", str(source), str(target), "--denoise"])
    assert run.exit_code == 0 and "taken out" in run.output
    assert target.read_bytes() == aecodec.compress(noisy, denoise="auto")
    run = CliRunner().invoke(main, ["compress", "-f", str(source), str(target), "--denoise", "12.5", "--json"])
    assert json.loads(run.output)["files"][0]["noise"] == 12.5
    assert target.read_bytes() == aecodec.compress(noisy, denoise=12.5)
    for wrong in (["--denoise", "much"], ["--denoise", "200"], ["--denoise=auto", "--lossless"]):
        assert CliRunner().invoke(main, ["compress", "-f", str(source), str(target), *wrong]).exit_code != 0
    assert target.read_bytes() == aecodec.compress(noisy, denoise=12.5)


def test_damaged_weights_are_refused(tmp_path):
    from importlib import resources

    data = bytearray((resources.files("aecodec") / denoising.DENOISER).read_bytes())
    data[-100] ^= 1
    (tmp_path / "damaged").write_bytes(data)
    with pytest.raises(ModelError, match="damaged"):
        Denoiser(tmp_path / "damaged")
    (tmp_path / "none").write_bytes(b"none")
    with pytest.raises(ModelError):
        Denoiser(tmp_path / "none")


def test_the_fixed_point_network_does_what_the_float_one_does(photo, tmp_path):
    torch = pytest.importorskip("torch")
    from aecodec.network import denoiser as network
    from aecodec.network.network import Block

    torch.manual_seed(0)
    net = network.Denoiser(channels=32, hidden=16, blocks=2)
    for block in net.blocks:
        assert isinstance(block, Block)
        torch.nn.init.normal_(block.mix.weight, std=0.1)
        torch.nn.init.normal_(block.film.weight, std=0.1)
    torch.nn.init.normal_(net.head.weight, std=0.02)
    network.export(net, tmp_path / "weights", {})
    x = torch.from_numpy(photo).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        expected = net(x, torch.tensor([20.0]))[0].permute(1, 2, 0).clamp(0, 255).numpy()
    assert np.abs(expected - photo).mean() > 1
    assert np.abs(Denoiser(tmp_path / "weights")(photo, 20) - expected).mean() < 0.5


@pytest.mark.parametrize("seed", range(40))
def test_noise_for_training_is_as_strong_as_it_says(seed):
    torch = pytest.importorskip("torch")
    from aecodec.train.noise import noisy

    x = torch.full((3, 64, 64), 128.0)
    y, sigma = noisy(x, np.random.default_rng(seed))
    assert y.shape == x.shape and 0 <= y.min() and y.max() <= 255 and (y == y.round()).all()
    if 3 < sigma < 30:  # JPEG takes some
        assert 0.3 < float((y - x).square().mean().sqrt()) / sigma < 1.1


def test_training_starts_goes_on_and_exports(tmp_path, photo):
    pytest.importorskip("torch")
    from aecodec.train import denoise

    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i in range(60):  # enough for one of them to be a validation picture
        Image.fromarray(np.roll(photo, i, 0)).save(pictures / f"{i}.png")
    (tmp_path / "run").mkdir()
    first = denoise.Run(pictures, tmp_path / "run")
    first.loop(0.01)
    assert first.step and (tmp_path / "run" / denoise.EXPORT).exists()
    second = denoise.Run(pictures, tmp_path / "run")
    assert second.step == first.step
    second.loop(first.seconds / 60 + 0.01)
    assert second.step > first.step
    assert Denoiser(tmp_path / "run" / denoise.EXPORT)(photo, 10).shape == photo.shape
