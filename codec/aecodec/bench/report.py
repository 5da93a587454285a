"""The benchmark as one HTML page that needs nothing else: curves, tables, and pictures to look at side by side."""

import base64
import html
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..metrics import psnr
from ..picture import Picture
from ..target import bisect
from .codecs import CODECS
from .distortions import DISTORTIONS
from .measure import Row
from .plot import SCALES, measured
from .summary import ANCHORS, percent

PAGE = Path(__file__).parent / "report.html"
SHOWN = 4  # pictures in the viewer
QUALITIES = (20, 50)  # of aecodec, that the viewer shows
MAX_SIDE = 1024  # larger pictures are cropped for the viewer


@dataclass(frozen=True)
class Shown:
    """A picture in the viewer."""

    name: str
    kind: str  # Original, JPEG, aecodec
    caption: str
    uri: str


def data_uri(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def lossless(pixels: np.ndarray) -> str:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "WEBP", lossless=True)
    return data_uri(out.getvalue(), "webp")


def jpeg_of_size(pixels: np.ndarray, size: int) -> bytes:
    """The largest JPEG of at most this size, or the smallest of all."""
    jpeg = CODECS["jpeg"]()
    return jpeg.encode(pixels, bisect(lambda quality: len(jpeg.encode(pixels, quality)) <= size, 1, 95) or 1)


def viewer(paths: list[Path]) -> Iterator[Shown]:
    aec, jpeg = CODECS["aec"](), CODECS["jpeg"]()
    for path in paths[:: max(1, len(paths) // SHOWN)][:SHOWN]:
        picture = Picture(Picture.load(path).rgb()[:MAX_SIDE, :MAX_SIDE])
        pixels = picture.rgb()
        for quality in QUALITIES:
            data = aec.encode(pixels, quality)
            other = jpeg_of_size(pixels, len(data))
            name = f"{path.stem}, {8 * len(data) / picture.pixels_count:.2f} bits per pixel"
            yield Shown(name, "Original", f"original, {picture.width} × {picture.height}", lossless(pixels))
            for kind, label, coded, decoded in (
                ("JPEG", "JPEG", other, jpeg.decode(other)),
                ("aecodec", "aecodec", data, aec.decode(data)),
            ):
                caption = f"{label}, {len(coded)} bytes, {psnr(pixels, decoded):.2f} dB"
                yield Shown(name, kind, caption, data_uri(coded, "jpeg") if kind == "JPEG" else lossless(decoded))


def table(header: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th>{html.escape(c)}</th>" for c in header)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def inline(svg: Path) -> str:
    """An SVG file as an element of a page."""
    text = svg.read_text(encoding="utf-8")
    return text[text.index("<svg") :]


def codecs_table(summary: dict[str, dict], labels: dict[str, str]) -> str:
    """BD-rates by every distortion against every anchor."""
    columns = [(a, d) for a in ANCHORS if a in summary for d in measured(summary)]
    head = ["codec", *(f"{DISTORTIONS[d].name}, against {labels[a]}" for a, d in columns)]
    return table(head, [[labels[n], *(percent(e["bd_rate"][a].get(d)) for a, d in columns)] for n, e in summary.items()])


def pictures_table(rows: list[Row], labels: dict[str, str]) -> str:
    distortions = {k: d for k, d in DISTORTIONS.items() if any(getattr(r, k) is not None for r in rows)}

    def cells(r: Row) -> list[str]:
        values = [(getattr(r, k), d.decimals) for k, d in distortions.items()]
        found = ["" if value is None else f"{value:.{decimals}f}" for value, decimals in values]
        times = [f"{seconds:.3f}" for seconds in (r.encode_seconds, r.decode_seconds)]
        return [r.picture, labels[r.codec], f"{r.setting:g}", str(r.size), f"{r.bpp:.4f}", *found, *times]

    order = sorted(rows, key=lambda r: (r.picture, list(labels).index(r.codec), r.bpp))
    head = ["picture", "codec", "setting", "bytes", "bpp", *(d.name for d in distortions.values()), "encode s", "decode s"]
    return table(head, list(map(cells, order)))


def write(rows: list[Row], summary: dict[str, dict], labels: dict[str, str], paths: list[Path], title: str, folder: Path) -> Path:
    """Writes report.html beside the plots, whose SVG files it takes in; -> the file."""
    page = PAGE.read_text(encoding="utf-8")
    figures = [
        f'<figure data-name="{html.escape(s.name)}" data-kind="{s.kind}"><img alt="{html.escape(s.caption)}" src="{s.uri}">'
        f"<figcaption>{html.escape(s.caption)}</figcaption></figure>"
        for s in viewer(paths)
    ]
    plots = [
        f'<div class="plot {scale}">{inline(folder / f"{metric}{ending}.svg")}</div>'
        for metric in measured(summary)
        for ending, scale in SCALES.items()
    ]
    parts = {
        "TITLE": html.escape(title),
        "PLOTS": "".join(plots),
        "CODECS": codecs_table(summary, labels),
        "VIEWER": "".join(figures),
        "PICTURES": pictures_table(rows, labels),
    }
    for name, text in parts.items():
        page = page.replace(f"<!--{name}-->", text)
    out = folder / "report.html"
    out.write_text(page, encoding="utf-8")
    return out
