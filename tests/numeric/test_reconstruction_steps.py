"""The steps from raw views to the trimmed tomogram, on blobs of known places."""

import json
import math

import mrcfile
import numpy as np
import pytest

from tomoline import geometry
from tomoline.engine import ThreadsEngine
from tomoline.errors import TomolineError
from tomoline.files import angles, com, transforms
from tomoline.files.mrc import MrcWriter, open_map
from tomoline.kernels.backproject import backproject_volume
from tomoline.steps.acquisition import Acquisition, View
from tomoline.steps.aligned_stack import ALIGNED_STACK
from tomoline.steps.filter_stack import FILTER_STACK
from tomoline.steps.prealign import PREALIGN
from tomoline.steps.reconstruct import RECONSTRUCT
from tomoline.steps.trim import TRIM
from tomoline.workflow.dataset import DataSet, RunContext

# Places in the tomogram, in its voxels, after an interpolation and a reconstruction.
PLACE_TOLERANCE = 0.08
HEIGHT, WIDTH, BACKGROUND, SIGMA = 80, 96, 1000.0, 2.5
POINT = np.array([12.3, -8.2, 6.4])
TILT_DEG = np.linspace(-60, 60, 31)
GIGABYTE = 1 << 30


@pytest.fixture
def data_set(tmp_path):
    """A dark blob at POINT, recorded with an oblique axis, drift, and one blank view."""
    data = DataSet("blob", tmp_path, tmp_path / "blob.mrc")
    write_recording(data, axis_deg=-12.0)
    return data


def write_recording(data, axis_deg, x_tilt_deg=0.0, position=None, pixel_size_nm=1.0):
    rng = np.random.default_rng(2)
    moves = np.zeros((31, 2, 3))
    moves[:, :, :2] = geometry.axis_to_vertical(axis_deg)
    moves[:, :, 2] = rng.uniform(-4, 4, (31, 2))
    seen = geometry.project(POINT[None], np.radians(TILT_DEG), math.radians(x_tilt_deg))
    raw = geometry.apply(geometry.invert(moves), seen[:, 0])
    y, x = np.indices((HEIGHT, WIDTH))
    stack = np.full((31, HEIGHT, WIDTH), BACKGROUND, dtype=np.float32)
    for view, (u, v) in zip(stack, raw, strict=True):
        squares = (x - geometry.centre(WIDTH) - u) ** 2 + (y - geometry.centre(HEIGHT) - v) ** 2
        view -= 100 * np.exp(-squares / (2 * SIGMA**2))
    stack[7] = 0
    with MrcWriter(data.path("fixed_stack"), stack.shape, 2, pixel_size_nm) as writer:
        writer.write(0, stack)
    transforms.write(data.path("transforms"), moves)
    coarse = geometry.shift_transforms(moves[:, :, 2])
    transforms.write(data.path("coarse_transforms"), coarse)
    angles.write(data.path("tilt_angles"), TILT_DEG)
    Acquisition(
        root=data.root,
        height_px=HEIGHT,
        width_px=WIDTH,
        pixel_size_nm=pixel_size_nm,
        views=tuple(
            View(number=n + 1, tilt_deg=angle, excluded="blank" if n == 7 else None)
            for n, angle in enumerate(TILT_DEG)
        ),
    ).write(data.path("views"))
    if position is not None:
        data.path("position").write_text(json.dumps(position))


def run(step, data, threads=1, memory=GIGABYTE, **params):
    context = RunContext(data, ThreadsEngine(threads, memory))
    values = step.run(step.validate(params), context)
    json.dumps(values)
    return values, context


def peak(volume):
    """(x, y, z) of the darkest place of a volume (z, y, x) from its centre, by parabolas."""
    volume = volume.astype(float)
    volume = np.median(volume) - volume
    place = np.array(np.unravel_index(volume.argmax(), volume.shape))
    fine = []
    for axis, n in enumerate(place):
        around = [place + (axis == np.arange(3)) * step for step in (-1, 0, 1)]
        low, middle, high = (volume[tuple(at)] for at in around)
        fine.append(n + 0.5 * (low - high) / (low - 2 * middle + high))
    z, y, x = (f - geometry.centre(n) for f, n in zip(fine, volume.shape, strict=True))
    return np.array([x, y, z])


def tomogram(data, **reconstruction):
    run(ALIGNED_STACK, data)
    run(RECONSTRUCT, data, thickness_px=50, **reconstruction)
    return open_map(data.path("full_tomogram"))


def test_the_blob_is_found_in_the_tomogram(data_set):
    volume = tomogram(data_set)
    assert volume.shape == (HEIGHT, 50, WIDTH)
    np.testing.assert_allclose(peak(np.swapaxes(volume, 0, 1)), POINT, atol=PLACE_TOLERANCE)


@pytest.mark.parametrize(
    ("axis_deg", "shape"), [(-95.0, (WIDTH, HEIGHT)), (170.0, (HEIGHT, WIDTH))]
)
def test_aligned_stack_turns_with_the_axis(tmp_path, axis_deg, shape):
    data = DataSet("blob", tmp_path, tmp_path / "blob.mrc")
    write_recording(data, axis_deg)
    values, _ = run(ALIGNED_STACK, data)
    assert values["shape"] == [31, *shape]
    assert abs((values["tilt_axis_deg"] - axis_deg + 180) % 360 - 180) < 0.01
    run(RECONSTRUCT, data, thickness_px=50)
    volume = np.swapaxes(open_map(data.path("full_tomogram")), 0, 1)
    np.testing.assert_allclose(peak(volume), POINT, atol=PLACE_TOLERANCE)


def test_binned(data_set):
    run(ALIGNED_STACK, data_set, binning=2)
    values, _ = run(RECONSTRUCT, data_set, thickness_px=56)
    volume = open_map(data_set.path("full_tomogram"))
    assert values["binning"] == 2
    assert volume.shape == (HEIGHT // 2, 28, WIDTH // 2)
    np.testing.assert_allclose(2 * peak(np.swapaxes(volume, 0, 1)), POINT, atol=2 * PLACE_TOLERANCE)


@pytest.mark.parametrize("sirt", [False, True])
def test_position_is_undone(tmp_path, sirt):
    data = DataSet("blob", tmp_path, tmp_path / "blob.mrc")
    position = {"x_axis_tilt_deg": 5.0, "z_shift_px": 3.0, "thickness_px": 50, "tilt_offset_deg": 0}
    write_recording(data, 3.0, x_tilt_deg=5.0, position=position)
    run(ALIGNED_STACK, data)
    values, _ = run(RECONSTRUCT, data, use_sirt=sirt, leave_iterations=(5,))
    assert values["thickness_px"] == 50
    volume = open_map(data.path("sirt_tomogram" if sirt else "full_tomogram"))
    found = peak(np.swapaxes(volume, 0, 1))
    np.testing.assert_allclose(found, POINT + np.array([0, 0, 3]), atol=2 * PLACE_TOLERANCE)


@pytest.mark.parametrize("x_tilt_deg", [0.0, 25.0])
def test_threads_change_nothing(data_set, x_tilt_deg):
    results = []
    for threads in (1, 3):
        run(ALIGNED_STACK, data_set, threads)
        run(
            RECONSTRUCT,
            data_set,
            threads,
            use_sirt=True,
            back_projection_also=True,
            leave_iterations=(2, 3),
            thickness_px=40,
            x_axis_tilt_deg=x_tilt_deg,
        )
        run(TRIM, data_set, threads)
        names = ("aligned_stack", "full_tomogram", "sirt_tomogram", "tomogram")
        results.append([data_set.path(name).read_bytes() for name in names])
    assert results[0] == results[1]
    assert (data_set.folder / "blob.srec02").exists()


@pytest.mark.parametrize("x_tilt_deg", [0.0, 4.0, -30.0])
def test_slice_by_slice_as_in_one_piece(data_set, x_tilt_deg):
    run(ALIGNED_STACK, data_set)
    wanted = {"thickness_px": 50, "x_axis_tilt_deg": x_tilt_deg}
    run(RECONSTRUCT, data_set, threads=2, output="float32", **wanted)
    used = np.delete(np.arange(31), 7)
    stack = np.asarray(open_map(data_set.path("aligned_stack")))[used]
    whole = backproject_volume(
        stack, np.radians(TILT_DEG[used]), 50, x_tilt_rad=math.radians(x_tilt_deg)
    )
    volume = np.array(open_map(data_set.path("full_tomogram")))
    inner = slice(20, -20) if x_tilt_deg else slice(None)
    np.testing.assert_allclose(volume[inner], whole[inner], atol=1e-3 * np.abs(whole).max())
    values, _ = run(RECONSTRUCT, data_set, threads=1, **wanted)
    integers = np.asarray(open_map(data_set.path("full_tomogram")))
    assert integers.dtype == np.int16
    assert values["clipped_voxels"] == 0
    half_a_step = 0.51 / values["density_factor"]
    np.testing.assert_allclose(integers / values["density_factor"], volume, atol=half_a_step)
    run(TRIM, data_set, output="float32", reorient="none")
    densities = np.asarray(open_map(data_set.path("tomogram")))
    np.testing.assert_allclose(densities, volume, atol=1.1 * half_a_step)


def test_tilt_offset_is_added_to_the_angles_and_told_to_tilt(data_set):
    run(ALIGNED_STACK, data_set)
    wanted = {"thickness_px": 50, "tilt_offset_deg": 3.0, "x_axis_tilt_deg": 1.5}
    run(RECONSTRUCT, data_set, output="float32", **wanted)
    used = np.delete(np.arange(31), 7)
    stack = np.asarray(open_map(data_set.path("aligned_stack")))[used]
    tilt = np.radians(TILT_DEG[used] + 3.0)
    whole = backproject_volume(stack, tilt, 50, x_tilt_rad=math.radians(1.5))[20:-20]
    volume = open_map(data_set.path("full_tomogram"))[20:-20]
    np.testing.assert_allclose(volume, whole, atol=1e-3 * np.abs(whole).max())
    command = com.read(data_set.path("tilt_com"))[-1]
    options = dict(command.options)
    assert float(options["OFFSET"]) == 3.0
    assert float(options["XAXISTILT"]) == 1.5
    assert options["THICKNESS"] == "50"
    assert options["EXCLUDELIST2"] == "8"


@pytest.mark.parametrize("reorient", ["rotate", "flip", "none"])
def test_trimmed_tomogram_as_others_read_it(data_set, reorient):
    whole = tomogram(data_set)
    values, _ = run(TRIM, data_set, reorient=reorient, width=60, height=0.75, thickness=40)
    with mrcfile.open(data_set.path("tomogram")) as file:
        bytes_ = file.data.astype(float) + 128
    cut = np.asarray(whole)[10:70, 5:45, 18:78]
    if reorient != "none":
        cut = np.swapaxes(cut, 0, 1)
    if reorient == "rotate":
        cut = cut[::-1]
    assert bytes_.shape == cut.shape
    black, white = values["black_density"], values["white_density"]
    expected = np.clip((cut - black) * 255 / (white - black), 0, 255)
    assert np.abs(bytes_ - expected).max() < 0.51
    assert values["mean"] == pytest.approx(bytes_.mean(), abs=1e-6)


def test_trimmed_to_mean_and_sd(data_set):
    tomogram(data_set)
    run(TRIM, data_set, scale_to_mean_sd=(10, 2), scale_from_x=1, scale_from_y=1, scale_from_z=1)
    volume = open_map(data_set.path("tomogram"))
    assert volume.mean(dtype=float) == pytest.approx(10, abs=0.01)
    assert volume.std(dtype=float) == pytest.approx(2, rel=0.01)


def test_filtered_stack_is_used(data_set):
    run(ALIGNED_STACK, data_set)
    run(FILTER_STACK, data_set, low_pass_per_px=(0.1, 0.02))
    values, _ = run(RECONSTRUCT, data_set, thickness_px=30)
    assert values["stack"] == "filtered_stack"


def test_integers_on_request(data_set):
    run(ALIGNED_STACK, data_set)
    run(RECONSTRUCT, data_set, thickness_px=30, scale=(0, 1))
    assert open_map(data_set.path("full_tomogram")).dtype == np.int16
    limits = (-20000, 20000)
    run(RECONSTRUCT, data_set, thickness_px=30, use_sirt=True, sirt_scale_to_integer=limits)
    volume = open_map(data_set.path("sirt_tomogram"))
    assert (volume.min(), volume.max()) == limits


def test_logarithm_keeps_dark_dark(data_set):
    volume = tomogram(data_set, log_base=0.0)
    np.testing.assert_allclose(peak(np.swapaxes(volume, 0, 1)), POINT, atol=PLACE_TOLERANCE)


@pytest.mark.parametrize(
    ("params", "found", "thickness", "warned"),
    [
        ({"thickness_px": 61}, 40, 60, False),
        ({"binned_thickness_px": 33}, 40, 33, False),
        ({}, 40, 40, False),
        ({"extra_thickness_px": 10}, 40, 50, False),
        ({"fallback_thickness_px": 70}, 40, 40, False),
        ({"fallback_thickness_px": 90}, 40, 90, True),
        ({"fallback_thickness_px": 90}, None, 90, False),
        ({}, None, 250, True),
    ],
)
def test_thickness(tmp_path, params, found, thickness, warned):
    data = DataSet("blob", tmp_path, tmp_path / "blob.mrc")
    write_recording(data, 0.0, position={"thickness_px": found})
    run(ALIGNED_STACK, data, size_px=(20, 20))
    values, context = run(RECONSTRUCT, data, **params)
    assert values["thickness_px"] == thickness
    assert [notice.code for notice in context.notices] == ["RECON-01"] * warned


def test_two_thicknesses_are_refused(data_set):
    run(ALIGNED_STACK, data_set)
    with pytest.raises(TomolineError, match="both"):
        run(RECONSTRUCT, data_set, thickness_px=30, binned_thickness_px=30)


def test_numbers_of_views_must_agree(data_set):
    run(ALIGNED_STACK, data_set)
    angles.write(data_set.path("tilt_angles"), TILT_DEG[1:])
    with pytest.raises(TomolineError) as caught:
        run(RECONSTRUCT, data_set, thickness_px=30)
    assert caught.value.code == "ALI-01"


def test_memory_limit_is_kept(data_set):
    run(ALIGNED_STACK, data_set)
    with pytest.raises(TomolineError) as caught:
        run(RECONSTRUCT, data_set, memory=1 << 20, thickness_px=40)
    assert caught.value.code == "RUN-01"


@pytest.mark.parametrize("binning", [1, 2, 3])
def test_prealigned_stack(data_set, binning):
    values, _ = run(PREALIGN, data_set, binning=binning)
    with mrcfile.open(data_set.path("prealigned_stack")) as file:
        stack = file.data.astype(float) + 128
    assert stack.shape == (31, HEIGHT // binning, WIDTH // binning)
    used = np.delete(stack, 7, axis=0)
    # Every view has the same mean; blank views have it everywhere.
    np.testing.assert_allclose(used.mean(axis=(1, 2)), values["gray_of_mean"], atol=1.5)
    assert np.ptp(stack[7]) == 0
    axis = geometry.axis_to_vertical(-12.0)
    seen = geometry.project(POINT[None], np.radians(TILT_DEG))[:, 0] @ np.linalg.inv(axis).T
    moves = transforms.read(data_set.path("transforms"))
    shift = moves[:, :, 2] - moves[:, :, 2] @ np.linalg.inv(axis).T
    for view in (0, 15, 30):
        dark = np.array(np.unravel_index(stack[view].argmin(), stack.shape[1:]))[::-1]
        place = (dark - [geometry.centre(n) for n in stack.shape[:0:-1]]) * binning
        np.testing.assert_allclose(place, seen[view] + shift[view], atol=0.8 * binning)


def test_prealigned_stack_in_the_raw_mode(data_set):
    values, _ = run(PREALIGN, data_set, output_mode="same")
    assert values["mode"] == 2
    assert open_map(data_set.path("prealigned_stack")).dtype == np.float32


@pytest.mark.parametrize("shape", [(4, 37, 41), (4, 5, 7), (5, 33, 64)])
@pytest.mark.parametrize("constant", [False, True])
def test_small_odd_and_constant_series(tmp_path, shape, constant):
    data = DataSet("odd", tmp_path, tmp_path / "odd.mrc")
    count, height, width = shape
    rng = np.random.default_rng(0)
    stack = np.full(shape, 7.0, np.float32) if constant else rng.normal(size=shape)
    with MrcWriter(data.path("fixed_stack"), shape, 2) as writer:
        writer.write(0, stack)
    angles.write(data.path("tilt_angles"), np.linspace(-45, 45, count))
    transforms.write(data.path("transforms"), geometry.identity_transforms(count))
    transforms.write(data.path("coarse_transforms"), geometry.identity_transforms(count))
    Acquisition(
        root="odd",
        height_px=height,
        width_px=width,
        views=tuple(View(number=n + 1, tilt_deg=0.0) for n in range(count)),
    ).write(data.path("views"))
    run(PREALIGN, data)
    run(ALIGNED_STACK, data)
    run(RECONSTRUCT, data, thickness_px=9, use_sirt=True, back_projection_also=True)
    _, context = run(TRIM, data, tomogram="both")
    assert ("TRIM-03" in [notice.code for notice in context.notices]) is constant
    assert open_map(data.path("tomogram")).shape == (8, height, width)
    assert (tmp_path / "odd_sirt_trim_rec.mrc").exists()


def test_pixels_that_are_no_numbers(data_set):
    stack = np.array(open_map(data_set.path("fixed_stack")))
    stack[3, 10, 20] = np.nan
    stack[5, 11, 21] = np.inf
    stack[9] = np.nan
    with MrcWriter(data_set.path("fixed_stack"), stack.shape, 2, 1.0) as writer:
        writer.write(0, stack)
    values, context = run(ALIGNED_STACK, data_set)
    assert values["pixels_replaced"] == 2 + HEIGHT * WIDTH
    assert [notice.code for notice in context.notices] == ["PREP-02"]
    run(PREALIGN, data_set)
    run(RECONSTRUCT, data_set, thickness_px=20)
    assert np.isfinite(open_map(data_set.path("full_tomogram"))).all()


def test_results_of_an_earlier_run_do_not_stay(data_set):
    run(ALIGNED_STACK, data_set)
    run(
        RECONSTRUCT,
        data_set,
        thickness_px=20,
        use_sirt=True,
        leave_iterations=(1, 2, 3),
        back_projection_also=True,
    )
    run(TRIM, data_set, tomogram="both")
    names = {path.name for path in data_set.folder.glob("*srec*")}
    assert names == {"blob.srec01", "blob.srec02"}
    run(RECONSTRUCT, data_set, thickness_px=20)
    run(TRIM, data_set)
    assert not list(data_set.folder.glob("*srec*"))
    assert not (data_set.folder / "blob_sirt_trim_rec.mrc").exists()
