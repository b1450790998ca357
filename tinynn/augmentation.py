"""Image augmentation: random changes of the images while each batch is gathered."""

from __future__ import annotations

from tinynn.kernels._augmentation import LIMITS, check_options
from tinynn.registry import Configurable


class Augmentation(Configurable, kind="augmentations"):
    """Random changes of images in training: ``model.fit(x, y, augment=Augmentation(shift=2, rotation=10))``.

    Each image is shifted, rotated, zoomed, sheared and elastically deformed, differently in each epoch. Rotation, zoom
    and shear keep the center fixed. The changes depend on the model's seed, the epoch and the number of the sample, not
    on the threads or the order. `tinynn.kernels.augment` applies the same changes to an array.

    Parameters
    ----------
    shift : float
        Maximum shift along each axis, in pixels; at most 1,000,000.
    rotation : float
        Maximum angle, in degrees; at most 180.
    zoom : float
        Maximum relative change of size, at most 0.99: 0.1 makes an image up to 10 % smaller or larger.
    shear : float
        Maximum shear: the shift of a row, in columns, per row of distance from the center; at most 1000.
    elastic : float
        Standard deviation, in pixels, of a smooth random displacement field (Simard et al., 2003); at most 1,000,000.
    smoothness : float
        Length, in pixels, over which the displacement field is smooth, from 0.25 to 1,000,000.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number, or out of range.

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
        """Return the current options, checked; `function` is the caller's name, for errors."""
        return check_options(function, {name: getattr(self, name) for name in LIMITS})


def check_augmentation(augment: Augmentation | None, function: str) -> Augmentation | None:
    """Raise TypeError unless it is an Augmentation or None, and ValueError if its attributes are out of range."""
    if augment is not None and not isinstance(augment, Augmentation):
        hint = "; write Augmentation(...)" if augment is Augmentation else ""
        raise TypeError(f"{function}: augment must be a tinynn.Augmentation, got {augment!r}{hint}")
    if augment is not None:
        augment.options(f"{function}: augment")
    return augment
