"""Digits drawn with a pen, and pictures of them as people make them. Needs no data and no Pillow."""

import numpy as np

#: The strokes of each digit: corners of lines as (x, y), both from 0 to 1, y down.
STROKES = [
    [[(0.5, 0), (0.15, 0.2), (0.1, 0.5), (0.2, 0.85), (0.5, 1), (0.8, 0.85), (0.9, 0.5), (0.8, 0.15), (0.5, 0)]],
    [[(0.3, 0.15), (0.5, 0), (0.5, 1)]],
    [[(0.15, 0.25), (0.3, 0.05), (0.6, 0), (0.85, 0.2), (0.75, 0.45), (0.1, 1), (0.9, 1)]],
    [[(0.15, 0.05), (0.6, 0), (0.85, 0.2), (0.7, 0.42), (0.4, 0.5), (0.8, 0.6), (0.9, 0.8), (0.6, 1), (0.1, 0.95)]],
    [[(0.6, 0), (0.1, 0.65), (0.9, 0.65)], [(0.7, 0.3), (0.7, 1)]],
    [[(0.85, 0), (0.25, 0), (0.2, 0.45), (0.6, 0.4), (0.85, 0.65), (0.7, 0.95), (0.15, 1)]],
    [[(0.7, 0), (0.3, 0.3), (0.15, 0.7), (0.35, 1), (0.7, 0.95), (0.8, 0.7), (0.6, 0.5), (0.2, 0.65)]],
    [[(0.1, 0), (0.9, 0), (0.4, 1)]],
    [[(0.5, 0.47), (0.2, 0.25), (0.5, 0), (0.8, 0.2), (0.5, 0.47), (0.15, 0.75), (0.5, 1), (0.85, 0.75), (0.5, 0.47)]],
    [[(0.8, 0.3), (0.5, 0.5), (0.2, 0.3), (0.45, 0), (0.75, 0.1), (0.8, 0.3), (0.75, 0.6), (0.6, 1)]],
]


def drawn(digit, height, thickness=0.12, narrow=0.7):
    """A digit so many pixels high, and no wider than it is: 1 in the strokes, 0 beside them, between at their edges."""
    pen = max(thickness * height, 1)
    scale = np.array([narrow, 1]) * (height - pen)
    rows, columns = np.mgrid[:height, : round(narrow * (height - pen) + pen)] + 0.5 - pen / 2
    distance = np.full(rows.shape, np.inf)
    for line in STROKES[digit]:
        corners = np.array(line) * scale
        for (x, y), (dx, dy) in zip(corners[:-1], np.diff(corners, axis=0), strict=True):
            along = np.clip(((columns - x) * dx + (rows - y) * dy) / (dx * dx + dy * dy), 0, 1)
            distance = np.minimum(distance, np.hypot(columns - x - along * dx, rows - y - along * dy))
    ink = np.clip(pen / 2 + 0.5 - distance, 0, 1)
    return ink[:, np.flatnonzero(ink.any(axis=0))[0] : np.flatnonzero(ink.any(axis=0))[-1] + 1]


def in_mnists_form(digit, brightness=255, **how):
    """A digit 20 pixels high, its centre of mass in pixel (14, 14) of 28 x 28 black ones."""
    ink = drawn(digit, 20, **how)
    top, left = (
        round(14 - (ink.sum(axis=1 - axis) * np.arange(ink.shape[axis])).sum() / ink.sum()) for axis in (0, 1)
    )
    return placed(ink * brightness, (28, 28), top, left).astype(np.uint8)


def placed(ink, shape, top, left):
    """The ink on a field of 0."""
    field = np.zeros(shape)
    field[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return field


def somewhere(ink, shape, margin, rng):
    """The ink at a random place, so far from the border at least."""
    top, left = (rng.integers(margin, length - margin - own + 1) for length, own in zip(shape, ink.shape, strict=True))
    return placed(ink, shape, top, left)


def in_a_corner(digit, rng):
    """28 x 28, dark on light, 20 pixels high in a corner."""
    ink = drawn(digit, 20, rng.uniform(0.08, 0.16))
    top, left = (rng.choice([0, 1, 27 - length, 28 - length]) for length in ink.shape)
    paper = rng.choice([255, 200])
    return paper * (1 - placed(ink, (28, 28), top, left))


def off_centre_on_black(digit, rng):
    """28 x 28, light on black: only where the digit stands, and its size, are not MNIST's."""
    return 255 * somewhere(drawn(digit, int(rng.integers(12, 19))), (28, 28), 0, rng)


def small_and_centred(digit, rng):
    """A digit a third of the picture high, in its middle."""
    side = int(rng.choice([28, 40, 100, 300]))
    ink = drawn(digit, max(10, side // 3), rng.uniform(0.08, 0.16))
    top, left = ((side - length) // 2 for length in ink.shape)
    paper, pen = rng.choice([(255, 0), (230, 60), (20, 240)])
    return paper + (float(pen) - paper) * placed(ink, (side, side), top, left)


def unevenly_lit(digit, rng):
    """A photo with grain, three times as light on one side as on the other, or in the middle as at the border."""
    shape = tuple(int(length) for length in rng.integers(200, 400, 2))
    ink = somewhere(drawn(digit, int(0.6 * min(shape)), rng.uniform(0.06, 0.16)), shape, 5, rng)
    rows, columns = (np.linspace(-1, 1, length) for length in shape)
    angle = rng.uniform(0, 2 * np.pi)
    slope = (np.cos(angle) * rows[:, None] + np.sin(angle) * columns) / np.sqrt(2) / 2 + 0.5
    vignette = (rows[:, None] ** 2 + columns**2) / 2
    light = 1 - 0.67 * (slope if rng.random() < 0.6 else vignette)
    return (230 - 180 * ink) * light + rng.normal(0, 5, shape)


def framed(digit, rng):
    """A line round the picture, touching the border or not, in the colour of the digit."""
    side = int(rng.choice([28, 60, 150, 300]))
    width = int(rng.integers(1, 2 if side < 50 else 6))
    inset = int(side * rng.choice([0, 0, 0.04, 0.08]))
    frame = np.zeros((side, side))
    frame[inset : side - inset, inset : side - inset] = 1
    inner = inset + width
    frame[inner : side - inner, inner : side - inner] = 0
    height = int(0.8 * (side - 2 * inner - 4))
    ink = somewhere(drawn(digit, height, rng.uniform(0.08, 0.16)), frame.shape, inner + 2, rng)
    paper, pen = rng.choice([(255, 0), (200, 60), (20, 240)])
    return paper + (float(pen) - paper) * np.maximum(ink, frame)


def ruled(digit, rng):
    """A line along one side."""
    side = int(rng.choice([28, 60, 150, 300]))
    ink = somewhere(drawn(digit, int(0.6 * side)), (side, side), side // 7, rng)
    line = np.zeros((side, side))
    line[side // 20 : side // 20 + max(1, side // 60)] = 1
    return 240 - 200 * np.maximum(ink, np.rot90(line, rng.integers(4)))


def in_half_shadow(digit, rng):
    """A photo, half of it in a shadow with a sharp edge."""
    shape = (240, 320)
    ink = somewhere(drawn(digit, 120), shape, 5, rng)
    rows, columns = np.mgrid[:240, :320]
    shadow = (rows - 120) * np.cos(angle := rng.uniform(0, 2 * np.pi)) + (columns - 160) * np.sin(angle) > 0
    return (220 - 180 * ink) * (1 - 0.4 * shadow) + rng.normal(0, 2, shape)


KINDS = [in_a_corner, off_centre_on_black, small_and_centred, unevenly_lit, framed, ruled]


def as_bytes(picture):
    """Rounded to uint8."""
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def difference(a, b):
    """Mean difference of two images; a shift by one pixel, where rounding may differ, is none."""
    shifts = [(rows, columns) for rows in (-1, 0, 1) for columns in (-1, 0, 1)]
    return min(np.abs(np.roll(a, shift, (0, 1)).astype(float) - b).mean() for shift in shifts)
