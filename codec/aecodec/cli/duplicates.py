"""aecodec duplicates"""

import base64
import html
import io
import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from ..errors import AecodecError
from .batch import counted, one_line, said_of, writing
from .messages import printable, say
from .size import Range

if TYPE_CHECKING:
    from ..duplicates import File, Group

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
THUMBNAIL = 160  # pixels
STYLE = (
    "body{font:14px sans-serif}section{display:flex;flex-wrap:wrap;gap:1em;margin:1em 0;border-top:1px solid #ccc}figure{margin:0}"
)


def described(group: "Group") -> list[dict[str, Any]]:
    return [
        {"path": str(f.path), "width": f.width, "height": f.height, "bytes": f.bytes, "likeness": likeness}
        for f, likeness in zip(group.files, group.likeness, strict=True)
    ]


def shown(file: "File", note: str) -> str:
    """A figure of the page, its picture in it."""
    from ..files import load_reduced

    image = load_reduced(file.path, THUMBNAIL).eight_bit().to_pillow().convert("RGB")
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=80)
    source = f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"
    return (
        f'<figure><img src="{source}" alt=""><figcaption>{html.escape(printable(str(file.path)))}<br>{note}</figcaption></figure>'
    )


def page(found: list["Group"]) -> str:
    sections = []
    for group in found:
        rows = zip(group.files, group.likeness, strict=True)
        figures = (shown(f, f"{f.width} × {f.height}, {f.bytes} bytes, {likeness:.2f}") for f, likeness in rows)
        sections.append(f"<section>{''.join(figures)}</section>")
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Duplicates</title><style>{STYLE}</style>'
    return f"{head}<h1>{counted(len(found), 'group')}, what to keep first</h1>{''.join(sections)}</html>\n"


def move(file: "File", folder: Path, target: Path) -> Path:
    """Moves a file to the same place below another folder, or beside what is there by that name."""
    place = target / file.path.relative_to(folder)
    place.parent.mkdir(parents=True, exist_ok=True)
    free, count = place, 1
    while True:
        try:
            os.close(os.open(free, os.O_CREAT | os.O_EXCL | os.O_WRONLY))  # the name is ours from now on
            break
        except FileExistsError:
            free, count = place.with_stem(f"{place.stem}-{count}"), count + 1
    try:
        shutil.move(file.path, free)
    except BaseException:
        if free.stat().st_size == 0:
            free.unlink()
        raise
    return free


@click.command()
@click.argument("folders", metavar="FOLDER...", type=FOLDER, nargs=-1, required=True)
@click.option("--threshold", type=Range(0, 1), help="How alike two must be; less finds more, and errs more.  [default: 0.85]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--html", "html_path", type=click.Path(dir_okay=False, path_type=Path), help="Write a page of thumbnails.")
@click.option(
    "--move", "target", type=click.Path(file_okay=False, path_type=Path), help="Move all but the first of each group there."
)
@click.option("-j", "--jobs", type=click.IntRange(1), help="Files at a time.  [default: one a core]")
@click.option("-f", "--force", is_flag=True, help="Replace an existing page.")
def duplicates(
    folders: tuple[Path, ...],
    threshold: float | None,
    as_json: bool,
    html_path: Path | None,
    target: Path | None,
    jobs: int | None,
    force: bool,
) -> None:
    """Find pictures that are versions of one another: resized, cropped, compressed again, mirrored, changed in colour.

    Takes .aec files, by their coarse codes alone, and pictures of all kinds, in folders and those below. Of each group the largest
    comes first. What is known of the pictures is kept in a hidden file in each folder, .aecodec-embeddings.
    """
    from ..duplicates import THRESHOLD, Found, groups, scan

    if any(a in b.resolve().parents for a in (f.resolve() for f in folders) for b in folders):
        raise click.UsageError("one of the folders is in another")
    if len({f.resolve() for f in folders}) < len(folders):
        raise click.UsageError("a folder is named twice")
    if target is not None and any(f.resolve() in (target.resolve(), *target.resolve().parents) for f in folders):
        raise click.UsageError("what is moved must leave the folders")
    if html_path is not None and html_path.exists() and not force:
        raise AecodecError(f"{html_path} exists already; -f replaces it")
    everything, homes = Found(), {}
    with tqdm(disable=True if as_json else None, unit="picture", leave=False) as bar:
        for folder in folders:
            found = scan(folder, jobs or os.cpu_count() or 1, bar.update)
            everything.files += found.files
            everything.points += found.points
            everything.failed += found.failed
            homes.update(dict.fromkeys((f.path for f in found.files), folder))
    for path, error in everything.failed:
        say(f"aecodec: {said_of(path, error)}", err=True)
    result = groups(everything.files, everything.points, THRESHOLD if threshold is None else threshold)
    if html_path is not None:
        with writing(html_path, not force) as out:
            out.write(page(result).encode())
    moved = {}
    if target is not None:
        for group in result:
            for file in group.files[1:]:
                moved[file.path] = str(move(file, homes[file.path], target))
    if as_json:
        rows = [[row | {"moved": moved.get(Path(row["path"]))} for row in described(group)] for group in result]
        failed = [{"path": str(p), "message": one_line(e)} for p, e in everything.failed]
        click.echo(json.dumps({"pictures": len(everything.files), "groups": rows, "failed": failed}, indent=2))
    else:
        for group in result:
            for i, row in enumerate(described(group)):
                where = f" -> {moved[Path(row['path'])]}" if Path(row["path"]) in moved else ""
                size = f"{row['width']} x {row['height']}, {row['bytes']} bytes"
                say(f"{'' if i == 0 else '  '}{row['path']}  {size}  {row['likeness']:.2f}{where}")
        say(f"{counted(len(everything.files), 'picture')}, {counted(len(result), 'group')} of versions")
    if everything.failed:
        sys.exit(1)
