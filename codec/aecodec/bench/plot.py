"""Rate-distortion plots, as PNG and SVG."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import ScalarFormatter

from .distortions import DISTORTIONS

SCALES = {"": "log", "-linear": "linear"}  # of the rate, by what a file's name ends with
TICKS = {"log": [0.1, 0.2, 0.5, 1, 2, 4], "linear": [0, 0.5, 1, 1.5, 2, 2.5, 3]}


def measured(summary: dict[str, dict]) -> list[str]:
    """The distortions that some codec has a curve of."""
    return [d for d in DISTORTIONS if any(d in entry["curve"] for entry in summary.values())]


def plot(summary: dict[str, dict], labels: dict[str, str], title: str, folder: Path) -> list[Path]:
    """Writes <distortion>.png and <distortion>.svg for each, and <distortion>-linear.*, with linear rates; -> the files."""
    written = []
    for metric in measured(summary):
        figure, axes = plt.subplots(figsize=(8, 5.5))
        for codec, entry in summary.items():
            curve = entry["curve"]
            if metric not in curve:
                continue
            own = codec == "aec"
            axes.plot(
                curve["bpp"],
                curve[metric],
                "o-",
                ms=3.5 if own else 2,
                lw=2.4 if own else 1.2,
                zorder=3 if own else 2,
                label=labels[codec],
            )
        axes.set(xlabel="bits per pixel", ylabel=DISTORTIONS[metric].axis, title=title)
        axes.grid(alpha=0.3)
        axes.legend()
        for ending, scale in SCALES.items():
            axes.set(xscale=scale, xlim=(0.07, 4) if scale == "log" else (0, 3))
            axes.set_xticks(TICKS[scale])
            axes.xaxis.set_major_formatter(ScalarFormatter())
            axes.minorticks_off()
            for suffix in ("png", "svg"):
                written.append(folder / f"{metric}{ending}.{suffix}")
                figure.savefig(written[-1], dpi=110, bbox_inches="tight", metadata={"Date": None} if suffix == "svg" else None)
        plt.close(figure)
    return written
