import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tomoline.errors import TomolineError
from tomoline.files import adoc, com

names = st.text(string.ascii_letters + "._0123456789", min_size=1, max_size=30)
values = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=40
).map(str.strip)


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(entries=st.lists(st.tuples(names, values), max_size=6))
def test_directives_come_back(tmp_path: Path, entries: list[tuple[str, str]]) -> None:
    path = tmp_path / "a.adoc"
    adoc.write(path, entries)
    found = adoc.read(path)
    assert [(entry.key, entry.value) for entry in found.entries] == entries
    assert [entry.line for entry in found.entries] == list(range(1, len(entries) + 1))


@given(text=st.text(max_size=300))
def test_any_text_is_parsed(text: str) -> None:
    found = adoc.parse(text.split("\n"))
    assert len(found.entries) <= text.count("=")


def test_what_means_nothing_is_kept_apart(tmp_path: Path) -> None:
    lines = [
        "# setupset.copyarg.gold = 10",
        "  # another = comment",
        "",
        "comparam.tilt.tilt.RADIAL =",
        "0.35 0.05",
        "a=b=c  # not a comment",
        "setupset.copyarg.dual",
    ]
    found = adoc.parse(lines)
    assert [(e.key, e.value, e.line) for e in found.entries] == [
        ("comparam.tilt.tilt.RADIAL", "", 4),
        ("a", "b=c  # not a comment", 6),
    ]
    assert found.ignored == ((5, "0.35 0.05"), (7, "setupset.copyarg.dual"))


def test_sections() -> None:
    found = adoc.parse(
        ["top = 1", "[Computer = a b]", "x = 2", "[[Interface = peet]]", "x = 3", "[[]]", "y = 4"]
    )
    assert found.get("top") == "1"
    outer, inner = found.sections
    assert (outer.kind, outer.name, outer.get("x"), outer.get("y")) == ("Computer", "a b", "2", "4")
    assert (inner.kind, inner.name, inner.get("x"), inner.inner) == ("Interface", "peet", "3", True)


def test_what_would_not_come_back_is_not_written(tmp_path: Path) -> None:
    for key, value in (("#key", "1"), ("key", "a\nb"), ("[a", "b]"), ("a=b", "c"), (" key", "")):
        with pytest.raises(ValueError, match="cannot stand"):
            adoc.write(tmp_path / "a.adoc", [(key, value)])


def test_real_directive_files(tilt_data: Path) -> None:
    folder = tilt_data / "imod-projects/directives"
    found = adoc.read(folder / "IMOD_cryoSample.adoc")
    assert found.get("comparam.xcorr_pt.tiltxcorr.SizeOfPatchesXandY") == "680,680"
    assert found.get("comparam.tilt.tilt.LOG") == ""
    for path in folder.rglob("*.adoc"):
        assert adoc.read(path).ignored == ()


def test_command_files(tilt_data: Path) -> None:
    commands = com.read(tilt_data / "imod-projects/uitestData/midzone2/tilta.com")
    assert commands[0].program == "tilt"
    assert commands[0].arguments == "-StandardInput"
    assert commands[0].get("FULLIMAGE") == "1950 1024"
    assert commands[0].get("PERPENDICULAR") == ""
    assert commands[0].get("absent") is None


def test_a_file_without_commands_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.com").write_text("tilt\n")
    with pytest.raises(TomolineError) as caught:
        com.read(tmp_path / "a.com")
    assert caught.value.code == "FILE-04"
