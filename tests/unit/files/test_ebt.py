"""Etomo's batch projects: Java properties, rows of the table, what is wrong with them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoline.errors import TomolineError
from tomoline.files import ebt

ROW = """
meta.RootName=batch
meta.ref.ebt1=/data/BBa.st
meta.row.ebt1.RowNumber=1
meta.row.ebt1.dual=true
"""


def parse(text):
    return {one.key: one.value for one in ebt.properties(text.split("\n"))}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=b", {"a": "b"}),
        ("  a : b ", {"a": "b "}),
        ("a b=c", {"a": "b=c"}),
        ("a = = b", {"a": "= b"}),
        ("a", {"a": ""}),
        ("a\\=b\\:c\\ d=e", {"a=b:c d": "e"}),
        (r"p=C\:\\data\\TS 01.st", {"p": r"C:\data\TS 01.st"}),
        ("a=b\\\n    c\\\n\td", {"a": "bcd"}),
        ("a=b\\\\\nc=d", {"a": "b\\", "c": "d"}),
        ("a=b\\", {"a": "b"}),
        ("# a=b\n! c=d\n\n  #e=f\ng=h", {"g": "h"}),
        ("a=b\\\n# no comment", {"a": "b# no comment"}),
        (r"a=\u00c4\t\n\q", {"a": "Ä\t\nq"}),
        (r"a=\ud83d\ude00", {"a": "😀"}),
        ("a=1\na=2", {"a": "2"}),
    ],
)
def test_java_properties(text, expected):
    assert parse(text) == expected


def written(key, value):
    """Write a line as Java's Properties.store does."""

    def escaped(text, *, blanks):
        out = []
        for number, one in enumerate(text):
            if one in "\\=:#!" or (one == " " and (blanks or number == 0)):
                out.append("\\" + one)
            elif one in "\t\n\r\f":
                out.append("\\" + {"\t": "t", "\n": "n", "\r": "r", "\f": "f"}[one])
            elif " " <= one <= "~":
                out.append(one)
            else:
                units = one.encode("utf-16-be")
                out += [
                    f"\\u{int.from_bytes(units[at : at + 2]):04X}" for at in range(0, len(units), 2)
                ]
        return "".join(out)

    return f"{escaped(key, blanks=True)}={escaped(value, blanks=False)}"


@given(st.text(st.characters(codec="utf-8"), min_size=1), st.text(st.characters(codec="utf-8")))
def test_what_java_writes_is_read(key, value):
    assert parse(written(key, value)) == {key: value}


@pytest.mark.parametrize("text", [r"a=\u12", r"a=\uzzzz", r"a=\ud83d"])
def test_half_escapes_are_refused_with_the_line(text):
    with pytest.raises(TomolineError) as caught:
        parse("b=c\n" + text)
    assert caught.value.code == "PROJ-13"
    assert caught.value.where.endswith(":2")


def read(tmp_path, text):
    path = tmp_path / "batch.ebt"
    path.write_text(text, encoding="latin-1")
    return ebt.read(path)


def test_rows_come_in_the_order_of_the_table(tmp_path):
    project = read(
        tmp_path,
        ROW
        + """
meta.ref.ebt2=/data/lone.mrc
meta.row.ebt2.RowNumber=0
meta.row.ebt2.Run=false
meta.row.ebt2.OrigStack=/raw/lone.mrc
meta.row.ebt2.Tomogram.Done=true
meta.ref.ebt3=/data/removed.st
meta.ref.ebt.lastID=ebt3
meta.row.ebt1.bskip=3,4
meta.Status=Open
""",
    )
    assert [row.name for row in project.rows] == ["lone", "BB"]
    lone, both = project.rows
    assert (lone.run, lone.dual, lone.original) == (False, False, "/raw/lone.mrc")
    assert (both.run, both.dual, both.skip_b, both.line) == (True, True, "3,4", 3)
    assert lone.others == {"Tomogram.Done": "true"}
    assert project.removed == ("/data/removed.st",)
    assert (project.root, project.get("Status")) == ("batch", "Open")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "meta."),
        ("a=b", "meta."),
        (ROW.replace("RowNumber=1", "RowNumber=first"), "not a number"),
        (ROW.replace("dual=true", "dual=maybe"), "neither true nor false"),
        (ROW.replace("meta.ref.ebt1=/data/BBa.st\n", ""), "no stack"),
        (ROW.replace("/data/BBa.st", ""), "names no stack"),
    ],
)
def test_bad_files_say_what_was_found(tmp_path, text, says):
    with pytest.raises(TomolineError) as caught:
        read(tmp_path, text)
    assert caught.value.code == "PROJ-13"
    assert says in caught.value.found


def test_a_real_project_is_read(tilt_data):
    [path] = (tilt_data / "imod-projects").glob("directives/*/*.ebt")
    project = ebt.read(path)
    assert project.root == path.stem
    assert project.rows == ()
    assert project.get("SeriesWatcher.MinimumAgeOfStacks") == "300.0"
