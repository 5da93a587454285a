"""Heat maps to look at."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..picture import Picture
from .descriptors import seen

COLD, HOT = (255, 220, 0), (255, 0, 0)  # of the overlay, from 0.5 to 1
OPACITY = 0.7  # of what is oddest
START = 0.3  # the value from which on the overlay shows


def heat(places: NDArray[np.float32]) -> Image.Image:
    """Values from 0 to 1, (H, W), as a gray picture: 255 is 1."""
    return Image.fromarray(np.rint(255 * places).astype(np.uint8))


def overlay(picture: Picture, places: NDArray[np.float32]) -> Image.Image:
    """The picture in gray, with yellow to red over what is odd."""
    gray = np.asarray(Image.fromarray(seen(picture)).convert("L"), np.float32)[..., None]
    hot = np.clip(2 * places[..., None] - 1, 0, 1)
    colour = hot * np.array(HOT, np.float32) + (1 - hot) * np.array(COLD, np.float32)
    opacity = OPACITY * np.clip((places[..., None] - START) / (1 - START), 0, 1)
    return Image.fromarray(np.rint(gray + opacity * (colour - gray)).astype(np.uint8))
