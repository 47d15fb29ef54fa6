"""TOML, ``--set`` and directives are merged and validated at once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tomoline.errors import Faults
from tomoline.surfaces._settings import TOML_RANK
from tomoline.surfaces.parameters import Resolution, gather, resolve
from tomoline.workflow.given import Given, Origin, validate

from .conftest import small_steps


@pytest.fixture
def write(tmp_path):
    def inner(name, text):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return inner


def test_precedence(recipe, write):
    adoc = write(
        "b.adoc",
        "comparam.tilt.tilt.THICKNESS=100\ncomparam.tilt.tilt.LOG=\n"
        "comparam.track.beadtrack.RoundsOfTracking=4\n",
    )
    toml = write("p.toml", "[reconstruct]\nthickness_px = 200\nlabel = 'x'\n[track]\nrounds = 6\n")
    found = resolve(
        recipe, directives=[adoc], toml=[toml], settings=["reconstruct.thickness_px=300"]
    )
    reconstruct = found.parameters["reconstruct"].model_dump()
    assert (reconstruct["thickness_px"], reconstruct["log_base"]) == (300, None)
    assert found.parameters["track"].model_dump()["rounds"] == 6
    origins = {name: str(origin) for name, origin in found.origins["reconstruct"].items()}
    assert origins == {
        "thickness_px": "--set reconstruct.thickness_px=300",
        "log_base": f"{adoc}:2",
        "label": f"{toml}:3",
    }


def test_exclusive_parameters_of_a_lower_source_give_way(recipe, write):
    adoc = write("b.adoc", "comparam.tilt.tilt.THICKNESS=100\n")
    found = resolve(recipe, directives=[adoc], settings=["reconstruct.binned_thickness_px=40"])
    assert found.parameters["reconstruct"].model_dump()["thickness_px"] is None
    assert [notice.code for notice in found.notices] == ["PARAM-12"]


@pytest.mark.parametrize(
    ("setting", "step", "field", "value"),
    [
        ("reconstruct.sirt=yes", "reconstruct", "sirt", True),
        ("reconstruct.thickness_px=none", "reconstruct", "thickness_px", None),
        ("reconstruct.thickness_px=", "reconstruct", "thickness_px", None),
        ("reconstruct.leave_iterations=1,3-5", "reconstruct", "leave_iterations", (1, 3, 4, 5)),
        ("reconstruct.leave_iterations=", "reconstruct", "leave_iterations", ()),
        ("reconstruct.radial_per_px=0.4,0.05", "reconstruct", "radial_per_px", (0.4, 0.05)),
        ("reconstruct.label=a = b", "reconstruct", "label", "a = b"),
        ("track.method=patches", "track", "method", "patches"),
        ("comparam.tilt.tilt.THICKNESS=77", "reconstruct", "thickness_px", 77),
    ],
)
def test_settings(recipe, setting, step, field, value):
    found = resolve(recipe, settings=[setting])
    assert found.parameters[step].model_dump()[field] == value


@pytest.mark.parametrize(
    ("setting", "code", "words"),
    [
        ("reconstruct", "PARAM-06", "STEP.FIELD=VALUE"),
        ("reconstrukt.sirt=1", "PARAM-03", "reconstruct?"),
        ("reconstruct.thicknes_px=1", "PARAM-03", "thickness_px?"),
        ("track.thickness_px=1", "PARAM-03", "reconstruct.thickness_px?"),
        ("reconstruct.thickness_px=x", "PARAM-02", "integer"),
        ("reconstruct.thickness_px=-4", "PARAM-02", "> 0"),
        ("track.rounds=", "PARAM-02", "integer"),
        ("track.method=beeds", "PARAM-02", "one of beads, patches"),
        ("comparam.tilt.tilt.THICKNESSS=7", "PARAM-01", "THICKNESS?"),
    ],
)
def test_faults(steps, setting, code, words):
    [fault] = gather(steps, settings=[setting]).faults
    assert fault.code == code
    assert words in fault.found


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("[reconstruct]\nthicknes_px = 3\n", "PARAM-03", 2),
        ("[reconstruct]\nthickness_px = 'a'\n", "PARAM-02", 2),
        ("[reconstruct]\n\nthickness_px = -3\n", "PARAM-02", 3),
        ("[reconstruct]\nradial_per_px = [1.0]\n", "PARAM-02", 2),
        ("[recon]\nx = 1\n", "PARAM-03", 1),
        ("thickness_px = 3\n", "PARAM-03", 1),
        ("reconstruct.sirt = 'x'\n", "PARAM-02", 1),
        ("[reconstruct\n", "FILE-06", None),
    ],
)
def test_toml_faults_name_the_line(steps, write, text, code, line):
    path = write("p.toml", text)
    [fault] = gather(steps, toml=[path]).faults
    assert fault.code == code
    assert fault.where == (f"{path}:{line}" if line else str(path))


def test_all_faults_are_raised_at_once(recipe, write):
    adoc = write("b.adoc", "comparam.tilt.tilt.THICKNES=100\n")
    toml = write("p.toml", "[reconstruct]\nthickness_px = -1\nfoo = 1\n")
    with pytest.raises(Faults) as caught:
        resolve(recipe, directives=[adoc], toml=[toml], settings=["track.rounds=99"])
    assert [fault.code for fault in caught.value.faults] == [
        "PARAM-01",
        "PARAM-03",
        "PARAM-02",
        "PARAM-02",
    ]


TEXT = st.text(max_size=40)
NAMES = st.sampled_from(
    ["reconstruct.thickness_px", "reconstruct.leave_iterations", "track.method", "track.x", "a.b"]
)


@given(st.lists(st.builds("{}={}".format, NAMES, TEXT) | TEXT, max_size=4))
@settings(max_examples=100, deadline=None)
def test_any_setting_is_used_or_told(texts):
    found = gather(small_steps(), settings=texts)
    assert all(fault.code.startswith("PARAM-") for fault in found.faults)


VALUES = st.recursive(
    st.integers() | st.floats() | st.booleans() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@given(
    st.dictionaries(
        st.sampled_from(["thickness_px", "radial_per_px", "sirt", "leave_iterations"]), VALUES
    )
)
@settings(max_examples=100, deadline=None)
def test_any_value_is_used_or_told(values):
    params = small_steps()[1].params
    given_values = [
        Given("reconstruct", name, value, Origin(TOML_RANK, "parameter file", "p.toml", 1))
        for name, value in values.items()
    ]
    result = Resolution()
    validate(given_values, small_steps(), result)
    if not result.faults:
        assert isinstance(result.parameters["reconstruct"], params)
