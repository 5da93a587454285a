"""The pixels of thin pictures, folded and unfolded; `fold` says how."""

import numpy as np

from .fold import Box, Fold


def folded(pixels: np.ndarray, fold: Fold | None) -> np.ndarray:
    """(H, W, 3) -> the picture that is coded; the last piece is filled up with its last column or row."""
    if fold is None:
        return pixels
    if not fold.wide:
        turned = Fold(fold.width, fold.height, fold.length, fold.count)
        return np.ascontiguousarray(folded(pixels.swapaxes(0, 1), turned).swapaxes(0, 1))
    more = fold.count * fold.length - fold.width
    padded = np.concatenate([pixels, np.repeat(pixels[:, -1:], more, axis=1)], axis=1)
    pieces = padded.reshape(fold.height, fold.count, fold.length, *pixels.shape[2:])
    return np.ascontiguousarray(pieces.swapaxes(0, 1)).reshape(-1, fold.length, *pixels.shape[2:])


def unfolded(part: np.ndarray, fold: Fold, box: Box) -> np.ndarray:
    """`fold.coded_box(box)` of the coded picture, (h, w) or (h, w, 3) -> the part `box` of the picture."""
    if not fold.wide:
        turned = Fold(fold.width, fold.height, fold.length, fold.count)
        return unfolded(part.swapaxes(0, 1), turned, (box[1], box[0], box[3], box[2])).swapaxes(0, 1)
    top, left, bottom, right = box
    first, last = left // fold.length, (right - 1) // fold.length
    if first == last:
        return part
    pieces = part.reshape(-1, fold.height, *part.shape[1:])
    whole = pieces.swapaxes(0, 1).reshape(fold.height, -1, *part.shape[2:])
    return whole[top:bottom, left - first * fold.length : right - first * fold.length]
