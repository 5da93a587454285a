"""Tables of pictures, with the libraries that hold them."""

import io

import numpy as np
import pytest
from PIL import Image

import aecodec
from aecodec.batch import compress_rows, decompress_rows


@pytest.fixture(scope="module")
def files(photo, tmp_path_factory) -> list[str]:
    """Paths of two pictures, of a file that is none, and of one that is not there."""
    folder = tmp_path_factory.mktemp("batch")
    Image.fromarray(photo[:64, :80]).save(folder / "a.png")
    Image.fromarray(photo[64:128, :64]).save(folder / "b.jpg")
    (folder / "c.png").write_bytes(b"no picture")
    return [str(folder / name) for name in ("a.png", "b.jpg", "c.png", "d.png")]


def check(files: list[str], data: list, size: list, error: list) -> None:
    for path, d, n, e in zip(files[:2], data, size, error, strict=False):
        assert d == aecodec.compress(Image.open(path), 40) and n == len(d) and e is None
    assert list(data[2:]) == [None, None] and list(size[2:]) == [0, 0]
    assert error[2].startswith("PictureError: ") and error[3].startswith("FileNotFoundError: ")
    assert all("\n" not in e for e in error[2:])


def test_dictionaries(files):
    out = compress_rows({"path": files, "label": [1, 2, 3, 4]}, 40)
    assert list(out) == ["path", "label", "bytes", "size", "quality", "error"]
    assert out["label"] == [1, 2, 3, 4] and out["quality"] == [40, 40, 0, 0]
    check(files, out["bytes"], out["size"], out["error"])
    back = decompress_rows(out)
    assert back["quality"] == [40, 40, 0, 0] and back["path"] == files
    for data, png in zip(out["bytes"][:2], back["bytes"], strict=False):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(png))), aecodec.decompress(data))
    assert back["error"][2] == "FileError: a picture is bytes, a path, or a struct of the two, not NoneType"


def test_pandas_frames(files):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"path": files, "label": list("abcd")}, index=[7, 5, 3, 1])
    out = compress_rows(frame, 40)
    assert list(out.columns) == ["path", "label", "bytes", "size", "quality", "error"] and list(out.index) == [7, 5, 3, 1]
    assert list(frame.columns) == ["path", "label"] and out["size"].dtype == np.int64
    check(files, list(out["bytes"]), list(out["size"]), list(out["error"]))
    assert list(compress_rows(frame[:0]).columns) == list(out.columns)
    assert [len(f) for f in map(compress_rows, [frame[:1], frame[1:2]])] == [1, 1]  # as Spark's mapInPandas maps them


def test_arrow_tables(files):
    pa = pytest.importorskip("pyarrow")
    content = [open(path, "rb").read() for path in files[:3]]
    image = [{"bytes": content[0], "path": None}, {"bytes": None, "path": files[1]}, {"bytes": content[2], "path": "x"}]
    out = compress_rows(pa.table({"image": image, "label": ["a", "b", "c"]}), 40)
    assert out.column_names == ["label", "bytes", "size", "quality", "error"]
    data, error = out.column("bytes").to_pylist(), out.column("error").to_pylist()
    check(files, [*data, None], [*out.column("size").to_pylist(), 0], [*error, "FileNotFoundError: "])
    assert decompress_rows(out, ".webp").column("error").to_pylist()[:2] == [None, None]
    empty = compress_rows(pa.table({"bytes": pa.array([], pa.binary())}))
    assert empty.schema.field("bytes").type == pa.large_binary() and len(empty) == 0
    batch = compress_rows(pa.RecordBatch.from_pydict({"path": files}), 40)
    assert isinstance(batch, pa.RecordBatch) and batch.schema.names == ["path", *out.schema.names[1:]]


def test_arrays_and_images(photo):
    out = compress_rows({"image": [photo[:32, :32], Image.fromarray(photo[:16, :16]), photo.astype(float)]})
    assert "image" not in out and out["bytes"][0] == aecodec.compress(photo[:32, :32]) and out["error"][:2] == [None, None]
    assert out["error"][2].startswith("PictureError")


def test_urls(files):
    pytest.importorskip("fsspec")
    out = compress_rows({"path": [f"file://{files[0]}", "memory://missing.png"]})
    assert out["error"][0] is None and out["error"][1].startswith("FileNotFoundError")


def test_what_the_call_gets_wrong_is_an_exception(files):
    with pytest.raises(aecodec.OptionError, match="quality"):
        compress_rows({"path": files}, 200)
    with pytest.raises(aecodec.OptionError, match="effort"):
        compress_rows({"path": files}, effort=0)
    with pytest.raises(aecodec.OptionError, match="column 'picture'"):
        compress_rows({"path": files}, source="picture")
    with pytest.raises(aecodec.OptionError, match="column"):
        compress_rows({"x": files})
    with pytest.raises(aecodec.OptionError, match="xyz"):
        decompress_rows({"path": files}, ".xyz")


def test_dask_partitions(files):
    pandas, dask = pytest.importorskip("pandas"), pytest.importorskip("dask.dataframe")
    frame = pandas.DataFrame({"path": pandas.Series(files, dtype=object)})
    meta = compress_rows(frame[:0])
    out = dask.from_pandas(frame, npartitions=2).map_partitions(compress_rows, 40, meta=meta).compute()
    check(files, list(out["bytes"]), list(out["size"]), list(out["error"]))


def test_hugging_face_datasets(files):
    datasets = pytest.importorskip("datasets")
    out = datasets.Dataset.from_dict({"path": files}).map(compress_rows, batched=True, fn_kwargs={"quality": 40})
    check(files, out["bytes"], out["size"], out["error"])
