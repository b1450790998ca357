"""Random changes of images in training, done while each mini-batch is gathered."""

from __future__ import annotations

from tinynn.kernels._augmentation import LIMITS, check_options
from tinynn.registry import Configurable


class Augmentation(Configurable, kind="augmentations"):
    """How images are changed at random in training: ``model.fit(x, y, augment=Augmentation(shift=2, rotation=10))``.

    Each image gets other changes in every epoch: it is moved, turned, zoomed and sheared about its middle, and bent.
    They depend on the model's seed, the epoch and the number of the sample, not on threads or on the order.
    `tinynn.kernels.augment` does the same to an array, to look at.

    Parameters
    ----------
    shift : float
        Most pixels to move, down and to the right, each; at most a million.
    rotation : float
        Most degrees to turn, at most 180.
    zoom : float
        Most change of size, at most 0.99: 0.1 makes an image up to 10 % smaller or larger.
    shear : float
        Most columns that a row moves for each row that it is away from the middle, at most 1000.
    elastic : float
        Standard deviation, in pixels, of a smooth random displacement of every pixel (Simard et al., 2003);
        at most a million.
    smoothness : float
        Over how many pixels that displacement is smooth, from 0.25 to a million.

    Raises
    ------
    TypeError, ValueError
        If a limit is no number or out of range.

    Examples
    --------
    >>> Augmentation(shift=2, rotation=10)
    Augmentation(shift=2.0, rotation=10.0)
    """

    def __init__(self, shift: float = 0.0, rotation: float = 0.0, zoom: float = 0.0, shear: float = 0.0,
                 elastic: float = 0.0, smoothness: float = 4.0) -> None:
        self.shift, self.rotation, self.zoom = shift, rotation, zoom
        self.shear, self.elastic, self.smoothness = shear, elastic, smoothness
        vars(self).update(self.options("Augmentation"))

    def options(self, function: str) -> dict[str, float]:
        """The numbers as they are now, checked; `function` is who asks, for the messages."""
        return check_options(function, {name: getattr(self, name) for name in LIMITS})


def check_augmentation(augment: Augmentation | None, function: str) -> Augmentation | None:
    """Raise TypeError unless it is an Augmentation or None, and ValueError if its attributes have been spoilt since."""
    if augment is not None and not isinstance(augment, Augmentation):
        hint = "; write Augmentation(...)" if augment is Augmentation else ""
        raise TypeError(f"{function}: augment must be a tinynn.Augmentation, got {augment!r}{hint}")
    if augment is not None:
        augment.options(f"{function}: augment")
    return augment
