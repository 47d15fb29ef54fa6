"""Every declared directive is one of IMOD's, with its type, and takes IMOD's default."""

import math

import pytest

from tomoline.params import describe
from tomoline.recipes import STEPS
from tomoline.surfaces._values import directive_value
from tomoline.surfaces.directive_table import directive_table
from tomoline.units import unit_of_name

BARE = directive_table(())
DECLARED = [
    pytest.param(step, info, id=f"{step.name}.{info.name}")
    for step in STEPS.values()
    for info in describe(step.params)
    if info.directive
]
SAMPLES = {
    "Bool": ("0", "1"),
    "Int": ("1",),
    "Float": ("1.0",),
    "2 Int": ("100 100", "100,100"),
    "2 Float": ("0.25 0.05", "0.25,0.05"),
    "List": ("1,3-5",),
    "String": (),
    "File": ("model.mod",),
}


@pytest.mark.parametrize(("step", "info"), DECLARED)
def test_directive_is_imods(step, info):
    assert info.directive in BARE
    directive = BARE[info.directive]
    for text in SAMPLES[directive.type]:
        if info.directive_values is None:
            directive_value(text, info)


@pytest.mark.parametrize(("step", "info"), DECLARED)
def test_imods_default_is_accepted(step, info):
    text = BARE[info.directive].default
    if text:
        value = directive_value(text, info)
        step.params.model_validate({info.name: value})


@pytest.mark.parametrize(("step", "info"), DECLARED)
def test_codes_mean_accepted_values(step, info):
    for code in info.directive_values or {}:
        step.params.model_validate({info.name: directive_value(str(code), info)})


@pytest.mark.parametrize("step", list(STEPS.values()), ids=list(STEPS))
def test_declarations_are_whole(step):
    assert step.help
    for info in describe(step.params):
        assert info.help.rstrip().endswith("."), f"{step.name}.{info.name}: help is a sentence"
        named = unit_of_name(info.name)
        assert named is None or info.unit in (named, ""), f"{step.name}.{info.name}: unit"
        if isinstance(info.default, float):
            assert math.isfinite(info.default)
