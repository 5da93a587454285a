"""Random draws of a run: pure functions of its seed, what is drawn and the step, so that a resumed run repeats none."""

import numpy as np
import torch

# What is drawn; it comes right after the run's seed. None is 0, and none comes last: numpy fills seeds up with zeros, and takes
# one of more than 32 bits for two, so that with what is drawn at the end (seed, step, 0) were the seeds of another draw.
CROPS, QUALITIES, NOISE = 1, 2, 3


def sequence(*seeds: int) -> np.random.SeedSequence:
    """What draws start from that depend on the seeds (each 0 or more) alone."""
    return np.random.SeedSequence(seeds)


def generator(*seeds: int, device: str | torch.device = "cpu") -> torch.Generator:
    """A generator whose draws depend on the seeds and the kind of device alone."""
    state = int(sequence(*seeds).generate_state(1, np.uint64)[0])
    return torch.Generator(device).manual_seed(state >> 1)
