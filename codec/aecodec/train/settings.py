"""What a training run is told, and the learning rates that follow from it."""

from dataclasses import dataclass, replace

import torch

from ..network.device import bfloat16_is_fast
from ..network.loss import PREVIEW_WEIGHT

# Of the learning rate, once the weights are trained, for layers by their name; 1 for all others. The whole picture passes
# through the linear ones, so the noise of their steps is noise in it: 30 steps at 6e-4 from trained weights raise the loss at
# quality 85 by 12 % with one rate for all, by 2 % with these. (Layers that start at zero learn too slowly with them.)
RATE_SHARES = dict.fromkeys(("stem", "down", "select", "inject", "up", "out", "preview"), 0.15) | dict.fromkeys(
    ("prior", "posterior"), 0.5
)


@dataclass(frozen=True)
class Settings:
    minutes: float = 100.0  # of training in all, over every resume
    scalar_share: float = 0.45  # of the minutes: scalar quantisation; the codebook after that
    decay_share: float = 0.25  # of the minutes, the last: the learning rate falls linearly to its floor; 0: it never falls
    batch: int = 4  # crops a step, of all processes together
    accumulate: int = 1  # parts that each process makes its share of them in, for want of memory
    crop: int = 256
    learning_rate: float = 1e-3
    floor: float = 0.02  # of the learning rate, at the end
    warmup: int = 500  # steps
    average: float = 0.998  # decay of the moving average of the weights
    clip: float = 8.0  # norm of the gradient; most are 4 to 10
    visual: float | None = None  # share of the visible error in the distortion; None: by quality, see `visual_share`
    preview: float = PREVIEW_WEIGHT
    trained: bool = False  # what the run starts from: RATE_SHARES hold
    validation_pictures: int = 16
    checkpoint_minutes: float = 3.0
    validation_minutes: float = 15.0
    seed: int = 0
    device: str = "cuda" if torch.cuda.is_available() else "cpu"
    bfloat16: bool = bfloat16_is_fast()  # in the network's branches

    def rate(self, step: int, seconds: float) -> float:
        """Adam's learning rate after so many steps and seconds of the run."""
        left = 1 - seconds / (60 * self.minutes)
        decay = min(1.0, max(self.floor, left / self.decay_share)) if self.decay_share else 1.0
        return self.learning_rate * min(1.0, (step + 1) / self.warmup) * decay

    def annealed(self, seconds: float, minutes: float) -> "Settings":
        """The rest of a run that has taken so many seconds, if its learning rate is to fall from now on, in `minutes`.

        What a constant rate learns shows only once it has fallen; the run itself goes on better without (Hu et al., MiniCPM,
        2024).
        """
        total = seconds / 60 + minutes
        return replace(self, minutes=total, decay_share=minutes / total)


def rate_share(name: str) -> float:
    """Of a parameter, by its full name."""
    return next((RATE_SHARES[part] for part in name.split(".") if part in RATE_SHARES), 1.0)
