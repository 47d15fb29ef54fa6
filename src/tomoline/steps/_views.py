"""What steps that make new stacks share: modes, reduction filters, clean views."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from tomoline import errors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tomoline.files.mrc import MrcHeader
    from tomoline.files.stack import Stack
    from tomoline.steps.acquisition import Acquisition

    Image = NDArray[np.float32]


UNKNOWN_PIXEL_NM = 0.1
"""What files say where nothing is known: 1 Å."""

ReductionFilter = Literal["box", "blackman", "triangle", "mitchell", "lanczos2", "lanczos3"]
REDUCTION_CODES: dict[str, str] = {
    "-1": "lanczos3",
    "0": "box",
    "1": "box",
    "2": "blackman",
    "3": "triangle",
    "4": "mitchell",
    "5": "lanczos2",
    "6": "lanczos3",
}
"""newstack's codes of antialiasing filters; 0, no filter, is plain binning."""

_MODES = {"i1": 0, "u1": 0, "i2": 1, "u2": 6, "f4": 2, "f2": 12}


def mode_of(dtype: np.dtype[Any]) -> int:
    """Return the MRC mode that holds values of `dtype`; float32 (2) for all others.

    >>> import numpy as np
    >>> mode_of(np.dtype(">i2"))
    1
    """
    return _MODES.get(dtype.kind + str(dtype.itemsize), 2)


def read_clean(stack: Stack, view: int) -> tuple[Image, float, int]:
    """Read a view, with pixels that are not numbers replaced by the mean of the others.

    Returns
    -------
    image : (y, x) float32
    mean : float
        Of the finite pixels; 0 where there are none.
    replaced : int
        Number of pixels replaced.
    """
    import numpy as np

    image = stack.read(view)
    mean = float(image.mean(dtype=np.float64))
    if np.isfinite(mean):
        return image, mean, 0
    finite = np.isfinite(image)
    count = int(finite.sum())
    mean = float(image[finite].mean(dtype=np.float64)) if count else 0.0
    image[~finite] = mean
    return image, mean, image.size - count


def check_count(stack: Stack, count: int, what: str) -> None:
    """Check that there are as many `what` (transforms, angles) as views.

    Raises
    ------
    TomolineError
        ALI-01 if not.
    """
    if count != stack.shape[0]:
        raise errors.tilt.VIEWS_DO_NOT_MATCH.error(
            stack.path, f"it has {stack.shape[0]} views, but there are {count} {what}."
        )


def binning_of(header: MrcHeader, views: Acquisition) -> int:
    """Return the binning of a stack made from the raw one, from the two pixel sizes."""
    if header.pixel_size_nm is None:
        return 1
    return max(1, round(header.pixel_size_nm[0] / (views.pixel_size_nm or UNKNOWN_PIXEL_NM)))
