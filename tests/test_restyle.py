"""`aecodec.restyle`: one picture with the statistics of another one's latents."""

import numpy as np
import pytest
from PIL import Image

import aecodec
from conftest import PHOTO


@pytest.fixture(scope="module")
def pair():
    pytest.importorskip("torch")
    photo = np.asarray(Image.open(PHOTO).convert("RGB"))
    return photo[100:230, 250:440], photo[:128, 600:728]


def test_colours_come_from_one_and_edges_from_the_other(pair):
    content, style = (v.astype(float) for v in pair)
    mixed = aecodec.restyle(*pair).astype(float)
    assert mixed.shape == content.shape

    def away(a, b):
        return np.abs(a.mean((0, 1)) - b.mean((0, 1))).max()

    assert away(mixed, style) < 0.4 * away(content, style)
    assert np.corrcoef(mixed.mean(2).ravel(), content.mean(2).ravel())[0, 1] > 0.7


def test_nothing_changes_where_nothing_is_asked(pair):
    content, style = pair
    same = [
        aecodec.restyle(content, style, strength=0),
        aecodec.restyle(content, style, stages=()),
        aecodec.restyle(content, content),
    ]
    for again in same:
        assert np.abs(again.astype(int) - content).mean() < 3  # the network's own loss
    assert np.abs(same[0].astype(int) - same[2]).max() <= 1


def test_all_sizes_and_what_is_refused(pair):
    content, style = pair
    assert aecodec.restyle(content[:1, :1], Image.fromarray(style).convert("RGBA")).shape == (1, 1, 3)
    assert aecodec.restyle(content[:, :, 0], style[:1, :1]).shape == content.shape
    for wrong in ({"strength": 2}, {"strength": float("nan")}, {"stages": [7]}, {"stages": ["0"]}):
        with pytest.raises(aecodec.OptionError):
            aecodec.restyle(content, style, **wrong)
    with pytest.raises(aecodec.PictureError):
        aecodec.restyle(content, style.astype(float))
