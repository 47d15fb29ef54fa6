"""Filters that turn in-line phase-contrast images into projected phase.

Conventions. The refractive index is n = 1 - delta + i beta. Retrieved is the projected phase

    Phi = (2 pi / wavelength) * integral of delta,  in rad, positive in matter,

and with it B = (2 pi / wavelength) * integral of beta, so that the transmission of the specimen is
exp(-2 B). q is a spatial frequency in cycles per pixel. A distance enters only by its Fresnel
number per pixel, F = pixel^2 / (wavelength * distance), as chi = pi q^2 / F.

For a weak object the image I_d at distance d has, away from q = 0, the Fourier transform
-2 sin(chi_d) Phi - 2 cos(chi_d) B (Cloetens et al. 1999, J. Phys. D 32, A145; Zabler et al. 2005,
Rev. Sci. Instrum. 76, 073705). All methods here are linear in the images, some of them followed by
a logarithm, with real weights: Phi = sum over d of weight_d * image_d.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tomoline.units import wavelength_m

Floats = NDArray[np.float64]
Method = Literal["ctf", "ctf_pure_phase", "ctf_two_unknowns", "paganin", "ict"]
Quantity = Literal["phase", "absorption"]

# Over how many cycles per pixel zero compensation sets in, as at beamline P14.
_ONSET_PER_PX = 0.01
# Pure phase has no signal at all at q = 0: keeps the slowest noise finite.
_PURE_PHASE_FLOOR = 1e-5


@dataclass(frozen=True)
class Optics:
    """How the images were made, all brought to one magnification.

    Attributes
    ----------
    energy_kev : float
        X-ray energy.
    pixel_size_um : float
        Size of a pixel in the specimen's plane.
    distances_m : tuple of float
        Effective propagation distances; in a cone beam the distance over the magnification.
    """

    energy_kev: float
    pixel_size_um: float
    distances_m: tuple[float, ...]

    @property
    def wavelength_m(self) -> float:
        """Wavelength in metres."""
        return wavelength_m(self.energy_kev)

    @property
    def fresnel_numbers(self) -> Floats:
        """Fresnel number per pixel of each distance, (distances,) float64."""
        with np.errstate(divide="ignore"):
            numbers: Floats = (self.pixel_size_um * 1e-6) ** 2 / (
                self.wavelength_m * np.asarray(self.distances_m, np.float64)
            )
        return numbers

    @property
    def delta_per_rad(self) -> float:
        """Delta for one radian of phase per pixel."""
        return self.wavelength_m / (2 * np.pi * self.pixel_size_um * 1e-6)


@dataclass(frozen=True)
class Retrieving:
    """Which filter, and its constants.

    Attributes
    ----------
    method : str
        ``ctf`` weak object whose beta is a fixed part of delta (one or several distances);
        ``ctf_pure_phase`` weak object without absorption; ``ctf_two_unknowns`` phase and
        absorption apart, above the lowest frequencies; ``paganin`` one material, near field
        (several distances as least squares); ``ict`` one material, absorption not weak.
    beta_over_delta : float
        Ratio of absorption to refraction; not used by ``ctf_pure_phase``.
    zero_compensation : float
        Added to the denominator, for each distance, from its first maximum of contrast on.
    quantity : {"phase", "absorption"}
        Phi in rad, or 2 B = -ln(transmission).
    """

    method: Method
    beta_over_delta: float
    zero_compensation: float
    quantity: Quantity = "phase"

    @property
    def logarithmic(self) -> bool:
        """Whether the logarithm of the filtered image is taken."""
        return self.method in ("paganin", "ict")

    @property
    def log_factor(self) -> float:
        """What the logarithm is multiplied by, 0 where none is taken."""
        if not self.logarithmic:
            return 0.0
        return -1.0 if self.quantity == "absorption" else -0.5 / self.beta_over_delta


def weights(retrieving: Retrieving, optics: Optics, q_squared: Floats) -> Floats:
    """Return the real weight of each distance at given frequencies.

    Parameters
    ----------
    retrieving : Retrieving
    optics : Optics
    q_squared : (...) float64
        Squares of spatial frequencies, (cycles per pixel)^2.

    Returns
    -------
    (distances, ...) float64
        For ``paganin`` and ``ict`` they sum to 1 at q = 0.

    Notes
    -----
    Homogeneous CTF: A_d = sin chi_d + (beta / delta) cos chi_d, Phi = -sum A_d I_d / (2 sum A_d^2 +
    a), with a = sum over d of zero_compensation * (1 - r_d), r_d a low-pass that falls at the first
    maximum of sin chi_d as an error function (Cloetens's two-level regularisation, with the levels
    of beamline P14). Two unknowns as Zabler et al. 2005. Paganin et al. 2002, J. Microsc. 206, 33.
    """
    q_squared = np.asarray(q_squared, np.float64)
    fresnel = optics.fresnel_numbers.reshape(-1, *([1] * q_squared.ndim))
    ratio = retrieving.beta_over_delta
    if retrieving.method == "paganin":
        return _least_squares(1 + np.pi * q_squared / (fresnel * ratio), np.zeros(q_squared.shape))
    chi = np.pi * q_squared / fresnel
    sine, cosine = np.sin(chi), np.cos(chi)
    compensation = retrieving.zero_compensation * (1 - _below_first_maximum(q_squared, fresnel))
    regularised = compensation.sum(axis=0)
    if retrieving.method == "ict":
        return _least_squares(cosine + sine / ratio, regularised / (2 * ratio**2))
    if retrieving.method == "ctf_pure_phase":
        ratio = 0.0
        regularised = regularised + _PURE_PHASE_FLOOR
    together = -0.5 * _least_squares(sine + ratio * cosine, regularised / 2)
    if retrieving.quantity == "absorption":
        together *= 2 * ratio
    if retrieving.method != "ctf_two_unknowns":
        return together
    # At the lowest frequencies all distances show the same: there, the ratio has to decide.
    low = _below_first_maximum(q_squared, fresnel.min())
    return low * together + (1 - low) * _apart(sine, cosine, regularised, retrieving.quantity)


def _least_squares(transfer: Floats, regularised: Floats) -> Floats:
    """Return H_d / (sum H_d^2 + a); 0 where nothing is transferred."""
    power = (transfer**2).sum(axis=0) + regularised
    result: Floats = transfer / np.where(power > 0, power, 1.0)
    return result


def _apart(sine: Floats, cosine: Floats, regularised: Floats, quantity: Quantity) -> Floats:
    """Return the weights that solve for phase and absorption at once."""
    ss, cc, sc = (sine**2).sum(axis=0), (cosine**2).sum(axis=0), (sine * cosine).sum(axis=0)
    power = 2 * (ss * cc - sc**2) + regularised
    power = np.where(power > 0, power, 1.0)
    if quantity == "absorption":
        solved: Floats = 2 * (sc * sine - ss * cosine) / power
    else:
        solved = -(cc * sine - sc * cosine) / power
    return solved


def _below_first_maximum(q_squared: Floats, fresnel: Floats) -> Floats:
    """Return 1 below the first maximum of sin chi, 0 above, with a soft step."""
    from scipy.special import erfc

    cut = np.sqrt(fresnel / 2)
    result: Floats = erfc((np.sqrt(q_squared) - cut) / _ONSET_PER_PX) / erfc(-cut / _ONSET_PER_PX)
    return result


def needed_padding(optics: Optics) -> int:
    """Return how far, in pixels, the filters reach at most: 1 / (2 F) of the longest distance.

    >>> needed_padding(Optics(18.0, 0.65, (0.073, 0.092)))
    8
    """
    smallest = float(np.min(optics.fresnel_numbers))
    return int(np.ceil(0.5 / smallest)) if smallest > 0 else 0
