"""Images in which steep edges count, for centring beads by their rims."""

from __future__ import annotations

import numpy as np

from tomoline.kernels import fourier
from tomoline.kernels.bead_model import Image


def gradient_filter(image: Image, sigma_px: float) -> Image:
    """Weigh an image's frequencies by their height, after smoothing by a Gaussian.

    A least-squares fit to the result is a fit of gradients instead of densities: it follows the
    rim of a bead and not the slow changes around it, as Sobel filtering does, but stays linear,
    so that noise does not bias it and averages of beads stay valid.

    Parameters
    ----------
    image : (y, x) float32
    sigma_px : float
        Standard deviation of the smoothing.

    Returns
    -------
    (y, x) float32
        Beads keep their sign.
    """
    height, width = image.shape
    shape = (fourier.good_size(height + 16), fourier.good_size(width + 16))
    padded = np.zeros(shape, dtype=np.float32)
    padded[:height, :width] = image - np.float32(np.median(image[::7, ::7]))
    spectrum = fourier.forward_2d(padded)
    frequency = fourier.frequencies_2d(shape)
    spectrum *= frequency * np.exp(-2.0 * (np.pi * sigma_px * frequency) ** 2)
    return np.ascontiguousarray(fourier.inverse_2d(spectrum, shape)[:height, :width])
