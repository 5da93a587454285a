"""The benchmark: measures every codec on every picture of a folder and writes rows, summary, table, plots and a report."""

import csv
import json
import multiprocessing
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, fields
from pathlib import Path

from tqdm import tqdm

from .. import provenance
from ..errors import AecodecError
from ..metrics import BUTTERAUGLI
from ..picture import SUFFIXES
from . import report
from .codecs import CODECS
from .distortions import DISTORTIONS
from .measure import Row, measure
from .plot import measured, plot
from .summary import ANCHORS, percent, summarise


def table(summary: dict[str, dict], labels: dict[str, str], megapixels: float) -> str:
    """A Markdown table of BD-rates against the first anchor, and of the mean speeds over each codec's settings."""
    distortions = measured(summary)
    head = ["codec", *(f"BD-rate, {DISTORTIONS[d].name}" for d in distortions), "encode MP/s", "decode MP/s"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, entry in summary.items():
        speeds = [megapixels * len(s) / sum(s) for s in (entry["curve"]["encode_seconds"], entry["curve"]["decode_seconds"])]
        rates = entry["bd_rate"].get(ANCHORS[0], {})
        cells = [labels[name], *(percent(rates.get(d)) for d in distortions), *(f"{v:.2f}" for v in speeds)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def bench(data: Path, out: Path, names: list[str], distortions: list[str], jobs: int) -> None:
    """Writes results.json, results.csv, summary.json, table.md, plots and report.html to `out`.

    Raises AecodecError if there is no picture, a codec or a distortion is unknown, or what it needs is not installed.
    """
    for kind, asked, known in (("codec", names, CODECS), ("distortion", distortions, DISTORTIONS)):
        if unknown := [n for n in asked if n not in known]:
            raise AecodecError(f"no {kind} is called {', '.join(unknown)}; there are {', '.join(known)}")
    if "butteraugli" in distortions and not shutil.which(BUTTERAUGLI):
        raise AecodecError(f"butteraugli needs libjxl's {BUTTERAUGLI} (Debian: apt install libjxl-devtools)")
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
        tasks = [pool.submit(measure, name, path, distortions) for name in names for path in paths]
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
