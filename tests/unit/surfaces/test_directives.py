"""Directive files become values: names, axes, precedence, types, empty values, conflicts."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tomoline.files import adoc
from tomoline.surfaces.directive_table import directive_table
from tomoline.surfaces.directives import BATCH_RANK, resolve_files, resolve_sources, source_of
from tomoline.surfaces.templates import TemplatePlaces
from tomoline.workflow.given import EXCLUSIVE, Origin

from .conftest import small_steps

LAYERS = ("scope template", "system template", "user template", "batch file")
THICKNESS = "comparam.tilt.tilt.THICKNESS"


def source(text, rank=BATCH_RANK):
    return source_of(adoc.parse(text.split("\n")), Origin(rank, LAYERS[rank], "x.adoc"))


@pytest.fixture
def resolve_text(steps):
    def inner(text, rank=BATCH_RANK):
        return resolve_sources([source(text, rank)], steps)

    return inner


@pytest.mark.parametrize(
    ("text", "step", "field", "value"),
    [
        (f"{THICKNESS} = 400", "reconstruct", "thickness_px", 400),
        ("comparam.tilta.tilt.THICKNESS=400", "reconstruct", "thickness_px", 400),
        ("comparam.tilt.tilt.LOG = ", "reconstruct", "log_base", None),
        ("comparam.tilt.tilt.LOG=32768.", "reconstruct", "log_base", 32768.0),
        (
            "comparam.sirtsetup.sirtsetup.LeaveIterations=2 4 6",
            "reconstruct",
            "leave_iterations",
            (2, 4, 6),
        ),
        (
            "comparam.sirtsetup.sirtsetup.LeaveIterations=1,4-6",
            "reconstruct",
            "leave_iterations",
            (1, 4, 5, 6),
        ),
        ("runtime.Reconstruction.any.useSirt=1", "reconstruct", "sirt", True),
        ("runtime.Reconstruction.a.useSirt=1", "reconstruct", "sirt", True),
        ("runtime.Fiducials.any.trackingMethod=1", "track", "method", "patches"),
        (
            "comparam.xcorr_pt.tiltxcorr.SizeOfPatchesXandY=680,680",
            "track",
            "patch_size_px",
            (680, 680),
        ),
        (
            "comparam.xcorr_pt.tiltxcorr.SizeOfPatchesXandY=300",
            "track",
            "patch_size_px",
            (300, 300),
        ),
    ],
)
def test_values(resolve_text, text, step, field, value):
    resolved = resolve_text(text)
    assert resolved.faults == []
    assert resolved.values == {step: {field: value}}
    assert str(resolved.origins[step][field]) == "x.adoc:1"


def test_falloff_of_radial_is_old_unless_said_to_be_true(resolve_text):
    radial = "comparam.tilt.tilt.RADIAL = 0.35 0.05\n"
    old = resolve_text(radial).values["reconstruct"]["radial_per_px"]
    new = resolve_text(radial + "comparam.tilt.tilt.FalloffIsTrueSigma = 1")
    assert old == pytest.approx((0.35, 0.05 / 2**0.5), rel=1e-3)
    assert new.values["reconstruct"]["radial_per_px"] == (0.35, 0.05)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("comparam.tilt.tilt.THICKNES=1", "PARAM-01", "comparam.tilt.tilt.THICKNESS?"),
        ("comparam.tilt.tilt.thickness=1", "PARAM-01", "comparam.tilt.tilt.THICKNESS?"),
        ("runtime.Trimvol.any.reorientt=1", "PARAM-01", "runtime.Trimvol.any.reorient?"),
        ("setupset.copyarg.golds=1", "PARAM-01", "setupset.copyarg.gold?"),
        (f"{THICKNESS}=many", "PARAM-02", "must be an integer"),
        (f"{THICKNESS}=3.5", "PARAM-02", "must be an integer"),
        ("runtime.Reconstruction.any.useSirt=yes", "PARAM-02", "must be 0 or 1"),
        ("runtime.Reconstruction.any.useSirt=", "PARAM-02", "must be 0 or 1"),
        ("runtime.Fiducials.any.trackingMethod=7", "PARAM-02", "one of 0, 1, 2"),
        ("comparam.tilt.tilt.RADIAL=0.35 0.05 7", "PARAM-02", "must be 2 numbers"),
        ("runtime.AlignedStack.any.eraseGold=<REPLACE>", "PARAM-02", "must be an integer"),
        (
            f"{THICKNESS}=100\nruntime.Reconstruction.any.binnedThickness=50",
            "PARAM-07",
            "both given",
        ),
    ],
)
def test_faults_name_line_and_rule(resolve_text, text, code, words):
    faults = resolve_text(text).faults
    assert [fault.code for fault in faults] == [code]
    assert words in faults[0].found
    assert faults[0].where.startswith("x.adoc:")


def test_all_faults_are_told_at_once(resolve_text):
    text = f"runtime.Trimvol.any.foo=1\n{THICKNESS}=a\ncomparam.tilt.tilt.RADIAL=b"
    assert len(resolve_text(text).faults) == 3


def test_directives_without_effect_are_told(resolve_text):
    notices = resolve_text("comparam.tilt.tilt.UseGPU=0").notices
    assert [(notice.code, notice.where) for notice in notices] == [("PARAM-04", "x.adoc:1")]


def test_asking_for_nothing_needs_no_notice(resolve_text):
    resolved = resolve_text("runtime.AlignedStack.any.eraseGold=0")
    assert (resolved.notices, resolved.faults) == ([], [])


@pytest.mark.parametrize(
    "name",
    ["tilt.tilt.EXCLUDELIST", "align.tiltalign.LocalMagOption", "tilt.tilt.AnOptionOfLaterYears"],
)
def test_options_that_only_imods_program_knows_are_no_fault(resolve_text, name):
    resolved = resolve_text(f"comparam.{name}=1")
    assert resolved.faults == []
    assert [notice.code for notice in resolved.notices] == ["PARAM-04"]


def test_second_axis_is_passed_over_and_said(resolve_text):
    resolved = resolve_text(
        "comparam.tiltb.tilt.THICKNESS=1\nruntime.Trimvol.b.reorient=1\nsetupset.copyarg.bskip=3"
    )
    assert resolved.values == {}
    assert {notice.code for notice in resolved.notices} == {"PARAM-10"}
    assert len(resolved.notices) == 3


def test_axis_letter_goes_before_precedence_of_the_file(steps):
    resolved = resolve_sources(
        [source("comparam.tilta.tilt.THICKNESS=100", 1), source(f"{THICKNESS}=200")], steps
    )
    assert resolved.values["reconstruct"]["thickness_px"] == 100


def test_empty_value_cancels_a_template(steps):
    resolved = resolve_sources([source(f"{THICKNESS}=100", 1), source(f"{THICKNESS}=")], steps)
    assert resolved.values == {}


def test_repeated_directive_is_said_when_it_differs(resolve_text):
    assert resolve_text(f"{THICKNESS}=1\n{THICKNESS}=1").notices == []
    resolved = resolve_text(f"{THICKNESS}=1\n{THICKNESS}=2")
    assert [notice.code for notice in resolved.notices] == ["PARAM-09"]
    assert resolved.values["reconstruct"]["thickness_px"] == 2


def test_exclusive_directive_of_a_template_gives_way(steps):
    resolved = resolve_sources(
        [source(f"{THICKNESS}=100", 1), source("runtime.Reconstruction.any.binnedThickness=50")],
        steps,
    )
    assert resolved.faults == []
    assert resolved.values == {"reconstruct": {"binned_thickness_px": 50}}
    assert [notice.code for notice in resolved.notices] == ["PARAM-12"]


def test_batch_directive_in_a_template_is_refused(resolve_text):
    assert resolve_text("runtime.Trimvol.any.reorient=1", rank=1).faults[0].code == "PARAM-08"


def test_length_and_overlap_stands_for_two_directives(resolve_text):
    settings_found = resolve_text("comparam.xcorr_pt.tiltxcorr.LengthAndOverlap=16,4").settings
    assert settings_found["comparam.xcorr_pt.imodchopconts.LengthOfPieces"].text == "16"
    assert settings_found["comparam.xcorr_pt.imodchopconts.MinimumOverlap"].text == "4"


@given(st.lists(st.integers(1, 9999) | st.none(), min_size=4, max_size=4))
@settings(max_examples=60, deadline=None)
def test_precedence(values):
    steps = small_steps()
    sources = [
        source(f"{THICKNESS} = {value}", rank)
        for rank, value in enumerate(values)
        if value is not None
    ]
    resolved = resolve_sources(list(reversed(sources)), steps)
    expected = [value for value in values if value is not None]
    found = resolved.values.get("reconstruct", {}).get("thickness_px")
    assert found == (expected[-1] if expected else None)


NAMES = sorted(directive_table(()))
LINES = st.builds(
    lambda name, sign, value: f"{name}{sign}{value}",
    st.sampled_from(NAMES) | st.text(max_size=30),
    st.sampled_from(["=", " = ", ""]),
    st.text(max_size=20) | st.sampled_from(["0", "1", "1,4-6", "0.35 0.05", "nan", "-", "1-", ""]),
)


@given(st.lists(LINES, max_size=8).map("\n".join), st.integers(0, BATCH_RANK))
@settings(max_examples=150, deadline=None)
def test_any_text_resolves_or_is_told(text, rank):
    resolved = resolve_sources([source(text, rank)], small_steps())
    for fault in resolved.faults:
        assert fault.code.startswith("PARAM-")
        assert fault.where


def test_table_is_whole():
    table = directive_table(())
    assert len(table) >= 188
    for directive in table.values():
        assert directive.meaning.endswith(".")
        assert directive.type in (
            "Bool", "Int", "Float", "2 Int", "2 Float", "List", "String", "File",
        )  # fmt: skip
        assert directive.batch or directive.template
    assert all(name in table for group in EXCLUSIVE for name in group)


def test_templates_are_found_where_imod_has_them(tmp_path, steps):
    calib, imod, home = (tmp_path / name for name in ("calib", "imod", "home"))
    for folder in (calib / "ScopeTemplate", imod / "SystemTemplate", home / "mine"):
        folder.mkdir(parents=True)
    (calib / "ScopeTemplate" / "krios.adoc").write_text(f"{THICKNESS}=1\n")
    (imod / "SystemTemplate" / "cryo.adoc").write_text("comparam.tilt.tilt.LOG=\n")
    (home / "mine" / "me.adoc").write_text("comparam.track.beadtrack.RoundsOfTracking=4\n")
    (home / ".etomo").write_text(f"#settings\nDefaults.UserTemplateDir={home / 'mine'}\n")
    batch = tmp_path / "batch.adoc"
    batch.write_text(
        "setupset.scopeTemplate=krios\nsetupset.systemTemplate=cryo.adoc\n"
        "setupset.userTemplate=/elsewhere/me.adoc\nsetupset.copyarg.name=ts\n"
    )
    places = TemplatePlaces.of_imod({"IMOD_CALIB_DIR": str(calib), "IMOD_DIR": str(imod)}, home)
    resolved = resolve_files([batch], steps, places=places)
    assert resolved.faults == []
    assert resolved.root == "ts"
    assert resolved.values == {
        "reconstruct": {"thickness_px": 1, "log_base": None},
        "track": {"rounds": 4},
    }


def test_missing_template_is_told_with_the_nearest(tmp_path, steps):
    folder = tmp_path / "scopes"
    folder.mkdir()
    (folder / "krios1.adoc").write_text("")
    batch = tmp_path / "batch.adoc"
    batch.write_text("setupset.scopeTemplate=krios.adoc\n")
    [fault] = resolve_files([batch], steps, places=TemplatePlaces(scope=(folder,))).faults
    assert fault.code == "FILE-01"
    assert "krios1.adoc?" in fault.found


@pytest.mark.parametrize("content", [b"a = \xff\n", None])
def test_unreadable_batch_files(tmp_path, steps, content):
    path = tmp_path / "batch.adoc"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    [fault] = resolve_files([path], steps).faults
    assert fault.code in ("FILE-02", "FILE-06")
    assert resolve_files([Path("/nonexistent/x.adoc")], steps).faults[0].code == "FILE-01"
