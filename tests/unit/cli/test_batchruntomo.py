"""batchruntomo's options become requests; what has no effect is named."""

import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from tomoline.cli._batch_options import OPTIONS
from tomoline.cli._pip import find_option, parse, parse_lines
from tomoline.cli.batchruntomo import notices_of, plan, run_batchruntomo
from tomoline.cli.main import app
from tomoline.errors import Faults, TomolineError
from tomoline.queue.project import Project


@pytest.fixture
def site(tmp_path):
    """A folder with two stacks and a directive file, as a microscope leaves them."""
    for name in ("TS_1.st", "TS_2.mrc"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "batch.adoc").write_text(
        f"setupset.copyarg.name = TS_1\nsetupset.datasetDirectory = {tmp_path}\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("-ro", "RootName"),
        ("-root", "RootName"),
        ("--RootName", "RootName"),
        ("-di", "DirectiveFile"),
        ("-directive", "DirectiveFile"),
        ("-de", "DeliverToDirectory"),
        ("-deliver", "DeliverToDirectory"),
        ("-current", "CurrentLocation"),
        ("-cpus", "CPUMachineList"),
        ("-cp", "CPUMachineList"),
        ("-gpus", "GPUMachineList"),
        ("-v", "ValidationType"),
        ("-smtp", "SMTPserver"),
        ("-SMTP", "SMTPserver"),
        ("-end", "EndingStep"),
        ("-start", "StartingStep"),
    ],
)
def test_abbreviations(written, name):
    assert find_option(written, OPTIONS).name == name


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-e", "6"], "may mean"),
        (["-rot", "x"], "no option. Did you mean root?"),
        (["-root"], "missing"),
        (["-start", "six"], "not a number"),
        (["-cpus", "2", "-cpus", "3"], "twice"),
    ],
)
def test_options_that_cannot_be_read(arguments, words):
    with pytest.raises(Faults) as caught:
        parse(arguments, OPTIONS)
    assert words in str(caught.value)


def test_the_thesis_command_line(site):
    values = parse(
        f"-ro TS_1 -current {site} -deliver {site}/out -cpus 4 {site}/batch.adoc".split(), OPTIONS
    )
    [job], [] = plan(values)
    request = job.request()
    assert request.path == site / "TS_1.st"
    assert (request.root, request.deliver) == ("TS_1", site / "out")
    assert request.directives == (site / "batch.adoc",)
    assert request.settings == ("setup.delivery=move",)
    assert (request.first, request.last, request.threads) == (None, None, 4)


def test_several_sets_with_one_directive_file(site):
    text = f"-di {site}/batch.adoc -root TS_1 -root TS_2 -current {site} -start 6 -end 8 -first"
    jobs, failures = plan(parse(text.split(), OPTIONS))
    assert failures == []
    assert [job.stack.name for job in jobs] == ["TS_1.st", "TS_2.mrc"]
    assert [job.first for job in jobs] == ["6", None]
    assert [job.last for job in jobs] == ["8", "8"]
    assert [job.moves for job in jobs] == [False, False]


def test_root_and_folder_from_the_directive_file(site):
    [job], _ = plan(parse([str(site / "batch.adoc")], OPTIONS))
    assert (job.root, job.stack) == ("TS_1", site / "TS_1.st")


def test_a_stack_that_was_delivered_before_is_found(site):
    folder = site / "out" / "TS_9"
    folder.mkdir(parents=True)
    (folder / "TS_9.tomoline.json").write_text("{}")
    text = f"-root TS_9 -current {site} -deliver {site}/out -start 8"
    [job], _ = plan(parse(text.split(), OPTIONS))
    assert job.stack == folder


def test_results_come_where_the_stack_lies_if_its_folder_has_its_name(tmp_path):
    folder = tmp_path / "TS_1"
    folder.mkdir()
    (folder / "TS_1.st").write_bytes(b"")
    [job], _ = plan(parse(["-root", "TS_1", "-current", str(folder)], OPTIONS))
    assert job.deliver == tmp_path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("-cpus 2", "neither a directive file nor a root name"),
        ("-root a -root b -di x.adoc -di y.adoc -di z.adoc", "3 directive files for 2"),
        ("-root a -root b -root c -current x -current y", "2 folders for 3"),
        ("-root a -current x -start 106", "one axis"),
        ("-root a -current x -one 2", "one axis"),
    ],
)
def test_options_that_do_not_fit(text, words):
    with pytest.raises(Faults) as caught:
        plan(parse(text.split(), OPTIONS))
    assert words in str(caught.value)


def test_a_set_that_cannot_be_found_does_not_stop_the_others(site, capsys):
    requests = []

    def execute(given):
        requests.extend(given)
        return int(given[0].root == "TS_1")

    text = f"-root nowhere -root TS_1 -root TS_2 -current {site}"
    assert run_batchruntomo(text.split(), execute) == 2
    assert [request.root for request in requests] == ["TS_1", "TS_2"]
    assert "FILE-01" in capsys.readouterr().err


def test_two_axes_are_run_in_a_project(site, tmp_path, monkeypatch, capsys):
    batch = site / "D 1.adoc"
    batch.write_text(
        f"setupset.copyarg.name = D\nsetupset.datasetDirectory = {site}\n"
        "setupset.copyarg.dual = 1\nsetupset.copyarg.gold = 10\n"
    )
    (site / "Da.mrc").touch()
    assert run_batchruntomo(["-directive", str(batch)], lambda given: 0) == 1
    assert "two axes" not in capsys.readouterr().err
    (site / "Db.mrc").touch()
    assert run_batchruntomo(["-directive", str(batch)], lambda given: 0) == 1
    told = capsys.readouterr().err
    assert "FILE-01" in told
    assert "its two axes are: Da and Db" in told
    commands = told.partition("Run both in a project: ")[2].strip().split(" && ")
    monkeypatch.chdir(tmp_path)
    for command in commands[:2]:
        result = CliRunner().invoke(app, shlex.split(command)[1:])
        assert result.exit_code == 0, result.output
    assert commands[2] == "tomoline run D-project"
    with Project.open(tmp_path / "D-project") as project:
        (entry,) = project.data_sets.entries()
        assert (entry.name, entry.dual) == ("D", True)
        assert project.data_sets.given(entry)["setup.gold_diameter_nm"][0] == 10.0


def test_exit_on_error_stops(site):
    requests = []
    text = f"-root TS_1 -root TS_2 -current {site} -exit"
    assert run_batchruntomo(text.split(), lambda given: len(requests.append(given) or given)) == 1
    assert len(requests) == 1


@pytest.mark.parametrize("letter", ["Q", "F"])
def test_the_check_file_ends_the_run_after_a_set(site, letter):
    check = site / "check"
    requests = []

    def execute(given):
        requests.append(given)
        check.write_text(letter)
        return 0

    text = f"-root TS_1 -root TS_2 -current {site} -check {check}"
    assert run_batchruntomo(text.split(), execute) == 0
    assert len(requests) == 1


def test_options_without_effect_are_named():
    values = parse("-gpus 1 -make st -naming 0 -etomo 1 -validation -1".split(), OPTIONS)
    found = [notice.where for notice in notices_of(values)]
    assert found == ["-gpus", "-naming", "-make", "-etomo", "-validation"]
    assert notices_of(parse("-naming 1 -cpus 8".split(), OPTIONS)) == []


def test_options_of_a_command_file():
    text = "$batchruntomo -StandardInput\nNamingStyle\t1\nCPUMachineList\tlocalhost:1\nExitOnError"
    values = parse_lines(text.split("\n"), OPTIONS)
    assert values.given == {
        "NamingStyle": ["1"],
        "CPUMachineList": ["localhost:1"],
        "ExitOnError": ["1"],
    }


def test_validation_only_checks(site, capsys):
    bad = site / "bad.adoc"
    bad.write_text("comparam.tilt.tilt.THICKNES = 3\n")
    assert run_batchruntomo(["-validation", "1", str(bad)]) == 1
    assert "THICKNESS?" in capsys.readouterr().out


def test_help(capsys):
    assert run_batchruntomo([]) == 0
    text = capsys.readouterr().out
    assert all(f"-{option.short}" in text for option in OPTIONS)


def test_every_error_is_coded():
    with pytest.raises(TomolineError) as caught:
        find_option("-zzz", OPTIONS)
    assert caught.value.code == "PARAM-06"


def test_the_command_line_hands_all_options_on(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "tomoline.cli.batchruntomo.run_batchruntomo", lambda given: seen.append(list(given)) or 3
    )
    arguments = "-ro TS_1 -current . -validation -1 -cpus 4 -SMTP host x.adoc -end 6".split()
    result = CliRunner().invoke(app, ["batchruntomo", *arguments])
    assert (result.exit_code, seen) == (3, [arguments])


@given(st.lists(st.sampled_from(["-ro", "-e", "-start", "-cpus", "-", "--", "-1"]) | st.text()))
@settings(max_examples=100, deadline=None)
def test_any_command_line_is_read_or_told(arguments):
    told: list[str] = []
    try:
        parse(arguments, OPTIONS)
    except Faults as faults:
        told = [fault.code for fault in faults.faults]
    assert set(told) <= {"PARAM-06"}
