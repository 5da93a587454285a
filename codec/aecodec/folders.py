"""Which files of a folder are pictures."""

from collections.abc import Callable
from pathlib import Path

SUFFIX = ".aec"
UNDECODED = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "PDF", "WMF", "XBM"}  # which Pillow cannot decode by itself, or text


def is_aec(path: Path) -> bool:
    return path.suffix.lower() == SUFFIX


def is_picture(path: Path) -> bool:
    """Whether its suffix is one of a picture that Pillow reads; not of .aec files."""
    from PIL import Image

    format = Image.registered_extensions().get(path.suffix.lower())
    return format in Image.OPEN and format not in UNDECODED and not is_aec(path)


def pictures_in(folder: Path, wanted: Callable[[Path], bool] = lambda path: is_picture(path) or is_aec(path)) -> list[Path]:
    """The files below a folder that are wanted, by name. What is hidden, in it or as a folder of it, is no picture."""
    inside = (p for p in folder.rglob("*") if not any(part.startswith(".") for part in p.relative_to(folder).parts))
    return sorted(p for p in inside if wanted(p) and p.is_file())
