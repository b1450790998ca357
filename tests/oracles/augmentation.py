"""Oracle: random changes of an image, pixel by pixel, with Philox in Python's integers."""

import math

import numpy as np

FOR_AUGMENTATION = 3


def philox(counter, key):
    """Philox4x32-10 of Salmon et al. (2011), section 3.3, in Python's own integers."""
    counter, key = list(counter), list(key)
    for _ in range(10):
        products = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        high, low = [p >> 32 for p in products], [p & 0xFFFFFFFF for p in products]
        counter = [high[1] ^ counter[1] ^ key[0], low[1], high[0] ^ counter[3] ^ key[1], low[0]]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return counter


def b_spline(t):
    """The cubic cardinal B-spline, from its formula on two intervals."""
    t = abs(t)
    if t < 1:
        return 2 / 3 - t * t + t**3 / 2
    return (2 - t) ** 3 / 6 if t < 2 else 0.0


def pixel(image, row, column):
    inside = 0 <= row < image.shape[0] and 0 <= column < image.shape[1]
    return image[row, column].astype(np.float64) if inside else np.zeros(image.shape[2])


def changed(image, key, epoch, sample, place=0, shift=0, rotation=0, zoom=0, shear=0, elastic=0, smoothness=4):
    """One image (rows, columns, channels)."""
    rows, columns = image.shape[:2]
    halves = key & 0xFFFFFFFF, key >> 32

    def draws(block):
        words = philox((block, sample, epoch, FOR_AUGMENTATION + 256 * place), halves)
        return [((word ^ 0x80000000) - 0x80000000 + 0.5) / 2**31 for word in words]

    down, right, turn, size = draws(0)
    angle = math.radians(rotation) * turn
    turned = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = turned @ np.diag([1 + zoom * size] * 2) @ np.array([[1, shear * draws(1)[0]], [0, 1]])
    back = np.linalg.inv(matrix)  # of (column, row)

    spacing = smoothness * math.sqrt(3)
    grid_rows, grid_columns = int(rows / spacing) + 4, int(columns / spacing) + 4
    numbers = [number for block in range(-(-2 * grid_rows * grid_columns // 4)) for number in draws(2 + block)]
    grid = np.array(numbers[: 2 * grid_rows * grid_columns]).reshape(grid_rows, 2, grid_columns)
    grid *= elastic / (151 / 315 / math.sqrt(3))

    middle = np.array([(columns - 1) / 2, (rows - 1) / 2])
    result = np.zeros(image.shape)
    for row in range(rows):
        for column in range(columns):
            place_in_image = back @ (np.array([column, row]) - middle - shift * np.array([right, down])) + middle
            # grid point k belongs to the pixel (k - 1) spacing
            for i in range(grid_rows):
                for j in range(grid_columns):
                    weight = b_spline(row / spacing - (i - 1)) * b_spline(column / spacing - (j - 1))
                    place_in_image = place_in_image + weight * grid[i, :, j]
            left, top = np.floor(place_in_image).astype(int)
            across, below = place_in_image - (left, top)
            result[row, column] = (1 - below) * (
                (1 - across) * pixel(image, top, left) + across * pixel(image, top, left + 1)
            ) + below * ((1 - across) * pixel(image, top + 1, left) + across * pixel(image, top + 1, left + 1))
    return result


def augment(images, key=0, epoch=0, first_sample=0, **options):
    images = np.asarray(images)
    with_channels = images if images.ndim == 4 else images[..., None]
    found = [changed(image, key, epoch, first_sample + i, **options) for i, image in enumerate(with_channels)]
    return np.reshape(found, images.shape)
