"""The benchmark: measures every codec on every picture of a folder and writes rows, summary, table, plots and a report."""

import csv
import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, fields
from pathlib import Path

from tqdm import tqdm

from .. import provenance
from ..errors import AecodecError
from ..picture import SUFFIXES
from . import report
from .codecs import CODECS
from .measure import Row, measure
from .plot import plot
from .summary import percent, summarise


def table(summary: dict[str, dict], labels: dict[str, str], megapixels: float) -> str:
    """A Markdown table of BD-rates and of the mean speeds over each codec's settings."""

    lines = ["| codec | BD-rate, PSNR | BD-rate, MS-SSIM | encode MP/s | decode MP/s |", "|---|---|---|---|---|"]
    for name, entry in summary.items():
        speeds = [megapixels * len(s) / sum(s) for s in (entry["curve"]["encode_seconds"], entry["curve"]["decode_seconds"])]
        cells = [labels[name], percent(entry["bd_rate_psnr"]), percent(entry["bd_rate_ms_ssim"]), *(f"{v:.2f}" for v in speeds)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def bench(data: Path, out: Path, names: list[str], jobs: int) -> None:
    """Writes results.json, results.csv, summary.json, table.md, plots and report.html to `out`.

    Raises AecodecError if there is no picture, a codec is unknown, or what a codec needs is not installed.
    """
    unknown = [n for n in names if n not in CODECS]
    if unknown:
        raise AecodecError(f"no codec is called {', '.join(unknown)}; there are {', '.join(CODECS)}")
    paths = sorted(p for p in data.iterdir() if p.suffix.lower() in SUFFIXES)
    if not paths:
        raise AecodecError(f"{data}: no pictures")
    try:
        labels = {n: CODECS[n]().label for n in names}
    except ImportError as error:
        raise AecodecError(f"a codec needs a package that is not installed: {error.name} (pip install 'aecodec[bench]')") from error
    out.mkdir(parents=True, exist_ok=True)

    rows: list[Row] = []
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        tasks = [pool.submit(measure, name, path) for name in names for path in paths]
        for task in tqdm(tasks, desc="bench", unit="picture", disable=None):
            rows += task.result()

    with open(out / "results.csv", "w", newline="") as f:
        writer = csv.DictWriter(f, [f.name for f in fields(Row)])
        writer.writeheader()
        writer.writerows(asdict(r) for r in rows)
    summary = summarise(rows)
    (out / "results.json").write_text(json.dumps([asdict(r) for r in rows]))
    (out / "summary.json").write_text(json.dumps({"run": provenance.run(), **summary}, indent=1))
    pixels = {r.picture: 8 * r.size / r.bpp for r in rows}
    text = table(summary, labels, sum(pixels.values()) / len(pixels) / 1e6)
    (out / "table.md").write_text(text)
    title = f"{len(paths)} pictures of {data.name}"
    plot(summary, labels, title, out)
    report.write(rows, summary, labels, paths, f"aecodec bench: {title}", out)
    print(text, end="")
