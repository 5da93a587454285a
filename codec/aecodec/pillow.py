"""Makes Pillow open and save .aec files: `import aecodec.pillow` is all it takes.

Image.open("x.aec") reads the header; pixels are decoded when they are asked for, to mode L, LA, RGB or RGBA. Before that,
`im.draft(None, (w, h))` asks for a picture reduced by 2, 4 or 8 with at least so many pixels a side; an eighth takes less time.
`im.info` has quality, and icc_profile, exif and xmp as far as the file does.

Set `aecodec.pillow.MAX_PIXELS` and `aecodec.pillow.MAX_MEMORY` (bytes) to refuse files that claim more; Pillow's own
Image.MAX_IMAGE_PIXELS holds, too.

im.save("x.aec") takes these options:
    quality: a whole number, 1 to 100.
    effort: 1 to 9, fast to small; see docs/effort.md.
    lossless: True to keep every sample as it is.
    protect, roi, denoise: a protective copy, regions of interest, noise to take out; see `aecodec.compress`.
    icc_profile, exif, xmp: bytes (exif also an Image.Exif), or None to leave out what the picture brought along. The orientation
        of the exif that is passed, or else of the picture's own, is applied to the pixels and cleared.

Of an animation, the frame where it stands is saved.

As Pillow wants it, open raises UnidentifiedImageError if the file is no .aec file or its header is damaged, load raises OSError
if a part is damaged or decoding exceeds a limit, and save raises ValueError if an option is wrong and PictureError if the picture
cannot be compressed.
"""

from dataclasses import replace
from typing import IO, Any, BinaryIO, cast

from PIL import Image, ImageFile

from . import encoder, metadata
from .arguments import buffer
from .container import MAGIC
from .decoder import SCALES, Decoder
from .denoising import denoised
from .errors import AecodecError, OptionError
from .folders import SUFFIX
from .options import EFFORT_DEFAULT, MAX_MEMORY, MAX_PIXELS, QUALITY_DEFAULT, mode_of
from .picture import Picture

FORMAT = "AEC"
MIME = "image/x-aec"
KEYS = {"icc_profile": "icc", "exif": "exif", "xmp": "xmp"}  # Pillow's names of the metadata, and ours


def accept(prefix: bytes) -> bool:
    return prefix.startswith(MAGIC)


class AecImageFile(ImageFile.ImageFile):
    format = FORMAT
    format_description = "aecodec learned image"
    decoder: Decoder | None = None  # also of a copy or an unpickled image, which has its pixels
    scale = 1

    def _open(self) -> None:
        try:
            self.decoder = Decoder(cast(BinaryIO, self.fp), max_pixels=MAX_PIXELS, max_memory=MAX_MEMORY)
            for key, name in KEYS.items():
                if name in self.decoder.index.metadata:
                    self.info[key] = self.decoder.metadata[name]
        except AecodecError as error:
            raise SyntaxError(str(error)) from error
        self.info["quality"] = self.decoder.quality
        self._mode, self._size = self.decoder.mode, self.decoder.size

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

    def verify(self) -> None:
        """Checks all checksums. Raises OSError if one is wrong. As of other formats, the image is of no use afterwards."""
        if self.decoder is None:
            raise RuntimeError("verify must be called directly after open")
        self.decoder = None
        try:
            Decoder(cast(BinaryIO, self.fp), max_pixels=MAX_PIXELS, max_memory=MAX_MEMORY, check=True)
        except AecodecError as error:
            raise OSError(str(error)) from error
        super().verify()

    def load(self) -> Any:
        if self.decoder is not None:
            try:
                image = Image.fromarray(self.decoder.decode(self.scale, bits=8))
            except AecodecError as error:
                raise OSError(str(error)) from error
            self.im = image.im
            self.decoder = None
            if self.fp is not None and self._exclusive_fp and self._close_exclusive_fp_after_loading:
                self.fp.close()
            self.fp = None
        return Image.Image.load(self)


def metadata_option(name: str, value: Any) -> bytes:
    """The bytes of an option; empty if it is None. Raises OptionError if it is neither."""
    if isinstance(value, Image.Exif):
        return value.tobytes()
    return b"" if value is None else buffer(name, value)


def save(image: Image.Image, file: IO[bytes], filename: str | bytes) -> None:
    options = image.encoderinfo
    given = {name: metadata_option(key, options[key]) for key, name in KEYS.items() if key in options}
    exif = metadata.parsed(given["exif"]) if given.get("exif") else None
    if given.get("exif") and exif is None:
        raise OptionError("exif is no EXIF")
    picture = Picture.from_pillow(image, first_frame=True, exif=exif)  # of an animation, where it stands
    kept = {name: value for name, value in picture.metadata.items() if given.get(name, b"-")}
    kept |= {name: value for name, value in given.items() if value and name != "exif"}
    if given.get("xmp"):
        kept["xmp"] = metadata.resized_xmp(given["xmp"], (picture.width, picture.height))
    picture = replace(picture, metadata=metadata.bounded(kept, [])[0])
    quality, effort = options.get("quality", QUALITY_DEFAULT), options.get("effort", EFFORT_DEFAULT)
    protect, roi = bool(options.get("protect")), options.get("roi")
    try:
        mode = mode_of(bool(options.get("lossless")))
        picture, _ = denoised(picture, options.get("denoise"), mode == "lossless")
        file.write(encoder.encode(picture, quality, effort=effort, mode=mode, protect=protect, roi=roi).data)
    except AecodecError as error:
        raise ValueError(str(error)) from error


def save_all(image: Image.Image, file: IO[bytes], filename: str | bytes) -> None:
    raise OptionError("an .aec file has one picture, so save_all has no meaning")


Image.register_open(FORMAT, AecImageFile, accept)
Image.register_save(FORMAT, save)
Image.register_save_all(FORMAT, save_all)
Image.register_extension(FORMAT, SUFFIX)
Image.register_mime(FORMAT, MIME)
