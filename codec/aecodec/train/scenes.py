"""Pictures of man-made things as a camera takes them: house fronts, flags, lettering, products, before a sky or a wall.

Long straight edges, high contrast and flat saturated colours are where this codec was furthest behind AVIF, and what
photographs of nature do not teach. They are drawn at several times their size and reduced, so edges are anti-aliased; shading,
blur and grain make them photographs.
"""

import colorsys

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from .synthetic import LETTERS, Colour

OVERSAMPLING = 3  # times the sides


def colour(rng: np.random.Generator) -> Colour:
    """Saturated more often than not, at times black or white."""
    kind = rng.random()
    if kind < 0.2:
        return (int(rng.integers(0, 30)),) * 3 if rng.random() < 0.5 else (int(rng.integers(225, 256)),) * 3
    saturation = rng.uniform(0.7, 1) if kind < 0.75 else rng.uniform(0, 0.5)
    return tuple(round(255 * v) for v in colorsys.hsv_to_rgb(rng.random(), saturation, rng.uniform(0.2, 1)))


def gradient(size: tuple[int, int], rng: np.random.Generator, reach: float) -> Image.Image:
    """From one colour to another in some direction; reach: how far they are apart, 0 to 1."""
    (w, h), angle = size, rng.uniform(0, 2 * np.pi)
    first = np.array(colour(rng), np.float32)
    second = first + reach * (np.array(colour(rng), np.float32) - first)
    t = np.cos(angle) * np.linspace(-0.5, 0.5, w)[None, :] + np.sin(angle) * np.linspace(-0.5, 0.5, h)[:, None]
    mixed = first + np.clip(t / 1.4 + 0.5, 0, 1).astype(np.float32)[:, :, None] * (second - first)
    return Image.fromarray(np.rint(mixed).astype(np.uint8))


def facade(size: int, rng: np.random.Generator) -> Image.Image:
    """Windows with frames in a wall, which may have boards or courses of bricks."""
    wall = gradient((size, size), rng, 0.1)
    draw, frame, glass = ImageDraw.Draw(wall), colour(rng), colour(rng)
    if rng.random() < 0.6:
        step, shade = int(rng.integers(size // 60, size // 15)), colour(rng)
        for y in range(0, size, step):
            draw.line((0, y, size, y), fill=shade, width=int(rng.integers(1, max(2, step // 4))))
    columns, rows = rng.integers(1, 7, 2)
    width, height = size / columns, size / rows
    inset, border = rng.uniform(0.1, 0.3), max(2, int(width * rng.uniform(0.02, 0.08)))
    for i in range(columns):
        for j in range(rows):
            box = [(i + inset) * width, (j + inset) * height, (i + 1 - inset) * width, (j + 1 - inset) * height]
            draw.rectangle(box, fill=glass, outline=frame, width=border)
            if rng.random() < 0.7:
                middle = (box[0] + box[2]) / 2
                draw.line((middle, box[1], middle, box[3]), fill=frame, width=border)
    return wall


def flag(size: int, rng: np.random.Generator) -> Image.Image:
    """Stripes, a cross or a disc of flat colours."""
    cloth = Image.new("RGB", (size, size), colour(rng))
    draw = ImageDraw.Draw(cloth)
    count = int(rng.integers(2, 9))
    for i in range(count):
        draw.rectangle((0, i * size // count, size, (i + 1) * size // count), fill=colour(rng))
    if rng.random() < 0.4:
        a, b, ink = size * 3 // 8, size * 5 // 8, colour(rng)
        draw.rectangle((a, 0, b, size), fill=ink)
        draw.rectangle((0, a, size, b), fill=ink)
    elif rng.random() < 0.5:
        draw.ellipse((size // 4, size // 4, size * 3 // 4, size * 3 // 4), fill=colour(rng))
    return cloth.rotate(90) if rng.random() < 0.5 else cloth


def lettering(size: int, rng: np.random.Generator) -> Image.Image:
    """A sign: a few large letters on a flat ground."""
    sign = gradient((size, size), rng, 0.2)
    draw, rows = ImageDraw.Draw(sign), int(rng.integers(1, 5))
    for row in range(rows):
        font = ImageFont.load_default(size / rows * rng.uniform(0.5, 0.9))
        draw.text(
            (size * 0.05, row * size / rows),
            "".join(rng.choice(list(LETTERS), 8)),
            fill=colour(rng),
            font=font,
            stroke_width=int(rng.integers(0, 6)),
            stroke_fill=colour(rng),
        )
    return sign


def product(size: int, rng: np.random.Generator) -> Image.Image:
    """A round or boxy thing with a highlight."""
    thing = gradient((size, size), rng, 0.3)
    for _ in range(rng.integers(1, 5)):
        (x0, x1), (y0, y1) = np.sort(rng.integers(0, size, (2, 2)), axis=1).tolist()
        mask = Image.new("L", (size, size))
        draw = ImageDraw.Draw(mask)
        if rng.random() < 0.5:
            draw.ellipse((x0, y0, x1, y1), fill=255)
        else:
            draw.rounded_rectangle((x0, y0, x1 + 1, y1 + 1), radius=int(rng.integers(0, 40)), fill=255)
        thing.paste(gradient((size, size), rng, rng.uniform(0, 1)), mask=mask)
    return thing


def place(canvas: Image.Image, thing: Image.Image, rng: np.random.Generator) -> None:
    """Pastes a square in perspective: its corners go to about those of a box in the canvas, which may reach over its borders."""
    size = canvas.width
    half, (x, y) = size * rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.8, 2) * size
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half + (x, y) + rng.normal(0, 0.15 * half, (4, 2))
    n = thing.width
    rows, values = [], []
    for (u, v), (s, t) in zip(corners, [(0, 0), (n, 0), (n, n), (0, n)], strict=True):  # canvas (u, v) shows the thing's (s, t)
        rows += [[u, v, 1, 0, 0, 0, -s * u, -s * v], [0, 0, 0, u, v, 1, -t * u, -t * v]]
        values += [s, t]
    try:
        coefficients = np.linalg.solve(np.array(rows), np.array(values)).tolist()
    except np.linalg.LinAlgError:  # the corners lie on a line
        return
    warp = dict(size=canvas.size, method=Image.Transform.PERSPECTIVE, data=coefficients)
    mask = Image.new("L", thing.size, 255).transform(**warp)
    canvas.paste(thing.transform(**warp, resample=Image.Resampling.BILINEAR), mask=mask)


def poles(canvas: Image.Image, rng: np.random.Generator) -> None:
    """Straight edges from border to border: poles, cables, rails."""
    draw, size = ImageDraw.Draw(canvas), canvas.width
    for _ in range(rng.integers(1, 6)):
        a, b = rng.uniform(0, size, 2)
        ends = (a, 0, b, size) if rng.random() < 0.5 else (0, a, size, b)
        draw.line(ends, fill=colour(rng), width=int(rng.integers(1, 12)) * OVERSAMPLING)


def scene(size: int, rng: np.random.Generator) -> np.ndarray:
    """-> uint8 (size, size, 3)"""
    large = size * OVERSAMPLING
    canvas = gradient((large, large), rng, rng.uniform(0.1, 1))
    things = [facade, facade, flag, lettering, product]
    for i in rng.integers(0, len(things), rng.integers(1, 4)):
        place(canvas, things[i](large, rng), rng)
    if rng.random() < 0.4:
        poles(canvas, rng)
    picture = canvas.resize((size, size), Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.8)))
    pixels = np.asarray(picture, np.float32)
    t, (top, bottom, left, right) = np.linspace(0, 1, size), rng.uniform(0.75, 1.1, 4)
    shade = (top + t * (bottom - top))[:, None] * (left + t * (right - left))
    grain = rng.normal(0, rng.uniform(0, 2.5), pixels.shape)
    return np.rint(np.clip(pixels * shade[:, :, None] + grain, 0, 255)).astype(np.uint8)
