"""Tables of pictures, a batch at a time: a function for every engine that maps one over rows, on one machine or on many.

Ray Data:       dataset.map_batches(compress_rows, batch_format="pandas")
Spark:          frame.mapInPandas(lambda frames: map(compress_rows, frames), schema)
Dask:           frame.map_partitions(compress_rows, meta=...)
Hugging Face:   dataset.map(compress_rows, batched=True)

docs/library.md shows each in full. A picture that cannot be read is a row that says why, never an exception: one bad file does not
end a job of a million.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import encoder
from .arguments import whole
from .decoder import Decoder
from .effort import level_of
from .errors import FileError, OptionError
from .files import picture_format
from .options import EFFORT_DEFAULT, QUALITY_DEFAULT, QUALITY_MAX, QUALITY_MIN
from .picture import Picture

SOURCES = ("bytes", "image", "path")  # columns that pictures are looked for in, in this order


class Row(NamedTuple):
    """What is added to a row, a column each; without a result `bytes` is None and `error` says why in one line."""

    bytes: bytes | None
    size: int
    quality: int
    error: str | None


def content(value: Any) -> bytes:
    """The bytes that a row's value has or points to: bytes, a path or URL, or a struct {bytes, path} as `datasets` stores pictures.

    Raises FileError if it is none of these, OSError if there is nothing to read.
    """
    if isinstance(value, Mapping):
        value = value.get("bytes") if value.get("bytes") is not None else value.get("path")
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, str) and "://" in value:
        try:
            import fsspec
        except ImportError as error:
            raise FileError("a URL needs fsspec (pip install fsspec)") from error
        with fsspec.open(value, "rb") as file:
            return bytes(file.read())
    if isinstance(value, (str, Path)):
        return Path(value).read_bytes()
    raise FileError(f"a picture is bytes, a path, or a struct of the two, not {type(value).__name__}")


def picture(value: Any) -> Picture:
    """Of a row's value; arrays and Pillow images are pictures themselves."""
    if isinstance(value, np.ndarray) or hasattr(value, "getexif"):
        return Picture.of(value)
    return Picture.load(io.BytesIO(content(value)))


def compressed(value: Any, quality: int, effort: int, threads: int) -> Row:
    data = encoder.encode(picture(value), quality, threads, effort=effort).data
    return Row(data, len(data), quality, None)


def decompressed(value: Any, format: str, threads: int) -> Row:
    out = io.BytesIO()
    with Decoder(content(value), threads=threads) as decoder:
        decoder.picture().fitting(format).save(out, format)
        return Row(out.getvalue(), out.tell(), decoder.quality, None)


def attempt(work: Callable[[Any], Row], value: Any) -> Row:
    """Errors of the call itself, as a quality of 200, are raised; all others are the row's."""
    try:
        return work(value)
    except OptionError:
        raise
    except Exception as error:  # whatever a picture makes a library raise must not end the job
        return Row(None, 0, 0, " ".join(f"{type(error).__name__}: {error}".split()))


def rows_of(batch: Any, work: Callable[[Any], Row], source: str | None) -> Any:
    """The batch with the columns of `Row`, as the same kind of table; a column of pictures, or of bytes, gives way to them."""
    is_arrow = type(batch).__module__.partition(".")[0] == "pyarrow"
    names: Sequence[str] = batch.column_names if is_arrow else list(batch.keys())
    source = source or next((name for name in SOURCES if name in names), None)
    if source not in names:
        raise OptionError(f"the batch has no column '{source or ', '.join(SOURCES)}', only {', '.join(map(str, names))}")
    values = batch.column(source).to_pylist() if is_arrow else list(batch[source])
    columns = dict(zip(Row._fields, zip(*(attempt(work, v) for v in values), strict=True), strict=True)) if values else {}
    is_path = all(isinstance(v, (str, Path)) for v in values)
    kept = [name for name in names if name not in Row._fields and (name != source or is_path)]
    found: dict[str, list[Any]] = {name: list(columns.get(name, ())) for name in Row._fields}
    if is_arrow:
        import pyarrow as pa

        types = dict(zip(Row._fields, (pa.large_binary(), pa.int64(), pa.int64(), pa.string()), strict=True))
        arrays = {name: batch.column(name) for name in kept} | {name: pa.array(v, types[name]) for name, v in found.items()}
        return type(batch).from_pydict(arrays)
    if isinstance(batch, Mapping):
        return {name: batch[name] for name in kept} | found
    import pandas

    frame = batch[kept].copy()
    for name, column in found.items():
        frame[name] = pandas.Series(column, frame.index, "int64" if name in ("size", "quality") else object)
    return frame


def compress_rows(
    batch: Any,
    quality: int = QUALITY_DEFAULT,
    *,
    source: str | None = None,
    effort: int = EFFORT_DEFAULT,
    threads: int = 1,
) -> Any:
    """Compresses the pictures of a batch of rows.

    Args:
        batch: a dictionary of columns (lists or arrays), a pandas DataFrame, or a pyarrow Table or RecordBatch.
        quality: a whole number, 1 to 100.
        source: the column of pictures: bytes of picture files, paths or fsspec URLs, structs {bytes, path}, uint8 arrays or
            Pillow images as `aecodec.compress` takes them. By default "bytes", "image" or "path", whichever is there first.
        effort: 1 to 9, fast to small.
        threads: of a picture; 1, as engines run a worker on every core.

    Returns:
        the same kind of table, of the same rows in the same order, with the columns bytes (of the .aec file), size (of it, in
        bytes), quality, and error (None, or one line). Other columns stay, except that of the pictures if it is not of paths. A
        row that failed has no bytes, and size and quality 0.

    Raises:
        OptionError: the quality or the effort is out of range, or there is no such column.
    """
    level_of(effort)
    quality = whole("quality", quality, QUALITY_MIN, QUALITY_MAX)
    return rows_of(batch, partial(compressed, quality=quality, effort=effort, threads=threads), source)


def decompress_rows(batch: Any, suffix: str = ".png", *, source: str | None = None, threads: int = 1) -> Any:
    """Decompresses the .aec files of a batch of rows.

    Args:
        batch: as `compress_rows` takes it; the column holds bytes of .aec files, or paths or URLs to them.
        suffix: the format of the pictures, by its suffix: ".png", ".webp", ".tiff", ...
        source: the column of the files; by default "bytes", "image" or "path", whichever is there first.
        threads: of a picture.

    Returns:
        the same kind of table with the columns bytes (of the picture file), size, quality (that the file was made with) and
        error.

    Raises:
        OptionError: Pillow writes no format of that suffix, or there is no such column.
    """
    return rows_of(batch, partial(decompressed, format=picture_format(Path(f"picture{suffix}")), threads=threads), source)
