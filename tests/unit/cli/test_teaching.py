"""``check``, ``directives``, ``steps`` and ``explain`` say what they should."""

import io
import json

import pytest
from rich.console import Console

from tomoline import errors
from tomoline.cli.check import check
from tomoline.cli.directives import print_directives
from tomoline.cli.explain import explain
from tomoline.cli.steps import print_steps
from tomoline.errors import TomolineError
from tomoline.recipes import STEPS
from tomoline.surfaces.templates import TemplatePlaces


@pytest.fixture
def out():
    return Console(file=io.StringIO(), width=120, soft_wrap=True, highlight=False)


def text_of(console):
    return console.file.getvalue()


def test_explain_one(out):
    assert explain("param-01", out) == 0
    assert errors.parameters.UNKNOWN_DIRECTIVE.rule in text_of(out)


def test_explain_all(out):
    assert explain("", out) == 0
    assert all(code in text_of(out) for code in errors.KINDS)


def test_explain_unknown(out):
    with pytest.raises(TomolineError) as caught:
        explain("PARAM-1", out)
    assert "PARAM-" in caught.value.found


def test_directive_card_teaches(out):
    assert print_directives("comparam.tilt.tilt.THICKNESS", console=out) == 0
    text = text_of(out)
    for words in ("Int, pixels", "batch file, templates", "sets reconstruct.thickness_px"):
        assert words in text


def test_directive_list_counts(out):
    assert print_directives("", console=out) == 0
    lines = text_of(out).splitlines()
    assert lines[-1].startswith(f"{len(lines) - 1} directives")


def test_directive_unknown_names_the_nearest(out):
    assert print_directives("THICKNES5", console=out) == 1
    assert "THICKNESS" in text_of(out)


def test_directives_as_json(capsys):
    assert print_directives("comparam.tilt.*", as_json=True) == 0
    document = json.loads(capsys.readouterr().out)
    by_name = {one["name"]: one for one in document}
    assert by_name["comparam.tilt.tilt.THICKNESS"]["acted_on"] is True
    assert by_name["comparam.tilt.tilt.UseGPU"]["acted_on"] is False


@pytest.mark.parametrize("name", ["", *STEPS, "14"])
def test_steps(out, name):
    assert print_steps(name, out) == 0
    assert (STEPS[name].title if name in STEPS else "reconstruct") in text_of(out)


@pytest.mark.parametrize(
    ("name", "content", "status", "words"),
    [
        ("a.adoc", "comparam.tilt.tilt.THICKNESS = 300\n", 0, "0 faults, 0 notices, 1 parameter"),
        ("a.adoc", "comparam.tilt.tilt.THICKNES = 3\nruntime.x=1\n", 1, "2 faults"),
        ("a.adoc", "comparam.tilt.tilt.UseGPU = 0\n", 0, "1 notice,"),
        ("a.adoc", "setupset.scopeTemplate = nowhere\n", 1, "nowhere does not exist"),
        ("a.adoc", "setupset.systemTemplate =\n  /some/where.adoc\n", 0, "means nothing here"),
        ("a.adoc", "setupset.datasetDirectory = nowhere\n", 0, "is not here"),
        ("a.toml", "[reconstruct]\nthickness_px = 300\n", 0, "0 faults"),
        ("a.toml", "[reconstruct]\nthickness_px = -300\n", 1, "a.toml:2"),
        ("a.txt", "", 1, "FILE-07"),
    ],
)
def test_check(tmp_path, out, name, content, status, words):
    path = tmp_path / name
    path.write_text(content)
    assert check([path], console=out, places=TemplatePlaces()) == status
    assert words in text_of(out)


def test_check_says_where_values_come_from(tmp_path, out):
    path = tmp_path / "a.adoc"
    path.write_text("\ncomparam.tilt.tilt.THICKNESS = 300\n")
    assert check([path], verbose=True, console=out, places=TemplatePlaces()) == 0
    assert f"reconstruct.thickness_px = 300  from {path}:2 (batch file)" in text_of(out)


def test_check_knows_templates_by_their_folder(tmp_path, out):
    folder = tmp_path / "SystemTemplate"
    folder.mkdir()
    path = folder / "cryo.adoc"
    path.write_text("runtime.Trimvol.any.reorient = 1\n")
    assert check([path], console=out) == 1
    assert "PARAM-08" in text_of(out)
