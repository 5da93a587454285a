"""What goes wrong, for programs to tell apart. Every message is one line that a person can act on."""


class AecodecError(Exception):
    """Any error that is not the program's own fault."""


class PictureError(AecodecError):
    """A picture that cannot be compressed or written: not a picture, or of a kind or size that the format has no place for."""


class OptionError(AecodecError, ValueError):
    """An option with a value that it cannot have: quality, effort, scale, region, bits, a target that no quality meets."""


class ModelError(AecodecError):
    """A model file that is none, or of another version of aecodec."""


class FileError(AecodecError):
    """Bytes that cannot be decompressed. One of the three below."""


class TruncatedFile(FileError):
    """The bytes end before the file does; the rest of it would help."""


class DamagedFile(FileError):
    """The bytes are not those that an encoder wrote."""


class UnsupportedFile(FileError):
    """Not an .aec file, or one for another version, another model or another limit: it may be intact, and is not for us."""
