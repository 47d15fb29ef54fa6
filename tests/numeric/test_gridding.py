"""Slices by gridding: discs of known density, an exact sum, places, angles of every kind."""

import math
from concurrent.futures import ThreadPoolExecutor

import finufft
import numpy as np
import pytest

from tomoline.kernels import scan_filters
from tomoline.kernels.gridding import GriddingPlan

# Part of the image's root mean square that gridding adds to the exact sum.
GRIDDING_TOLERANCE = 5e-4
SCALE_TOLERANCE = 0.002
# Places of reconstructed blobs, pixels.
PLACE_TOLERANCE = 0.02
WIDE = 160
AXIS = 83.3
RNG = np.random.default_rng(7)


def half_turn(count=250):
    return np.arange(count) * np.pi / count


def discs(angles, columns=WIDE, axis=AXIS, scale=1.0):
    """Exact sinogram of four discs, averaged over each pixel, and their (x, y, radius, density)."""
    specimen = [(0, 0, 64, 1.0), (24, 16, 16, 0.5), (-32, 8, 10, -0.4), (3, -35, 13, 0.7)]
    specimen = [(x * scale, y * scale, r * scale, d) for x, y, r, d in specimen]
    sinogram = np.zeros((len(angles), columns))
    for x, y, radius, density in specimen:
        middle = axis + x * np.cos(angles) + y * np.sin(angles)

        def primitive(u, radius=radius):
            u = np.clip(u, -radius, radius)
            return u * np.sqrt(radius**2 - u**2) + radius**2 * np.arcsin(u / radius)

        edges = np.arange(columns + 1) - 0.5 - middle[:, None]
        sinogram += density * np.diff(primitive(edges), axis=1)
    return sinogram.astype(np.float32), specimen


def truth(specimen, size):
    """The slice, and where it is flat: away from all rims."""
    place = np.arange(size) - (size - 1) / 2
    image, flat = np.zeros((size, size)), np.ones((size, size), bool)
    for x, y, radius, density in specimen:
        distance = np.hypot(place[None, :] - x, place[:, None] - y)
        image += density * (distance < radius)
        flat &= np.abs(distance - radius) > 3
    return image, flat & (np.hypot(place[None, :], place[:, None]) < 0.47 * size)


def fit(found, wanted, where):
    """(root mean square error, scale) of a slice."""
    a, b = found[where], wanted[where]
    return math.sqrt(np.mean((a - b) ** 2)), float(a @ b / (b @ b))


def filtered_back_projection(sinogram, angles, axis, finer):
    """The plain way: padded rows times the ramp, then linear interpolation between points.

    `finer` times as many points as pixels are made of the filtered rows first.
    """
    columns = sinogram.shape[1]
    spectra = np.fft.fft(sinogram, 2 * columns) * scan_filters.response("ramp", 2 * columns)
    more = np.zeros((len(angles), 2 * columns * finer), complex)
    more[:, :columns], more[:, -columns:] = spectra[:, :columns], spectra[:, columns:]
    rows = np.fft.ifft(more).real * finer
    place = np.arange(columns) - (columns - 1) / 2
    image = np.zeros((columns, columns))
    points = np.arange(-columns // 2 * finer, (columns + columns // 2) * finer)
    for row, angle in zip(rows, angles, strict=True):
        u = axis + place[None, :] * np.cos(angle) + place[:, None] * np.sin(angle)
        image += np.interp(u.ravel(), points / finer, row[points]).reshape(image.shape)
    return image * np.pi / len(angles)


def blobs(angles, axis=AXIS):
    """Exact sinogram and slice of Gaussians, the finest narrower than three pixels."""
    place = np.arange(WIDE) - (WIDE - 1) / 2
    sinogram, image = np.zeros((len(angles), WIDE)), np.zeros((WIDE, WIDE))
    for x, y, sigma in ((0, 0, 20.0), (21.3, -14.6, 1.2), (-40.2, 33.1, 2.0), (5.5, 50.2, 1.5)):
        u = np.arange(WIDE) - axis - (x * np.cos(angles) + y * np.sin(angles))[:, None]
        sinogram += np.exp(-0.5 * (u / sigma) ** 2) * sigma * math.sqrt(2 * math.pi)
        square = (place[None, :] - x) ** 2 + (place[:, None] - y) ** 2
        image += np.exp(-0.5 * square / sigma**2)
    return sinogram.astype(np.float32), image


def exact_sum(sinogram, angles, axis, size, samples):
    """The same inversion as a sum over all samples, to 1e-9."""
    response = scan_filters.response("ramp", 2 * samples)
    offset = samples // 2 - round(axis)
    padded = np.zeros((len(angles), 2 * samples))
    padded[:, offset : offset + sinogram.shape[1]] = sinogram
    rows = np.fft.ifft(np.fft.fft(padded) * response).real[:, :samples]
    spectra = np.fft.fft(rows) / samples * scan_filters.angle_weights(angles)[:, None]
    spectra[:, samples // 2] = 0
    frequency = 2 * np.pi * np.fft.fftfreq(samples)
    between = 0.5 * (np.cos(angles) + np.sin(angles)) if size % 2 == 0 else 0 * angles
    spectra = spectra * np.exp(1j * frequency * (axis + offset + between[:, None]))
    y, x = (np.outer(part, frequency).ravel() for part in (np.sin(angles), np.cos(angles)))
    return finufft.nufft2d1(y, x, spectra.ravel(), (size, size), isign=1, eps=1e-9).real


def test_discs_have_their_density_and_no_more_error_than_filtered_back_projection():
    angles = half_turn()
    sinogram, specimen = discs(angles)
    wanted, flat = truth(specimen, WIDE)
    plan = GriddingPlan(angles, WIDE, AXIS, padding="zero")
    found = plan.reconstruct(sinogram[None], AXIS)[0]
    error, scale = fit(found, wanted, flat)
    # As sharp as ours: linear interpolation between pixels would smooth the rims' ripples.
    plain = filtered_back_projection(sinogram, angles, AXIS, 8)
    assert abs(scale - 1) < SCALE_TOLERANCE
    assert error <= 1.03 * fit(plain, wanted, flat)[0]
    assert abs(np.mean((found - wanted)[flat])) < 5e-4


def test_fine_detail_has_a_tenth_of_the_error_of_filtered_back_projection():
    angles = half_turn()
    sinogram, wanted = blobs(angles)
    plan = GriddingPlan(angles, WIDE, AXIS, padding="zero")
    error, scale = fit(plan.reconstruct(sinogram[None], AXIS)[0], wanted, wanted > 0.01)
    plain, _ = fit(filtered_back_projection(sinogram, angles, AXIS, 1), wanted, wanted > 0.01)
    assert abs(scale - 1) < SCALE_TOLERANCE
    assert error < 0.1 * plain


@pytest.mark.parametrize("size", [160, 151, 90])
def test_the_exact_sum_is_met(size):
    angles = half_turn(120)
    noise = RNG.normal(size=(1, 120, WIDE)).astype(np.float32)
    plan = GriddingPlan(angles, WIDE, AXIS, size=size, padding="zero", mask_radius_px=0.47 * size)
    found = plan.reconstruct(noise, AXIS)[0]
    wanted = exact_sum(noise[0], angles, AXIS, size, plan.samples)
    place = np.arange(size) - (size - 1) / 2
    inside = np.hypot(place[None, :], place[:, None]) < 0.46 * size
    difference = found[inside] - wanted[inside]
    assert np.sqrt(np.mean(difference**2)) < GRIDDING_TOLERANCE * np.std(wanted[inside])


@pytest.mark.parametrize("size", [160, 161, 131])
@pytest.mark.parametrize("axis", [79.5, 83.3, 71.25])
def test_a_blob_lies_where_it_should(size, axis):
    angles, x, y, sigma = half_turn(180), 21.3, -14.6, 3.0
    u = np.arange(WIDE) - axis - (x * np.cos(angles) + y * np.sin(angles))[:, None]
    blob = (np.exp(-0.5 * (u / sigma) ** 2) * sigma * math.sqrt(2 * math.pi)).astype(np.float32)
    image = GriddingPlan(angles, WIDE, axis, size=size).reconstruct(blob[None], axis)[0]
    weight = np.where(image > 0.1, image, 0.0)
    place = np.arange(size) - (size - 1) / 2
    assert abs(np.sum(weight * place[None, :]) / weight.sum() - x) < PLACE_TOLERANCE
    assert abs(np.sum(weight * place[:, None]) / weight.sum() - y) < PLACE_TOLERANCE
    assert image.max() == pytest.approx(1.0, abs=0.02)


def turns():
    even = half_turn(240)
    jitter = np.random.default_rng(3).uniform(-0.3, 0.3, 240) * np.pi / 240
    return {
        "half turn, end included": np.linspace(0, np.pi, 241),
        "full turn": np.arange(480) * 2 * np.pi / 480,
        "full turn, odd, end included": np.linspace(0, 2 * np.pi, 478),
        "a little more than half": np.arange(250) * np.pi / 240,
        "uneven": even + jitter,
        "backwards from elsewhere": 1.0 - even,
        "seven missing": np.delete(even, [5, 50, 51, 100, 130, 180, 239]),
    }


@pytest.mark.parametrize("name", turns())
def test_any_angles_give_the_density(name):
    angles = turns()[name]
    sinogram, specimen = discs(angles)
    wanted, flat = truth(specimen, WIDE)
    found = GriddingPlan(angles, WIDE, AXIS).reconstruct(sinogram[None], AXIS)[0]
    error, scale = fit(found, wanted, flat)
    assert abs(scale - 1) < SCALE_TOLERANCE
    assert error < 0.02


def test_weights_of_angles():
    assert scan_filters.angle_weights(half_turn(100)) == pytest.approx(np.pi / 100)
    full = scan_filters.angle_weights(np.arange(200) * np.pi / 100)
    assert full == pytest.approx(np.pi / 200)
    ends = scan_filters.angle_weights(np.linspace(0, np.pi, 101))
    assert ends[[0, -1]] == pytest.approx(np.pi / 200)
    wedge = np.radians(np.arange(-60, 61))
    assert scan_filters.angle_weights(wedge).max() == pytest.approx(np.pi / 180)
    assert np.degrees(scan_filters.missing_angle(wedge)) == pytest.approx(59, abs=0.01)
    assert scan_filters.missing_angle(half_turn(77)) == pytest.approx(0, abs=1e-9)


def test_each_slice_has_its_own_axis_and_none_sees_another():
    angles = half_turn()
    axes = np.array([80.0, 84.7, 83.3, 79.1, 82.0, 81.5, 83.0, 80.5, 83.3])
    rows = np.stack([discs(angles, axis=axis)[0] for axis in axes])
    rows *= np.array([1, -3, 2, 1, 0, 5, 1, 1, 2], np.float32)[:, None, None]
    plan = GriddingPlan(angles, WIDE, [79.1, 84.7])
    together = plan.reconstruct(rows, axes)
    for row, axis, found in zip(rows, axes, together, strict=True):
        alone = plan.reconstruct(row[None], axis)[0]
        assert np.abs(found - alone).max() < 2e-3
    assert np.abs(together[4]).max() < 2e-3
    wanted, flat = truth(discs(angles)[1], WIDE)
    assert fit(together[1] / -3, wanted, flat)[1] == pytest.approx(1, abs=SCALE_TOLERANCE)


def test_excluded_angles_are_not_looked_at():
    angles = half_turn()
    sinogram, specimen = discs(angles)
    part = np.ones(len(angles), bool)
    part[[3, 4, 90]] = False
    sinogram[~part] = np.nan
    plan = GriddingPlan(angles, WIDE, AXIS, taking_part=part)
    found = plan.reconstruct(sinogram[None], AXIS)[0]
    assert fit(found, *truth(specimen, WIDE))[1] == pytest.approx(1, abs=SCALE_TOLERANCE)


def test_a_specimen_wider_than_the_field_has_no_bright_rim():
    angles = half_turn(400)
    u = np.arange(WIDE) - 79.5
    row = 2 * np.sqrt(130.0**2 - u**2)
    sinogram = np.broadcast_to(row, (400, WIDE)).astype(np.float32)
    place = np.hypot(u[None, :], u[:, None])
    rims = {}
    for padding in ("edge", "zero"):
        plan = GriddingPlan(angles, WIDE, 79.5, padding=padding)
        image = plan.reconstruct(sinogram[None], 79.5)[0]
        rim, middle = image[(place > 72) & (place < 77)], image[place < 40]
        rims[padding] = rim.mean() / middle.mean()
    assert abs(rims["edge"] - 1) < 0.1
    assert rims["zero"] > 1.4  # so that the test means something


def test_the_mask_and_the_result_given():
    angles = half_turn(90)
    sinogram, _ = discs(angles)
    plan = GriddingPlan(angles, WIDE, AXIS, mask_radius_px=60.0)
    out = np.full((1, WIDE, WIDE), np.nan, np.float32)
    assert plan.reconstruct(sinogram[None], AXIS, out) is out
    place = np.arange(WIDE) - 79.5
    outside = np.hypot(place[None, :], place[:, None]) > 60
    assert np.all(out[0][outside] == 0)
    assert np.all(out[0][~outside] != 0)


def test_threads_make_the_same_bytes():
    angles = half_turn(100)
    plan = GriddingPlan(angles, WIDE, AXIS)
    rows = RNG.normal(size=(4, 3, 100, WIDE)).astype(np.float32)
    alone = [plan.reconstruct(part, AXIS) for part in rows]
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda part: plan.reconstruct(part, AXIS), rows))
    assert all(np.array_equal(a, b) for a, b in zip(alone, both, strict=True))


@pytest.mark.parametrize("name", scan_filters.FILTERS)
def test_filters_keep_the_level_and_fall(name):
    frequency = np.linspace(0, 0.5, 101)
    window = scan_filters.window(name, frequency)
    assert window[0] == pytest.approx(1)
    assert np.all(np.diff(window) <= 1e-12)
    assert np.all(scan_filters.window(name, frequency + 0.26, 0.25)[1:] < 0.5)
    if name in ("ramp", "none"):
        return
    angles = half_turn()
    sinogram, specimen = discs(angles)
    found = GriddingPlan(angles, WIDE, AXIS, filter_name=name).reconstruct(sinogram[None], AXIS)[0]
    wanted, flat = truth(specimen, WIDE)
    deep = flat & (wanted > 0)
    assert fit(found, wanted, deep)[1] == pytest.approx(1, abs=0.05 if name == "parzen" else 0.005)


def test_the_filter_of_gridrec_differs_at_low_frequencies_only():
    for name in ("ramp", "shepp-logan", "parzen", "cosine", "butterworth"):
        ours, theirs = scan_filters.response(name, 512), scan_filters.gridrec_response(name, 512)
        assert theirs[0] == 0 < ours[0]
        assert np.abs(ours - theirs)[20:492].max() < 5e-4
    angles = half_turn()
    sinogram, specimen = discs(angles)
    plan = GriddingPlan(angles, WIDE, AXIS, gridrec=True, mask_radius_px=75)
    found = plan.reconstruct(sinogram[None], AXIS)[0]
    wanted, flat = truth(specimen, WIDE)
    # A constant is lost, the rest is there.
    apart = found[flat] - found[flat].mean(), wanted[flat] - wanted[flat].mean()
    assert apart[0] @ apart[1] / (apart[1] @ apart[1]) == pytest.approx(1, abs=0.05)


def test_what_does_not_fit_is_refused():
    plan = GriddingPlan(half_turn(90), WIDE, AXIS)
    with pytest.raises(ValueError, match="do not fit"):
        plan.reconstruct(np.zeros((1, 90, 90), np.float32), AXIS)
    with pytest.raises(ValueError, match="too far"):
        GriddingPlan(half_turn(90), WIDE, 1e4)
    with pytest.raises(ValueError, match="takes part"):
        GriddingPlan(half_turn(9), WIDE, AXIS, taking_part=np.zeros(9, bool))
