"""Images moved by the transforms of `tomoline.geometry`: shifted, turned, magnified.

Each output pixel is the input sampled at the inverse transform of its place, about the centres of
the two images, as newstack does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tomoline import geometry
from tomoline.kernels import _resample_numba

Image = NDArray[np.float32]


def transform_image(
    image: Image,
    transform: NDArray[np.float64],
    out_shape: tuple[int, int] | None = None,
    *,
    order: int = 3,
    fill: float = 0.0,
    taper_px: float = 0.0,
    taper_inside: bool = False,
    out: Image | None = None,
) -> Image:
    """Resample an image through a transform.

    Parameters
    ----------
    image : (y, x) float32
        Finite pixels.
    transform : (2, 3) float64
        ``[A | d]`` from the input to the output, about the images' centres.
    out_shape : (height, width), optional
        Shape of the result; that of `image` unless given.
    order : {1, 3}
        1 for bilinear, 3 for cubic convolution (Keys 1981, a = -1/2).
    fill : float
        Value where the output sees nothing of the input.
    taper_px : float
        Length over which edges fade into `fill`, in input pixels. 0 for a sharp edge.
    taper_inside : bool
        Fade inside the image instead of beyond its edge.
    out : (y, x) float32, optional
        Written and returned instead of a new array.

    Returns
    -------
    (y, x) float32

    Raises
    ------
    ValueError
        If `order` is neither 1 nor 3, or the transform cannot be inverted.

    Notes
    -----
    The pixels' own area, half a pixel beyond their centres, counts as inside.

    >>> shift = geometry.shift_transforms(np.array([[1.0, 0.0]]))[0]
    >>> transform_image(np.eye(3, dtype=np.float32), shift, order=1)[0]
    array([0., 1., 0.], dtype=float32)
    """
    if order not in (1, 3):
        raise ValueError(f"order {order} is neither 1 (linear) nor 3 (cubic)")
    image = np.ascontiguousarray(image, dtype=np.float32)
    if out is None:
        out = np.empty(image.shape if out_shape is None else out_shape, dtype=np.float32)
    if abs(np.linalg.det(transform[:, :2])) < 1e-9:
        raise ValueError("the transform cannot be inverted")
    inverse = index_transform(geometry.invert(transform), out.shape, image.shape)
    if np.array_equal(transform[:, :2], np.eye(2)) and not taper_inside:
        _resample_numba.shift_into(
            image, out, inverse, order == 3, np.float32(fill), float(taper_px)
        )
        return out
    _resample_numba.transform_into(
        image,
        out,
        inverse,
        order == 3,
        np.float32(fill),
        float(taper_px),
        taper_inside and taper_px > 0,
    )
    return out


def index_transform(
    transform: NDArray[np.float64], shape: tuple[int, ...], out_shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Return the (2, 3) transform between pixel indices (x, y) for one about the centres."""
    centre_in = np.array([geometry.centre(shape[1]), geometry.centre(shape[0])])
    centre_out = np.array([geometry.centre(out_shape[1]), geometry.centre(out_shape[0])])
    result = np.array(transform, dtype=np.float64)
    result[:, 2] += centre_out - transform[:, :2] @ centre_in
    return result


def taper_length(shape: tuple[int, int]) -> int:
    """Return newstack's own choice of taper for an output of this shape, in pixels.

    One percent of the mean size, within 16 to 127.
    """
    return int(min(127, max(16, round(sum(shape) / 200))))
