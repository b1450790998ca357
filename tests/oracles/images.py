"""Oracles: convolution and pooling, one window at a time."""

import numpy as np


def windows(image, size, strides, padding, dilation_rate):
    """For each output pixel: its index, and the rows and columns of the image that its window covers.

    Positions outside of the image are None. Keras' rule: "same" makes ceil(length / stride) windows, and of what they
    reach beyond the image the smaller half lies before it.
    """
    (both_sizes, both_strides, both_rates) = (
        (value, value) if np.ndim(value) == 0 else value for value in (size, strides, dilation_rate)
    )
    axes = []
    for length, count, stride, rate in zip(image, both_sizes, both_strides, both_rates, strict=True):
        starts = [s for s in range(0, length, stride) if s + rate * (count - 1) < length]
        if padding == "same":
            number = int(np.ceil(length / stride))
            beyond = stride * (number - 1) + rate * (count - 1) + 1 - length
            starts = [i * stride - max(beyond, 0) // 2 for i in range(number)]
        axes.append([[s + rate * i for i in range(count)] for s in starts])
    for i, rows in enumerate(axes[0]):
        for j, columns in enumerate(axes[1]):
            yield (
                (i, j),
                [r if 0 <= r < image[0] else None for r in rows],
                [c if 0 <= c < image[1] else None for c in columns],
            )


def output_size(image, *window):
    return tuple(np.max([index for index, _, _ in windows(image, *window)], axis=0) + 1)


def conv2d_forward(x, w, b=None, strides=1, padding="valid", dilation_rate=1):
    x, w = np.asarray(x, np.float64), np.asarray(w, np.float64)
    window = w.shape[:2], strides, padding, dilation_rate
    y = np.zeros((len(x), *output_size(x.shape[1:3], *window), w.shape[3]))
    for (i, j), rows, columns in windows(x.shape[1:3], *window):
        for p, row in enumerate(rows):
            for q, column in enumerate(columns):
                if row is not None and column is not None:
                    y[:, i, j] += x[:, row, column] @ w[p, q]
    return y if b is None else y + np.asarray(b, np.float64)


def conv2d_backward(dy, x, w, strides=1, padding="valid", dilation_rate=1):
    dy, x, w = (np.asarray(each, np.float64) for each in (dy, x, w))
    dx, dw = np.zeros(x.shape), np.zeros(w.shape)
    for (i, j), rows, columns in windows(x.shape[1:3], w.shape[:2], strides, padding, dilation_rate):
        for p, row in enumerate(rows):
            for q, column in enumerate(columns):
                if row is not None and column is not None:
                    dx[:, row, column] += dy[:, i, j] @ w[p, q].T
                    dw[p, q] += x[:, row, column].T @ dy[:, i, j]
    return dx, dw, dy.sum(axis=(0, 1, 2))


def inside(positions):
    return [position for position in positions if position is not None]


def pooled(x, pool_size, strides, padding):
    """Each window's index, its positions, and its numbers (batch, positions, channels), row by row."""
    for index, rows, columns in windows(x.shape[1:3], pool_size, strides or pool_size, padding, 1):
        positions = [(row, column) for row in inside(rows) for column in inside(columns)]
        yield index, positions, np.stack([x[:, row, column] for row, column in positions], axis=1)


def pooling(x, pool_size, strides, padding, function):
    x = np.asarray(x, np.float64)
    y = np.zeros((len(x), *output_size(x.shape[1:3], pool_size, strides or pool_size, padding, 1), x.shape[3]))
    for index, _, numbers in pooled(x, pool_size, strides, padding):
        y[:, index[0], index[1]] = function(numbers)
    return y


def max_pooling2d_forward(x, pool_size=2, strides=None, padding="valid"):
    return pooling(x, pool_size, strides, padding, lambda numbers: numbers.max(axis=1))


def average_pooling2d_forward(x, pool_size=2, strides=None, padding="valid"):
    return pooling(x, pool_size, strides, padding, lambda numbers: numbers.mean(axis=1))


def max_pooling2d_backward(dy, x, pool_size=2, strides=None, padding="valid"):
    x, dx = np.asarray(x, np.float64), np.zeros(np.shape(x))
    for index, positions, numbers in pooled(x, pool_size, strides, padding):
        first = numbers.argmax(axis=1)
        for number, (row, column) in enumerate(positions):
            dx[:, row, column] += (first == number) * dy[:, index[0], index[1]]
    return dx


def average_pooling2d_backward(dy, x, pool_size=2, strides=None, padding="valid"):
    x, dx = np.asarray(x, np.float64), np.zeros(np.shape(x))
    for index, positions, _ in pooled(x, pool_size, strides, padding):
        for row, column in positions:
            dx[:, row, column] += np.asarray(dy, np.float64)[:, index[0], index[1]] / len(positions)
    return dx
