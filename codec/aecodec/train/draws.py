"""Random draws of a run: pure functions of its seed, the step and what is drawn, so that a resumed run repeats none."""

import numpy as np
import torch

QUALITIES, NOISE = 0, 1  # what is drawn in a step


def generator(*seeds: int, device: str | torch.device = "cpu") -> torch.Generator:
    """A generator whose draws depend on the seeds (each 0 or more) and the kind of device alone."""
    state = int(np.random.SeedSequence(seeds).generate_state(1, np.uint64)[0])
    return torch.Generator(device).manual_seed(state >> 1)
