"""Phase retrieval against exact propagation, and against what can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tomoline.kernels.phase import PhaseTransform, Workspace, padded_shape, retrieve
from tomoline.kernels.phase_filters import Optics, Retrieving, needed_padding, weights

Floats = NDArray[np.float64]

SIZE = 192
FOUR = Optics(18.0, 0.65, (0.073, 0.079, 0.085, 0.092))
ONE = Optics(18.0, 0.65, (0.073,))
# Distances so short that images are formed in the near field.
NEAR = Optics(18.0, 1.5, (0.02, 0.03))


def propagated(wave: NDArray[np.complex128], optics: Optics) -> NDArray[np.float32]:
    """Return the images of a periodic exit wave by exact Fresnel propagation."""
    size = optics.pixel_size_um * 1e-6
    height, width = wave.shape
    f_y, f_x = np.fft.fftfreq(height, size)[:, None], np.fft.fftfreq(width, size)[None, :]
    images = []
    for distance in optics.distances_m:
        phase = np.pi * 1.239841984e-9 / optics.energy_kev * distance * (f_y**2 + f_x**2)
        seen = np.fft.ifft2(np.fft.fft2(wave) * np.exp(-1j * phase))
        images.append(np.abs(seen) ** 2)
    return np.array(images, np.float32)


def grid(height: int = SIZE, width: int = SIZE) -> tuple[Floats, Floats]:
    y, x = np.mgrid[:height, :width].astype(float)
    return y - (height - 1) / 2, x - (width - 1) / 2


def blobs(height: int = SIZE, width: int = SIZE) -> Floats:
    """Return a smooth projected phase, rad, at most about 0.3, 0 far from the middle."""
    y, x = grid(height, width)
    first = np.exp(-((x - 10) ** 2 + (y + 12) ** 2) / (2 * 12**2))
    second = np.exp(-((x + 25) ** 2 + (y - 15) ** 2) / (2 * 4**2))
    return np.asarray(0.3 * (first + 0.5 * second))


def exit_wave(phase: Floats, absorption: Floats) -> NDArray[np.complex128]:
    """Return the wave behind matter of projected phase and B; phase is positive in matter."""
    return np.asarray(np.exp(-1j * phase - absorption))


def relative_error(found: NDArray[np.float32], truth: Floats) -> float:
    return float(np.sqrt(((found - truth) ** 2).mean()) / truth.max())


@pytest.mark.parametrize(
    ("method", "ratio", "tolerance"),
    [
        ("ctf", 0.1, 4e-3),
        ("ctf", 0.01, 6e-4),
        ("ctf_two_unknowns", 0.1, 4e-3),
        ("ict", 0.1, 1e-4),
        ("ict", 0.01, 2e-4),
        ("paganin", 0.1, 2e-4),
    ],
)
@pytest.mark.parametrize("optics", [FOUR, ONE], ids=["four", "one"])
def test_exactly_propagated_images_give_the_phase_back(method, ratio, tolerance, optics):
    if method == "ctf_two_unknowns" and optics is ONE:
        pytest.skip("needs two distances")
    phase = blobs()
    images = propagated(exit_wave(phase, ratio * phase), optics)
    found = retrieve(images, optics, Retrieving(method, ratio, 0.01), padding_px=16)
    assert relative_error(found, phase) < tolerance


def test_pure_phase_is_found_but_for_its_mean():
    # The slowest changes have no contrast, so the object must not be slow.
    y, x = grid()
    phase = 0.05 * np.cos(2 * np.pi * 12 * x / SIZE) * np.cos(2 * np.pi * 8 * y / SIZE)
    images = propagated(exit_wave(phase, 0 * phase), FOUR)
    found = retrieve(images, FOUR, Retrieving("ctf_pure_phase", 0.0, 0.0))
    np.testing.assert_allclose(found, phase, atol=1e-3)


@pytest.mark.parametrize("cycles", [(0, 3), (5, 11), (31, 7), (40, 60), (80, 2)])
@pytest.mark.parametrize("ratio", [0.1, 0.01])
def test_the_amplitude_of_a_weak_grating_is_exact_at_any_frequency(cycles, ratio):
    y, x = grid()
    amplitude = 1e-2
    turns = cycles[0] * y / SIZE + cycles[1] * x / SIZE
    phase = amplitude * np.cos(2 * np.pi * turns)
    q_squared = (cycles[0] ** 2 + cycles[1] ** 2) / SIZE**2
    # The image by the weak-object formula, with the wave's own sign: no propagator, no padding.
    chi = np.pi * q_squared / FOUR.fresnel_numbers
    contrast = -2 * np.sin(chi) - 2 * ratio * np.cos(chi)
    images = (1 + contrast[:, None, None] * phase).astype(np.float32)
    found = retrieve(images, FOUR, Retrieving("ctf", ratio, 0.0))
    np.testing.assert_allclose(found, phase, atol=0.002 * amplitude)


def test_zero_compensation_damps_where_contrast_is_weak_and_only_there():
    q = np.linspace(0, 0.7, 3001)
    sharp = weights(Retrieving("ctf", 0.1, 0.0), FOUR, q**2)
    damped = weights(Retrieving("ctf", 0.1, 0.1), FOUR, q**2)
    below = q < np.sqrt(FOUR.fresnel_numbers.min() / 2) - 0.03
    np.testing.assert_allclose(damped[:, below], sharp[:, below], rtol=1e-4)
    assert np.abs(damped).max() <= np.abs(sharp).max() + 1e-12
    # All of the way: 2 sum A^2 + 4 * 0.1 at high frequencies.
    above = q > 0.3
    chi = np.pi * q[above] ** 2 / FOUR.fresnel_numbers[:, None]
    transfer = np.sin(chi) + 0.1 * np.cos(chi)
    np.testing.assert_allclose(damped[:, above], -transfer / (2 * (transfer**2).sum(0) + 0.4))


@pytest.mark.parametrize("quantity", ["phase", "absorption"])
def test_for_a_weak_object_the_logarithm_makes_no_difference(quantity):
    """To first order both methods are the same filter, zero compensation included."""
    q = np.linspace(0, 0.7, 500)
    ctf, ict = Retrieving("ctf", 0.07, 0.1, quantity), Retrieving("ict", 0.07, 0.1, quantity)
    first_order = ict.log_factor * weights(ict, FOUR, q**2)
    np.testing.assert_allclose(first_order, weights(ctf, FOUR, q**2), rtol=1e-12)


def test_two_unknowns_tell_phase_from_absorption():
    y, x = grid()
    phase = 1e-3 * np.cos(2 * np.pi * 45 * x / SIZE)
    absorption = 5e-4 * np.cos(2 * np.pi * 50 * y / SIZE)
    images = propagated(exit_wave(phase, absorption), FOUR)
    found = {
        quantity: retrieve(images, FOUR, Retrieving("ctf_two_unknowns", 0.1, 1e-4, quantity))
        for quantity in ("phase", "absorption")
    }
    np.testing.assert_allclose(found["phase"], phase, atol=3e-5)
    np.testing.assert_allclose(found["absorption"], 2 * absorption, atol=3e-5)
    # One material with a fixed ratio cannot tell them apart.
    together = retrieve(images, FOUR, Retrieving("ctf", 0.1, 1e-4))
    assert np.abs(together - phase).max() > 3e-4


@pytest.mark.parametrize("optics", [ONE, FOUR], ids=["one", "several"])
def test_paganin_is_exact_for_one_material_in_the_near_field(optics):
    """The transport equation itself makes the image: I = (1 - z / k * laplacian ...) T."""
    y, x = grid()
    ratio, radius = 0.05, 50.0
    sphere = np.sqrt(np.maximum(radius**2 - x**2 - y**2, 0)) / radius
    phase = 2.0 * sphere
    transmission = np.exp(-2 * ratio * phase)
    q_squared = np.fft.fftfreq(SIZE)[:, None] ** 2 + np.fft.fftfreq(SIZE)[None, :] ** 2
    images = []
    for fresnel in optics.fresnel_numbers:
        spectrum = np.fft.fft2(transmission) * (1 + np.pi * q_squared / (fresnel * ratio))
        images.append(np.fft.ifft2(spectrum).real)
    found = retrieve(np.array(images, np.float32), optics, Retrieving("paganin", ratio, 0.1))
    assert np.abs(found - phase).max() < 2e-3
    absorbed = Retrieving("paganin", ratio, 0.1, "absorption")
    found = retrieve(np.array(images, np.float32), optics, absorbed)
    np.testing.assert_allclose(found, -np.log(transmission), atol=2e-4)


def test_ict_finds_a_strong_absorber_that_the_weak_object_formula_does_not():
    phase = 10 * blobs()
    images = propagated(exit_wave(phase, 0.1 * phase), NEAR)
    of = {
        method: relative_error(
            retrieve(images, NEAR, Retrieving(method, 0.1, 0.01), padding_px=16), phase
        )
        for method in ("ctf", "ict", "paganin")
    }
    assert of["ict"] < 2e-3
    assert of["paganin"] < 2e-3
    assert of["ctf"] > 10 * of["ict"]


@pytest.mark.parametrize("shift", [(3.0, -2.0), (0.4, 1.7)])
def test_shifts_bring_the_images_together(shift):
    phase = blobs()
    images = propagated(exit_wave(phase, 0.1 * phase), FOUR)
    shifts = np.array([[0.0, 0.0], shift, [-shift[0], 0.5], [0.0, 0.0]])
    q_y, q_x = np.fft.fftfreq(SIZE)[:, None], np.fft.fftfreq(SIZE)[None, :]
    there = np.array(
        [
            np.fft.ifft2(np.fft.fft2(image) * np.exp(2j * np.pi * (q_y * dy + q_x * dx))).real
            for image, (dy, dx) in zip(images, shifts, strict=True)
        ],
        np.float32,
    )
    how = Retrieving("ctf", 0.1, 0.1)
    expected = retrieve(images, FOUR, how, padding_px=20)
    found = retrieve(there, FOUR, how, padding_px=20, shifts_px=shifts)
    np.testing.assert_allclose(found, expected, atol=2e-4)
    unmoved = retrieve(there, FOUR, how, padding_px=20)
    assert np.abs(unmoved - expected).max() > 0.01


def test_a_plain_filter_and_the_blockwise_one_are_the_same():
    """Odd sizes, no padding: against numpy's transform of the same images."""
    rng = np.random.default_rng(3)
    images = (1 + 0.05 * rng.normal(size=(4, 90, 162))).astype(np.float32)
    how = Retrieving("ctf", 0.1, 0.1)
    assert padded_shape((90, 162), 0) == (90, 162)
    q_squared = np.fft.fftfreq(90)[:, None] ** 2 + np.fft.fftfreq(162)[None, :] ** 2
    spectra = np.fft.fft2(images - 1.0)
    expected = np.fft.ifft2((weights(how, FOUR, q_squared) * spectra).sum(axis=0)).real
    np.testing.assert_allclose(retrieve(images, FOUR, how), expected, atol=2e-5)


@pytest.mark.parametrize("method", ["ctf", "paganin", "ict", "ctf_two_unknowns"])
def test_the_mean_follows_from_the_absorption(method):
    """No contrast at all: -ln(transmission) = 2 * ratio * phase, to first order for the CTF."""
    level = 0.99
    images = np.full((4, 60, 70), level, np.float32)
    found = retrieve(images, FOUR, Retrieving(method, 0.1, 0.1), padding_px=10)
    expected = (1 - level) / 0.2 if method.startswith("ctf") else -np.log(level) / 0.2
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_air_is_zero():
    images = np.ones((4, 60, 70), np.float32)
    for method in ("ctf", "ctf_pure_phase", "ctf_two_unknowns", "paganin", "ict"):
        found = retrieve(images, FOUR, Retrieving(method, 0.1, 0.1), padding_px=10)
        np.testing.assert_allclose(found, 0.0, atol=2e-6)


def test_padding_keeps_the_edges_from_ringing():
    """An object that reaches over the left edge only: without padding it shows on the right."""
    y, x = grid(SIZE, 2 * SIZE)
    wide = 0.3 * np.exp(-((x + SIZE / 2) ** 2) / (2 * 30**2)) * np.ones_like(y)
    images = propagated(exit_wave(wide, 0.1 * wide), FOUR)[:, :, SIZE // 2 : SIZE // 2 + SIZE]
    truth = wide[:, SIZE // 2 : SIZE // 2 + SIZE]
    how = Retrieving("ctf", 0.1, 0.01)
    error = {
        padding: np.abs(retrieve(images, FOUR, how, padding_px=padding) - truth)
        for padding in (0, 48)
    }
    assert error[48][:, -16:].max() < 3e-3
    assert error[0][:, -16:].max() > 10 * error[48][:, -16:].max()
    assert error[48][:, 24:].max() < 0.01


def test_rows_padded_after_their_transform_are_as_if_padded_before():
    rng = np.random.default_rng(4)
    images = (1 + 0.05 * rng.normal(size=(1, 50, 64))).astype(np.float32)
    how = Retrieving("ctf", 0.1, 0.1)
    as_columns = retrieve(images, ONE, how, padding_px=13)
    as_rows = retrieve(np.ascontiguousarray(images.transpose(0, 2, 1)), ONE, how, padding_px=13)
    np.testing.assert_allclose(as_rows.T, as_columns, atol=3e-6)


def test_a_pixel_that_is_not_finite_is_told():
    transform = PhaseTransform((40, 50), 5, Retrieving("paganin", 0.1, 0.1), ONE)
    work = Workspace(transform)
    out = np.empty((40, 50), np.float32)
    for bad, finite in ((1.0, True), (np.nan, False), (np.inf, False)):
        work.image[...] = 1.0
        work.image[7, 8] = bad
        transform.take(0, None, work)
        with np.errstate(invalid="ignore"):
            assert transform.finish(work, out) is finite


def test_a_transmission_below_zero_stays_a_number():
    """Where only noise is left, the logarithm goes on as its tangent."""
    image = np.full((1, 40, 50), 0.5, np.float32)
    image[0, 20, 25] = -0.01
    # No distance to speak of: the filter is 1.
    near = Optics(18.0, 0.65, (1e-9,))
    found = retrieve(image, near, Retrieving("paganin", 0.5, 0.0))
    assert found[20, 25] == pytest.approx(-np.log(1e-3) + 11.0, rel=1e-3)
    assert found[5, 5] == pytest.approx(-np.log(0.5), rel=1e-4)


def test_the_weights_of_a_distance_and_its_units():
    assert ONE.wavelength_m == pytest.approx(0.6888e-10, rel=1e-4)
    assert ONE.fresnel_numbers[0] == pytest.approx(0.65e-6**2 / (0.6888e-10 * 0.073), rel=1e-4)
    # Water at 18 keV: delta of 7.1e-7 turns the phase by 0.0421 rad in a pixel.
    assert 0.0421 * ONE.delta_per_rad == pytest.approx(7.1e-7, rel=1e-2)
    assert needed_padding(Optics(18.0, 0.65, (0.0,))) == 0


def test_images_and_distances_must_be_as_many():
    with pytest.raises(ValueError, match="3 images of 4"):
        retrieve(np.ones((3, 8, 8), np.float32), FOUR, Retrieving("ctf", 0.1, 0.1))
