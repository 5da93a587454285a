"""A linear de-noising auto-encoder: each cell of a grid is rebuilt from all others.

The best guess of a cell of a Gaussian, given the others, is linear, and both the guess and how wrong it usually is stand in the
inverse of the covariance (Lauritzen, Graphical Models, 1996). So nothing has to be trained by steps: a cell is taken out, and what
comes back differs from it by a residual whose Mahalanobis distance is the surprise.
"""

from dataclasses import dataclass

import numpy as np

from .descriptors import Floats

RIDGE = 0.1  # of the mean variance, on the diagonal of the covariance: what few pictures do not say


@dataclass(frozen=True)
class Denoiser:
    """mean: (D,); precision: (D, D), D = cells x channels; spread: (cells, channels, channels), the residuals' covariance."""

    mean: Floats
    precision: Floats
    spread: Floats

    @classmethod
    def fitted(cls, grids: Floats) -> "Denoiser":
        """grids: (N, n, n, C) of at least two pictures."""
        rows = grids.reshape(len(grids), -1)
        covariance = np.cov(rows.T)
        variance = max(float(covariance.diagonal().mean()), 1e-9)  # of pictures that are all alike there is none
        precision = np.linalg.inv(covariance + RIDGE * variance * np.eye(len(covariance))).astype(np.float64)
        cells, channels = grids.shape[1] * grids.shape[2], grids.shape[3]
        i = np.arange(cells)
        blocks = precision.reshape(cells, channels, cells, channels)[i, :, i]
        spread = np.linalg.inv(blocks).astype(np.float64)
        return cls(rows.mean(0), precision, spread)

    def surprise(self, grids: Floats) -> Floats:
        """(N, n, n, C) -> (N, n, n): the squared Mahalanobis distance of each cell from what the others say, a channel."""
        channels = grids.shape[3]
        pull = (grids.reshape(len(grids), -1) - self.mean) @ self.precision  # block times residual
        pull = pull.reshape(len(grids), -1, channels)
        squared: Floats = np.einsum("nic,icd,nid->ni", pull, self.spread, pull) / channels
        return np.asarray(np.maximum(squared, 0).reshape(grids.shape[:3]))
