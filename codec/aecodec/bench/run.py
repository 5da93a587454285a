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


def kept_rows(out: Path, names: list[str], distortions: list[str], pictures: set[str]) -> list[Row]:
    """The results in `out` of codecs that are not measured now.

    Raises AecodecError if there are none, or they are of other pictures or distortions.
    """
    try:
        rows = [Row(**row) for row in json.loads((out / "results.json").read_text())]
    except FileNotFoundError as error:
        raise AecodecError(f"{out} has no results to keep") from error
    except (ValueError, TypeError) as error:
        raise AecodecError(f"{out}/results.json is not of this version: {error}") from error
    rows = [r for r in rows if r.codec in CODECS and r.codec not in names]
    lacking = {d for r in rows for d in distortions if getattr(r, d) is None} - {"ms_ssim"}  # which small pictures have none of
    if lacking or rows and {r.picture for r in rows} != pictures:
        raise AecodecError(
            f"{out} has results of other {'distortions' if lacking else 'pictures'}, which cannot be kept beside these"
        )
    return rows


def bench(data: Path, out: Path, names: list[str], distortions: list[str], jobs: int, keep: bool = False) -> None:
    """Writes results.json, results.csv, summary.json, table.md, plots and report.html to `out`.

    keep: whether the results in `out` of other codecs stay. Raises AecodecError if there is no picture, a codec or a distortion
    is unknown, what it needs is not installed, or what is to be kept does not go with the rest.
    """
    for kind, asked, known in (("codec", names, CODECS), ("distortion", distortions, DISTORTIONS)):
        if unknown := [n for n in asked if n not in known]:
            raise AecodecError(f"no {kind} is called {', '.join(unknown)}; there are {', '.join(known)}")
    if "butteraugli" in distortions and not shutil.which(BUTTERAUGLI):
        raise AecodecError(f"butteraugli needs libjxl's {BUTTERAUGLI} (Debian: apt install libjxl-devtools)")
    paths = sorted(p for p in data.iterdir() if p.suffix.lower() in SUFFIXES)
    if not paths:
        raise AecodecError(f"{data}: no pictures")
    kept = kept_rows(out, names, distortions, {p.name for p in paths}) if keep else []
    shown = [n for n in CODECS if n in names or n in {r.codec for r in kept}]
    try:
        labels = {n: CODECS[n]().label for n in shown}
    except ImportError as error:
        raise AecodecError(f"a codec needs a package that is not installed: {error.name} (pip install 'aecodec[bench]')") from error
    out.mkdir(parents=True, exist_ok=True)

    rows: list[Row] = []
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        tasks = [pool.submit(measure, name, path, distortions) for name in names for path in paths]
        for task in tqdm(tasks, desc="bench", unit="picture", disable=None):
            rows += task.result()
    rows = sorted(kept + rows, key=lambda r: shown.index(r.codec))

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
