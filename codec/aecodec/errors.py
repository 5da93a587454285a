"""What goes wrong, for programs to tell apart. Every message is one line that a person can act on."""


class AecodecError(Exception):
    """Any error that is not the program's own fault."""


class PictureError(AecodecError):
    """A picture that cannot be compressed: not a picture, or of a kind or size that the format has no place for."""


class FileError(AecodecError):
    """Bytes that cannot be decompressed: not an .aec file, or damaged, cut short, or from a newer version."""
