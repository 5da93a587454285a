"""Pictures in memory, and to and from Pillow."""

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from . import metadata as meta
from . import output, sixteen_bit
from .errors import AecodecError, PictureError
from .options import MAX_PIXELS

SUFFIXES = {".png", ".webp", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".ppm"}  # of the pictures that training and benchmark read


@contextlib.contextmanager
def damage() -> Iterator[None]:
    """Turns whatever Pillow raises of a damaged file into a PictureError; what the system says stays an OSError."""
    try:
        yield
    except (AecodecError, MemoryError):
        raise
    except OSError as error:
        if error.errno is not None:
            raise
        raise PictureError(f"the picture is damaged ({error})") from error
    except Exception as error:  # a damaged file makes Pillow raise almost anything
        raise PictureError(f"the picture is damaged ({type(error).__name__}: {error})") from error


@dataclass(frozen=True)
class Picture:
    """pixels: uint8 (H, W, 3) or (H, W); alpha: uint8 (H, W) or None; metadata: ICC, EXIF and XMP bytes by name.

    Pictures of 16 bits have pixels and alpha of uint16 instead. rounded: the samples had more bits than these. notes: what of the
    metadata had to be left out, a line each.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    metadata: dict[str, bytes] = field(default_factory=dict)
    rounded: bool = False
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        p = self.pixels
        if p.dtype not in (np.uint8, np.uint16) or not (p.ndim == 2 or (p.ndim == 3 and p.shape[2] == 3)):
            raise PictureError(f"pixels must be uint8 or uint16, (H, W, 3) or (H, W), not {p.dtype} {p.shape}")
        if p.size == 0:
            raise PictureError("the picture has no pixels")
        if p.shape[0] * p.shape[1] > MAX_PIXELS:
            raise PictureError(f"the picture has {p.shape[0] * p.shape[1]} pixels, more than the limit of {MAX_PIXELS}")

    @classmethod
    def of(cls, image: "np.ndarray | Image.Image") -> "Picture":
        """See `from_pillow` and `from_array`."""
        return cls.from_pillow(image) if isinstance(image, Image.Image) else cls.from_array(image)

    @classmethod
    def from_array(cls, array: np.ndarray) -> "Picture":
        """uint8 or uint16 (H, W), (H, W, 1), (H, W, 2), (H, W, 3) or (H, W, 4): gray or RGB, the last of 2 or 4 channels alpha."""
        array = np.asarray(array)
        if array.ndim == 3 and array.shape[2] in (2, 4):
            colour, alpha = array[:, :, :-1], array[:, :, -1]
        else:
            colour, alpha = array, None
        if colour.ndim == 3 and colour.shape[2] == 1:
            colour = colour[:, :, 0]
        return cls(np.ascontiguousarray(colour), alpha)

    @classmethod
    def from_pillow(cls, image: Image.Image, first_frame: bool = False, exif: Image.Exif | None = None) -> "Picture":
        """Any still picture, or an animation's first; EXIF's orientation is applied.

        16 bits are kept if the file is a PNG or TIFF that is not loaded yet, or gray. exif: the one to take in the place of the
        image's. Raises PictureError, or OSError if the file cannot be read.
        """
        with damage():
            return cls._from_pillow(image, first_frame, exif)

    @classmethod
    def _from_pillow(cls, image: Image.Image, first_frame: bool, exif: Image.Exif | None) -> "Picture":
        frames = getattr(image, "n_frames", 1)
        moves = frames > 1 and image.format != "MPO"  # an MPO's other frames are views of its first
        if moves and not first_frame and image.tell() == 0:
            raise PictureError(f"the picture is animated ({frames} frames); only still pictures can be compressed")
        format, more, code = image.format, sixteen_bit.has_more(image), meta.cicp(image)
        wide = sixteen_bit.read(image)
        image.load()
        if code:
            image.info["cICP"] = code
        exif = meta.opened(image) if exif is None else exif
        orientation = 1 if exif is None else meta.orientation(exif)
        size = image.size[::-1] if orientation > 4 else image.size
        metadata, lost = meta.of_image(image, exif, size)
        notes = tuple(lost)
        if orientation != 1:
            image = image.transpose(meta.METHODS[orientation])
        if image.mode.startswith("I"):  # 16 bits, in some byte order; mode I holds them in 32
            deep = np.asarray(image).astype(np.int64)
            if deep.min() < 0 or deep.max() > 65535:
                raise PictureError("the picture has samples of more than 16 bits")
            if image.mode == "I" and format != "PPM" and deep.max() <= 255:  # integers of 32 bits; Pillow shows them so
                return cls(deep.astype(np.uint8), None, metadata, notes=notes)
            gray16 = deep.astype(np.uint16)
            return cls(gray16, sixteen_bit.transparent(image, gray16), metadata, notes=notes)
        if wide is not None:
            wide = np.ascontiguousarray(meta.UPRIGHT.get(orientation, np.asarray)(wide))
            colours, opacity = (wide, None) if wide.shape[2] == 3 else (wide[:, :, :-1], wide[:, :, -1])
            if opacity is None:
                opacity = sixteen_bit.transparent(image, colours)
            colours = np.ascontiguousarray(colours[:, :, 0] if colours.shape[2] == 1 else colours)
            return cls(colours, None if opacity is None or (opacity == 65535).all() else opacity, metadata, notes=notes)
        if image.mode == "F":
            raise PictureError("the picture has floating-point samples")
        if image.mode == "La":  # premultiplied, which Pillow converts to LA and nothing else
            image = image.convert("LA")
        if image.has_transparency_data:
            gray = image.mode in ("L", "LA")
            array = np.asarray(image.convert("LA" if gray else "RGBA"))
            alpha = array[:, :, -1]
            pixels = array[:, :, 0] if gray else array[:, :, :3]
            return cls(np.ascontiguousarray(pixels), None if (alpha == 255).all() else alpha, metadata, more, notes)
        if image.mode in ("1", "L"):
            return cls(np.asarray(image.convert("L")), None, metadata, more, notes)
        if image.mode == "CMYK":
            metadata.pop("icc", None)  # the profile describes inks, not what they are converted to
        return cls(np.asarray(image if image.mode == "RGB" else image.convert("RGB")), None, metadata, more, notes)

    @classmethod
    def load(cls, file: Path | BinaryIO, first_frame: bool = False, max_pixels: int = MAX_PIXELS) -> "Picture":
        """Reads anything Pillow opens; `first_frame` says to take that of an animation. More than `max_pixels` are refused.

        Raises PictureError if that is no picture, OSError if it cannot be read.
        """
        with damage(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd tags, and of size, for which MAX_PIXELS is our own limit
            try:
                opened = Image.open(file)
            except UnidentifiedImageError as error:
                raise PictureError("this is not a picture in a format that Pillow knows") from error
            with opened as image:
                if image.width * image.height > max_pixels:
                    raise PictureError(f"the picture has {image.width * image.height} pixels, more than the limit of {max_pixels}")
                return cls.from_pillow(image, first_frame)

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def pixels_count(self) -> int:
        return self.height * self.width

    @property
    def gray(self) -> bool:
        return self.pixels.ndim == 2

    @property
    def neutral(self) -> bool:
        """Whether it has red, green and blue, and they are equal everywhere, as in a scan of a black-and-white photograph."""
        if self.gray:
            return False
        parts = (self.pixels[y : y + 64] for y in range(0, self.height, 64))  # a picture in colour shows it in the first
        return all(bool((p[:, :, 1:] == p[:, :, :1]).all()) for p in parts)

    @property
    def sixteen_bits(self) -> bool:
        return self.pixels.dtype == np.uint16

    def eight_bit(self) -> "Picture":
        """The same picture with samples of 8 bits, rounded if need be."""
        if not self.sixteen_bits:
            return self
        alpha = None if self.alpha is None else sixteen_bit.to_eight(self.alpha)
        return replace(self, pixels=sixteen_bit.to_eight(self.pixels), alpha=alpha, rounded=True)

    def fitting(self, format: str) -> "Picture":
        """The same picture, with samples of 8 bits if a picture format (Pillow's name) has no place for more."""
        return self if format in sixteen_bit.FORMATS else self.eight_bit()

    def rgb(self) -> np.ndarray:
        """The colours, uint8 (H, W, 3), contiguous; gray three times over."""
        pixels = self.eight_bit().pixels
        return np.repeat(pixels[:, :, None], 3, axis=2) if self.gray else np.ascontiguousarray(pixels)

    def to_array(self) -> np.ndarray:
        """The inverse of `from_array`."""
        if self.alpha is None:
            return self.pixels
        return np.dstack([self.pixels, self.alpha])

    def to_pillow(self) -> Image.Image:
        image = Image.fromarray(self.to_array())
        for name, key in (("icc", "icc_profile"), ("exif", "exif"), ("xmp", "xmp")):
            if name in self.metadata:
                image.info[key] = self.metadata[name]
        return image

    def save(self, file: Path | BinaryIO, format: str, quality: int | None = None) -> list[str]:
        """Writes a picture file with its metadata, as far as the format has a place for them.

        quality: 1 to 100 of JPEG, WebP and AVIF; None for one whose errors are small beside ours. Returns what had to be left
        out, a line each. Raises PictureError if the format has no place for the picture.
        """
        size = (self.width, self.height)
        metadata, notes = meta.fitted(self.metadata, size)
        if self.pixels.dtype == np.uint16:
            sixteen_bit.save(self.to_array(), metadata, file, format)
            return notes
        image = Image.fromarray(self.to_array())
        options = output.options(format, quality) | ({"dpi": dpi} if (dpi := meta.dpi_of(metadata)) else {})
        data, dropped = output.encoded(image, format, options, metadata)
        if isinstance(file, Path):
            file.write_bytes(data)
        else:
            file.write(data)
        return notes + dropped


def reduce(pixels: np.ndarray, scale: int) -> np.ndarray:
    """uint8 or uint16 (H, W), (H, W, 2), (H, W, 3) or (H, W, 4) -> the means of scale x scale pixels, (⌈H/scale⌉, ⌈W/scale⌉)."""
    if scale == 1:
        return pixels
    if pixels.dtype == np.uint8:
        return np.asarray(Image.fromarray(pixels).reduce(scale))
    rows, columns = (np.arange(0, n, scale) for n in pixels.shape[:2])
    total = np.add.reduceat(np.add.reduceat(pixels.astype(np.int64), rows, 0), columns, 1)
    count = np.diff(rows, append=pixels.shape[0])[:, None] * np.diff(columns, append=pixels.shape[1])
    count = count.reshape(*count.shape, *[1] * (pixels.ndim - 2))
    means: np.ndarray = (total + count // 2) * ((1 << 24) // count) >> 24  # Pillow's arithmetic
    return means.astype(pixels.dtype)


def reduce_weighted(pixels: np.ndarray, alpha: np.ndarray, scale: int) -> np.ndarray:
    """`reduce` with every pixel counting as much as it is opaque, so that what nobody sees gives no fringes.

    pixels: uint8 or uint16 (H, W) or (H, W, 3); alpha: uint8 or uint16 (H, W). Where all are transparent, the plain mean.
    """
    starts = [np.arange(0, n, scale) for n in alpha.shape]

    def sums(values: np.ndarray) -> np.ndarray:
        return np.add.reduceat(np.add.reduceat(values, starts[0], axis=0), starts[1], axis=1)

    weight = alpha.astype(np.uint32 if alpha.dtype == np.uint8 else np.uint64)
    seen, count = sums(weight), sums(np.ones_like(weight))
    channels = []
    for values in pixels.reshape(*alpha.shape, -1).transpose(2, 0, 1):
        weighted = (sums(values * weight) + seen // 2) // np.maximum(seen, 1)
        plain = (sums(values.astype(np.uint32)) + count // 2) // count
        channels.append(np.where(seen > 0, weighted, plain).astype(pixels.dtype))
    return np.stack(channels, -1).reshape(seen.shape + pixels.shape[2:])


def crop(pixels: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """The part (top, left, bottom, right) of a picture: a copy, which may be written to, unlike what Pillow gives."""
    return pixels[box[0] : box[2], box[1] : box[3]].copy()
