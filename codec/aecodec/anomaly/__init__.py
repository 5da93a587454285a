"""The odd picture out: what good pictures have in common, and where another one differs from it.

Each picture is reduced to edges and colours in the cells of two grids (descriptors); a linear de-noising auto-encoder rebuilds
each cell from all others (denoiser), a codebook says how far the patch around it is from those of good pictures (codebook), and
pictures that were held out say how much of that is usual (calibration).
"""

from .model import AnomalyModel, fit, load

__all__ = ["AnomalyModel", "fit", "load"]
