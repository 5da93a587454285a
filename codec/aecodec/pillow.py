"""Makes Pillow open and save .aec files: `import aecodec.pillow` is all it takes.

Image.open("x.aec") reads the header; pixels are decoded when they are asked for, to mode L, LA, RGB or RGBA. Before that,
`im.draft(None, (w, h))` asks for a picture reduced by 2, 4 or 8 with at least so many pixels a side; an eighth takes less time.
`im.info` has quality, and icc_profile, exif and xmp as far as the file does.

im.save("x.aec") takes these options:
    quality: a whole number, 1 to 100.
    effort: 1 to 9, fast to small; see docs/effort.md.
    protect: True adds a protective copy; see `aecodec.compress`.
    icc_profile, exif, xmp: bytes (exif also an Image.Exif), or None to leave out what the picture brought along.

As Pillow wants it, open raises UnidentifiedImageError if the file is no .aec file or its header is damaged, load raises OSError
if a part is damaged, and save raises ValueError if an option is wrong and PictureError if the picture cannot be compressed.
"""

from dataclasses import replace
from typing import IO, Any, BinaryIO, cast

from PIL import Image, ImageFile

from . import encoder
from .container import MAGIC
from .decoder import SCALES, Decoder
from .errors import AecodecError
from .files import SUFFIX
from .options import EFFORT_DEFAULT, QUALITY_DEFAULT
from .picture import Picture

FORMAT = "AEC"
MIME = "image/x-aec"


def accept(prefix: bytes) -> bool:
    return prefix.startswith(MAGIC)


class AecImageFile(ImageFile.ImageFile):
    format = FORMAT
    format_description = "aecodec learned image"

    def _open(self) -> None:
        try:
            self.decoder: Decoder | None = Decoder(cast(BinaryIO, self.fp))
            for key, name in (("icc_profile", "icc"), ("exif", "exif"), ("xmp", "xmp")):
                if name in self.decoder.index.metadata:
                    self.info[key] = self.decoder.metadata[name]
        except AecodecError as error:
            raise SyntaxError(str(error)) from error
        self.info["quality"] = self.decoder.quality
        self._mode, self._size = self.decoder.mode, self.decoder.size
        self.scale = 1

    def draft(self, mode: str | None, size: tuple[int, int] | None) -> tuple[str, tuple[int, int, float, float]] | None:
        """Sets up a reduced picture, as Pillow's JPEG plugin does.

        Args:
            mode: of no effect.
            size: (width, height) that the picture shall have at least; None changes nothing.

        Returns:
            the mode, and the box that the picture will show, in its own pixels; None if nothing was changed.
        """
        if self.decoder is None or size is None:
            return None
        width, height = self.decoder.size
        self.scale = max(s for s in SCALES if s == 1 or (width // s >= size[0] and height // s >= size[1]))
        self._size = (-(-width // self.scale), -(-height // self.scale))
        return self.mode, (0, 0, width / self.scale, height / self.scale)

    def load(self) -> Any:
        if self.decoder is not None:
            try:
                image = Image.fromarray(self.decoder.decode(self.scale))
            except AecodecError as error:
                raise OSError(str(error)) from error
            self.im = image.im
            self.decoder = None
            if self.fp is not None and self._exclusive_fp and self._close_exclusive_fp_after_loading:
                self.fp.close()
            self.fp = None
        return Image.Image.load(self)


def save(image: Image.Image, file: IO[bytes], filename: str | bytes) -> None:
    options = image.encoderinfo
    picture = Picture.from_pillow(image)
    metadata = dict(picture.metadata)
    for key, name in (("icc_profile", "icc"), ("exif", "exif"), ("xmp", "xmp")):
        if key in options:
            value = options[key].tobytes() if isinstance(options[key], Image.Exif) else options[key]
            if value:
                metadata[name] = bytes(value)
            else:
                metadata.pop(name, None)
    picture = replace(picture, metadata=metadata)
    quality, effort = options.get("quality", QUALITY_DEFAULT), options.get("effort", EFFORT_DEFAULT)
    try:
        file.write(encoder.encode(picture, quality, effort=effort, protect=bool(options.get("protect"))).data)
    except AecodecError as error:
        raise ValueError(str(error)) from error


Image.register_open(FORMAT, AecImageFile, accept)
Image.register_save(FORMAT, save)
Image.register_extension(FORMAT, SUFFIX)
Image.register_mime(FORMAT, MIME)
