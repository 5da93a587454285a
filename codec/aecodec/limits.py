"""What a picture may take: the memory for it is known, and compared with a limit, before anything is decoded or encoded.

What is the same for every picture, some 20 MB, is not counted.
"""

MULTIPLE = 64  # pixels, to which the sides of coded pictures are padded

# Bytes for a column of the padded picture, in rows of features; and for a pixel. Measured, with a fifth more.
DECODED_COLUMN, PREVIEW_COLUMN, ENCODED_COLUMN = 5000, 800, 7500
LOSSLESS_PIXEL, ALPHA_PIXEL, CODES_PIXEL, ENCODED_PIXEL = 40, 3, 6, 12


def padded(side: int) -> int:
    """Of the picture that is coded."""
    return -(-side // MULTIPLE) * MULTIPLE


def encoding_memory(height: int, width: int) -> int:
    """Bytes that coding a picture as codewords takes at most, besides its pixels.

    Packing pixels without loss takes libwebp and libpng up to 48 for each, which nothing here can lower: `compress` has a limit of
    pixels for that.
    """
    return ENCODED_COLUMN * padded(width) + ENCODED_PIXEL * padded(height) * padded(width)


def decoding_memory(height: int, width: int, preview: bool) -> int:
    """Bytes that decoding a box of so many pixels takes at most, pixels included."""
    return (PREVIEW_COLUMN if preview else DECODED_COLUMN) * padded(width) + 8 * height * width
