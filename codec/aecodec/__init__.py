"""A learned image codec: small files, the same pixels on every machine.

data = aecodec.compress(pixels, quality=60)   # a NumPy array or a Pillow image -> bytes
pixels = aecodec.decompress(data)             # -> a NumPy array
"""

from typing import TYPE_CHECKING, Any

from .arguments import buffer, real, whole
from .errors import (
    AecodecError,
    DamagedFile,
    FileError,
    ModelError,
    OptionError,
    PictureError,
    TruncatedFile,
    UnsupportedFile,
)
from .options import EFFORT_DEFAULT, MAX_MEMORY, MAX_PIXELS, QUALITY_DEFAULT

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy as np
    from PIL.Image import Image

    from .codeword_search import nearest
    from .decoder import Decoder
    from .embedding import embed
    from .files import compress_file, decompress_file
    from .tokenizer import Tokens

__version__ = "0.1.0"
__all__ = [
    "AecodecError",
    "DamagedFile",
    "Decoder",
    "FileError",
    "ModelError",
    "OptionError",
    "PictureError",
    "Tokens",
    "TruncatedFile",
    "UnsupportedFile",
    "compress",
    "compress_file",
    "decompress",
    "decompress_file",
    "embed",
    "from_placeholder",
    "from_tokens",
    "info",
    "nearest",
    "placeholder",
    "restyle",
    "sample",
    "tokens",
]
LAZY = {
    "Decoder": "decoder",
    "Tokens": "tokenizer",
    "compress_file": "files",
    "decompress_file": "files",
    "embed": "embedding",
    "nearest": "codeword_search",
}


def compress(
    image: "np.ndarray | Image",
    quality: int = QUALITY_DEFAULT,
    *,
    effort: int = EFFORT_DEFAULT,
    protect: bool = False,
    lossless: bool = False,
    roi: "np.ndarray | None" = None,
    denoise: "str | float | None" = None,
    threads: int = 0,
    device: str = "cpu",
) -> bytes:
    """Compresses a picture to the bytes of an .aec file.

    What is synthetic (text, charts, screenshots), the whole picture or parts of it, is kept in a lossless layer if that costs
    less: exactly, or in fewer shades.

    Args:
        image: a uint8 or uint16 array (H, W, 3), (H, W), (H, W, 4) or (H, W, 2) of RGB or gray, the last two with alpha; or a
            Pillow image, whose ICC profile, EXIF and XMP are kept. At most 2^28 pixels. Samples of 16 bits are rounded to 8,
            unless the file keeps all pixels exactly.
        quality: a whole number, 1 to 100; of no effect if lossless.
        effort: 1 to 9, fast to small; see docs/effort.md.
        protect: add a protective copy, for at most a quarter more bytes, from which `Decoder(partial=True)` takes the header and
            any one of the coarsest tiles if they are lost or damaged. A picture that is kept without loss has none.
        roi: regions of interest: offsets of quality, -99 to 99, whole numbers (H, W), a pixel each. Every 64x64 pixels get the
            largest offset of theirs. None for the same quality everywhere.
        denoise: "auto" to take out the noise that the picture has, or the standard deviation of the noise, 0 to 100 in pixel values
            of 8 bits, which is taken out then; None to keep it. See docs/beyond.md.
        threads: 0 for one a core.
        lossless: keep every sample as it is, whatever the picture and its size. Of Pillow images, 16-bit colours are kept if they
            are opened from a PNG or TIFF file and not loaded yet.
        device: "cpu", or "cuda" to analyse the picture on a GPU, in floating point (needs torch). The file may differ by some
            codes from that of the CPU; its pixels are the same everywhere, as every file's.

    Returns:
        the bytes of the file, as docs/format.md describes them.

    Raises:
        PictureError: the picture is not of this kind.
        OptionError: the quality, the effort or the noise is out of range, both lossless and denoise are given, or there is no such
            device here.
    """
    from . import encoder
    from .denoising import denoised
    from .options import mode_of
    from .picture import Picture

    picture, _ = denoised(Picture.of(image), denoise, lossless, threads)
    return encoder.encode(
        picture, quality, threads, effort=effort, mode=mode_of(lossless), protect=protect, roi=roi, device=device
    ).data


def decompress(
    data: bytes, *, threads: int = 0, max_pixels: int = MAX_PIXELS, max_memory: int = MAX_MEMORY, grain: float = 0
) -> "np.ndarray":
    """Decompresses an .aec file. `Decoder` gives parts of a picture, and what is left of a damaged file.

    Args:
        data: the bytes of the file.
        threads: 0 for one a core.
        max_pixels, max_memory: a file that claims more pixels, or that would take more bytes of memory to decode, is refused.
        grain: 0 to 1; how much texture that was left out is drawn from the prior. See docs/beyond.md.

    Returns:
        an array of the shape that was compressed: (H, W, 3), (H, W), or with alpha (H, W, 4), (H, W, 2): uint8, or uint16 if the
        file keeps 16 bits without loss. The pixels are the same on every machine.

    Raises:
        TruncatedFile: the file is cut short.
        DamagedFile: a checksum is wrong, or the bytes cannot be what an encoder wrote.
        UnsupportedFile: the bytes are no .aec file, or need another version of aecodec, or exceed a limit.
        OptionError: a limit is no whole number of at least 1, or the grain out of range.
    """
    from .decoder import decode

    return decode(buffer("data", data), threads, max_pixels, max_memory=max_memory, grain=grain).to_array()


def info(data: bytes, *, max_pixels: int = MAX_PIXELS) -> dict[str, Any]:
    """What is in an .aec file, without decoding it.

    Args:
        data: the bytes of the file.
        max_pixels: a file that claims more is refused.

    Returns:
        a dictionary of plain values, which `json.dumps` takes: the header's fields (version, model, colour, tile_log2, quality,
        width, height), bytes, bits_per_pixel, alpha, lossless, mixed (whether codewords and lossless pixels make the picture
        together), qualities (the least and the greatest), protected, metadata (bytes by name), streams (the scales that each codes,
        its bytes, and those of each tile) and chunks (type and bytes of each, in the file's order; H the header, S a coded tile).

    Raises:
        FileError: the file is damaged, cut short, needs another version of aecodec, or exceeds the limit.
        OptionError: the limit is no whole number of at least 1.
    """
    from . import inspection

    return inspection.info(buffer("data", data), max_pixels)


def tokens(
    image: "np.ndarray | Image | bytes",
    quality: int = QUALITY_DEFAULT,
    *,
    max_pixels: int = MAX_PIXELS,
    max_memory: int = MAX_MEMORY,
) -> "Tokens":
    """The indices of a picture's codewords, a stage at a time: what a sequence model or a retrieval system reads.

    They are the codes of a hierarchical VQ-VAE (van den Oord et al., NeurIPS 2017; Razavi et al., NeurIPS 2019) whose codewords are
    those of a residual vector quantiser.

    Args:
        image: a picture as `compress` takes it, or the bytes of an .aec file.
        quality: a whole number, 1 to 100; of a picture only, as a file has its own.
        max_pixels, max_memory: a file that claims more pixels, or that would take more bytes of memory to decode, is refused.

    Returns:
        the codes, with what it takes to decode them. Alpha and metadata are left out.

    Raises:
        PictureError: the picture is not of this kind, or the file has its pixels without loss and no codewords.
        OptionError: the quality is out of range.
        FileError: the bytes are damaged, cut short, need another version of aecodec, or exceed a limit.
    """
    from .tokenizer import tokens

    return tokens(image, quality, max_pixels, max_memory)


def from_tokens(tokens: "Tokens") -> "np.ndarray":
    """The picture that tokens stand for.

    Args:
        tokens: those of `tokens`, or others of the same shapes.

    Returns:
        uint8 (H, W, 3), or (H, W) if the tokens are of a gray picture, as `decompress` gives it.

    Raises:
        PictureError: an array has another shape or dtype, or an index is impossible where it stands.
        OptionError: the quality is out of range.
    """
    from .tokenizer import from_tokens

    return from_tokens(tokens)


def sample(
    size: tuple[int, int] | None = None,
    *,
    seed: int = 0,
    temperature: float = 1.0,
    quality: int | None = None,
    like: bytes | None = None,
    stage: int = 0,
    threads: int = 0,
) -> "np.ndarray":
    """A picture from the prior: codes are drawn, coarse to fine, by the probabilities that the entropy coder would give them.

    Ancestral sampling of a hierarchical VAE (Vahdat and Kautz, NeurIPS 2020); docs/beyond.md shows what it gives.

    Args:
        size: (width, height) in pixels; of a picture of its own.
        seed: 0 to 2^64 - 1; the same seed gives the same picture on every machine.
        temperature: 0 to 4; the masses of the prior are raised to the power of 1 / temperature. 0 takes the likeliest codes.
        quality: 1 to 100, which says how fine the details are; by default 60, or that of `like`.
        like: the bytes of an .aec file whose coarse codes are kept, instead of a size.
        stage: the first stage to draw, 0 to 7; those before are the file's.
        threads: 0 for one a core.

    Returns:
        uint8 (height, width, 3), or (height, width) if `like` is gray.

    Raises:
        OptionError: an argument is out of range, or there is neither a size nor a file, or both.
        FileError: the file is damaged, cut short, or needs another version of aecodec.
        PictureError: the file has its pixels without loss, and no codewords.
    """
    from .sampling import sample_file

    return decompress(
        sample_file(size, seed=seed, temperature=temperature, quality=quality, like=like, stage=stage, threads=threads),
        threads=threads,
    )


def restyle(
    content: "np.ndarray | Image",
    style: "np.ndarray | Image",
    *,
    strength: float = 1.0,
    stages: "Collection[int] | None" = None,
) -> "np.ndarray":
    """One picture with the light, the colours and the textures of another.

    Of every latent the mean and the standard deviation over the picture are exchanged: adaptive instance normalisation (Huang and
    Belongie, ICCV 2017) on the codec's latents. docs/beyond.md shows what it gives, and what the stages stand for. It takes the
    network in floating point, so that pixels may differ a little between machines, and some 200 MB of memory a megapixel.

    Args:
        content, style: pictures as `compress` takes them, of any sizes; alpha is left out.
        strength: 0 to 1; how far the statistics move.
        stages: those whose statistics are exchanged, 0 to 6; all by default. 0 and 1 are light and colours, the last two textures.

    Returns:
        uint8 (height, width, 3), of the content's size.

    Raises:
        PictureError: one of the pictures is not of this kind.
        OptionError: an argument is out of range.
        AecodecError: torch is not installed.
    """
    from importlib.util import find_spec

    from .model import shipped
    from .picture import Picture

    ours, theirs = (Picture.of(image).rgb() for image in (content, style))
    model = shipped()
    count = len(model.shape["stages"])
    try:
        chosen = set(range(count)) if stages is None else {whole("a stage", stage, 0, count - 1) for stage in stages}
    except TypeError as error:
        raise OptionError(f"stages must be of 0 to {count - 1}, not {stages!r:.40}") from error
    strength = real("strength", strength, 0, 1)
    if find_spec("torch") is None:
        raise AecodecError("restyle needs torch (pip install 'aecodec[train]')")
    from .network.restyle import restyled

    return restyled(model, ours, theirs, strength, chosen)


def placeholder(image: "np.ndarray | Image", length: int = 28) -> str:
    """A picture as a short string, to be shown until the picture itself is there: the job of BlurHash and ThumbHash.

    Args:
        image: a picture as `compress` takes it; alpha is kept.
        length: the most characters that the string may have, 6 to 100.

    Returns:
        characters A to Z, a to z, 0 to 9, - and _, which `from_placeholder` and examples/placeholder.js turn into a picture.

    Raises:
        PictureError: the picture is not of this kind.
        OptionError: the length is out of range, or too short for this picture.
    """
    from .picture import Picture
    from .placeholders import encode

    return encode(Picture.of(image), length)


def from_placeholder(text: str, size: tuple[int, int] | None = None) -> "np.ndarray":
    """The picture that a placeholder string stands for.

    Args:
        text: what `placeholder` gave.
        size: (width, height) in pixels, 1 to 4096 each; by default 32 for the longer side, and the other by the picture's ratio.

    Returns:
        uint8 (height, width, 3) or (height, width), with alpha (height, width, 4) or (height, width, 2); the same on every machine.

    Raises:
        DamagedFile: the string is no placeholder.
        OptionError: the size is out of range.
    """
    from .placeholders import decode

    return decode(text, size).to_array()


def __getattr__(name: str) -> Any:
    if name in LAZY:  # loaded when used, so that `import aecodec` stays fast
        from importlib import import_module

        return getattr(import_module(f".{LAZY[name]}", __name__), name)
    raise AttributeError(f"module 'aecodec' has no attribute '{name}'")
