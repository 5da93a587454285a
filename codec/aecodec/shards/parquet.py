"""Parquet shards: a column of pictures, of bytes or of structs {bytes, path} as Hugging Face's `datasets` stores them.

A row's path names its picture, and is never opened: it is a stranger's.
"""

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from ..batch import Row
from ..container import MAGIC
from ..errors import DamagedFile, OptionError
from .tally import Tally

PICTURES = 16  # of a batch
GROUP_ROWS, GROUP_BYTES = 1000, 64 << 20  # of a row group of the result


def convert(
    source: BinaryIO,
    out: BinaryIO,
    compress: bool,
    suffix: str,
    rows: Callable[[list[bytes]], list[Row]],
    tally: Tally,
    column: str,
) -> None:
    """Writes a parquet file anew, of the same schema, with other pictures. Raises FileError, OptionError, OSError."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise OptionError('parquet files need pyarrow (pip install "aecodec[shards]")') from error
    try:
        file = parquet.ParquetFile(source)
        schema = file.schema_arrow
        if column not in schema.names:
            raise OptionError(f"there is no column '{column}', only {', '.join(schema.names)}")
        type = schema.field(column).type
        if not holds_bytes(type):
            raise OptionError(f"the column '{column}' is of {type}, not of bytes or of structs {{bytes, path}}")
        with parquet.ParquetWriter(out, schema) as writer:
            group: list[Any] = []
            for batch in file.iter_batches(PICTURES):
                values = changed(batch.column(column).to_pylist(), compress, suffix, rows, tally)
                group.append(batch.set_column(schema.names.index(column), schema.field(column), pa.array(values, type)))
                if sum(b.num_rows for b in group) >= GROUP_ROWS or sum(b.nbytes for b in group) >= GROUP_BYTES:
                    writer.write_table(pa.Table.from_batches(group, schema))
                    group = []
            if group:
                writer.write_table(pa.Table.from_batches(group, schema))
    except pa.ArrowException as error:
        raise DamagedFile(f"the parquet file is damaged, or none: {' '.join(str(error).split())}") from error


def holds_bytes(type: Any) -> bool:
    from pyarrow import types

    if types.is_struct(type):
        names = [type.field(i).name for i in range(type.num_fields)]
        return "bytes" in names and holds_bytes(type.field("bytes").type)
    return bool(types.is_binary(type) or types.is_large_binary(type))


def changed(values: list[Any], compress: bool, suffix: str, rows: Callable[[list[bytes]], list[Row]], tally: Tally) -> list[Any]:
    """The values of a batch of rows, pictures replaced; those that are (or are not yet) .aec files stay."""
    contents = [v["bytes"] if isinstance(v, dict) else v for v in values]
    wanted = [i for i, data in enumerate(contents) if data is not None and data.startswith(MAGIC) != compress]
    for i, row in zip(wanted, rows([contents[i] for i in wanted]), strict=True):
        value = values[i]
        tally.add(str(value.get("path")) if isinstance(value, dict) else "", len(contents[i]), row)
        if row.bytes is not None:
            values[i] = {**value, "bytes": row.bytes} if isinstance(value, dict) else row.bytes
            if isinstance(value, dict) and value.get("path"):
                values[i]["path"] = renamed(value["path"], suffix)
    tally.others += len(values) - len(wanted)
    return values


def renamed(path: str, suffix: str) -> str:
    return path.removesuffix(PurePosixPath(path).suffix) + suffix
