"""Every parameter that has a directive can be written as one and is read back as it was."""

from typing import Literal, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoline.files import adoc
from tomoline.params import describe
from tomoline.recipes import TILT
from tomoline.surfaces._directive_text import directive_text, ranges, written
from tomoline.surfaces._values import convert
from tomoline.surfaces.directives import BATCH_RANK, resolve_sources, source_of
from tomoline.workflow.given import Origin

INFOS = {
    f"{step.name}.{info.name}": info
    for step in TILT.steps
    for info in describe(step.params)
    if info.directive is not None
}
RADIAL = "reconstruct.radial_per_px"
NO_TEXT = {
    # What tomoline decides by itself, or offers besides, IMOD has no code for.
    "find_fiducials.method": {"none"},
    "position.method": {"points", "density"},
    "align.surfaces": {2},
}


def read_back(entries, *, template=False):
    """Return what our own reader makes of a file of directives."""
    lines = [f"{key} = {text}" for key, text in entries]
    origin = Origin(0, "scope template") if template else Origin(BATCH_RANK, "batch file")
    found = resolve_sources([source_of(adoc.parse(lines), origin)], TILT.steps)
    assert found.faults == []
    return found


def plain(kind):
    """Return a type without the possibility of none."""
    arguments = [one for one in get_args(kind) if one is not type(None)]
    optional = get_origin(kind) not in (tuple, Literal, None)
    return plain(arguments[0]) if optional else kind


def samples(info):
    kind = plain(info.type)
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    if get_origin(kind) is tuple:
        first = get_args(kind)[0]
        some = [3, 1, 2, 7, 8, 9] if first is int else [0.1, 1e-7]
        variable = get_args(kind)[-1] is Ellipsis
        return [tuple(some), tuple(some[:1])] if variable else [tuple(some[:2])]
    if kind is bool:
        return [True, False]
    if kind is int:
        return [0, 1, 12345]
    if kind is float:
        return [0.0, 2.5, 1 / 3, 1e-12, 300.0]
    return [kind("a name with blanks = and #.mod")]


CASES = [(name, value) for name, info in INFOS.items() for value in samples(info)]


@pytest.mark.parametrize(("name", "value"), CASES)
def test_a_value_is_read_back_as_it_was(name, value):
    step, field = name.split(".")
    result = written({step: {field: value}}, TILT.steps)
    if value in NO_TEXT.get(name, ()):
        assert result.entries == []
        assert [notice.code for notice in result.notices] == ["PROJ-16"]
        return
    found = read_back(result.entries)
    default = INFOS[name].default
    assert found.values.get(step, {}).get(field, default) == value
    assert result.notices == []


@pytest.mark.parametrize("name", INFOS)
def test_the_default_that_was_given_goes_before_templates(name):
    step, field = name.split(".")
    info = INFOS[name]
    result = written({step: {field: info.default}}, TILT.steps)
    if name == "align.weight_whole_tracks":  # IMOD has no third value beside 0 and 1
        assert (result.entries, result.notices) == ([], [])
        return
    assert INFOS[name].directive in dict(result.entries)
    found = read_back(result.entries)
    assert found.values.get(step, {}).get(field, info.default) == info.default


@pytest.mark.parametrize("name", INFOS)
def test_in_a_template_only_what_may_stand_there(name):
    step, field = name.split(".")
    value = next(one for one in samples(INFOS[name]) if one != INFOS[name].default)
    result = written({step: {field: value}}, TILT.steps, template=True, where="night")
    if result.entries:
        read_back(result.entries, template=True)  # which has no faults
    else:
        [notice] = result.notices
        assert notice.code == "PROJ-16"
        assert name in notice.found


def test_the_falloff_is_told_to_be_a_true_sigma():
    result = written({"reconstruct": {"radial_per_px": (0.4, 0.05)}}, TILT.steps)
    assert result.entries == [
        ("comparam.tilt.tilt.RADIAL", "0.4,0.05"),
        ("comparam.tilt.tilt.FalloffIsTrueSigma", "1"),
    ]


def test_parameters_without_a_directive_are_told_unless_nothing_is_lost():
    values = {"setup": {"delivery": "link", "tilt_angles_file": None}, "align": {"tilt": "each"}}
    result = written(values, TILT.steps, where="TS_01")
    assert result.entries == [("comparam.align.tiltalign.TiltOption", "1")]
    assert result.left_out == ["setup.delivery = link (there is no directive for it)"]
    assert [notice.where for notice in result.notices] == ["TS_01"]


@pytest.mark.parametrize("text", ["two\nlines", " blanks around ", ""])
def test_text_that_a_file_cannot_hold_is_left_out(text):
    result = written({"setup": {"stack_extension": text}}, TILT.steps)
    assert (result.entries, len(result.left_out)) == ([], 1)


@given(st.lists(st.integers(-5, 40), max_size=30))
def test_lists_are_read_back_in_their_order(numbers):
    text = ranges(numbers)
    assert list(convert(text, tuple[int, ...])) == numbers if numbers else text == ""


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_lose_nothing(number):
    info = INFOS["setup.tilt_axis_deg"]
    text = directive_text(number, info)
    assert text is not None
    assert float(text) == number
