"""Training data: IDX files, MNIST, and sums of digits.

Everything here is plain NumPy arrays and arrays of indices, and independent of layers and models.
"""

from tinynn.datasets.digit_sums import DigitSums
from tinynn.datasets.idx import read_idx, read_idx_header, write_idx
from tinynn.datasets.mnist import MnistSource, find_mnist, load_mnist
from tinynn.datasets.split import split_images

__all__ = [
    "DigitSums",
    "MnistSource",
    "find_mnist",
    "load_mnist",
    "read_idx",
    "read_idx_header",
    "split_images",
    "write_idx",
]
