"""Errors of projects: the folder, its store, its data sets, its layers of parameters."""

from tomoline.errors._kind import ErrorKind

NO_PROJECT = ErrorKind(
    "PROJ-01",
    "no project here",
    "A project is a folder that holds tomoline.sqlite.",
    "Name the project with --project, or make one with 'tomoline project new DIR'.",
)
EXISTS = ErrorKind(
    "PROJ-02",
    "project exists already",
    "A folder holds one project.",
    "Go on with the project that is there, or choose another folder.",
)
OTHER_SCHEMA = ErrorKind(
    "PROJ-03",
    "project of another version",
    "A project is opened by a version of tomoline that knows its schema.",
    "Use the version of tomoline that made it, or make a new project and add the data sets again: "
    "results that are there are kept and found.",
)
DAMAGED = ErrorKind(
    "PROJ-04",
    "project file is damaged",
    "tomoline.sqlite must be a whole SQLite database.",
    "Restore it from a backup, or move it away, make the project again and add the data sets: "
    "results that are there are kept and found.",
)
NETWORK = ErrorKind(
    "PROJ-05",
    "project on a network file system",
    "The project's database works only on a disk of this machine; data sets and results may lie "
    "anywhere.",
    "Make the project in a folder on a local disk, and name the folder for results with "
    "'tomoline project new DIR --deliver RESULTS'.",
)
READ_ONLY = ErrorKind(
    "PROJ-06",
    "project cannot be written",
    "Whoever works with a project must be able to write to its folder; looking at it needs only to "
    "read it.",
    "Change the folder's permissions, or copy the project to a folder of your own.",
)
OTHER_HOST = ErrorKind(
    "PROJ-07",
    "project belongs to another machine",
    "A project is worked on by the machine that runs it.",
    "Log in to that machine; if it is gone for good, 'tomoline resume --take-over'.",
)
UNKNOWN_DATA_SET = ErrorKind(
    "PROJ-08",
    "no such data set in the project",
    "Data sets are named as 'tomoline project list' names them; patterns with * may be used.",
    "Correct the name, or add the data set first.",
)
SAME_NAME = ErrorKind(
    "PROJ-09",
    "two acquisitions of one name",
    "The data sets of a project have different names, since each has its folder of results.",
    "Give the second one another name with --name.",
)
IN_USE = ErrorKind(
    "PROJ-10",
    "data set is being run",
    "A data set can be removed, or given another acquisition, only while nothing works on it.",
    "Kill it first with 'tomoline kill', or wait until it has ended.",
)
NOT_DUAL = ErrorKind(
    "PROJ-11",
    "only one axis of a dual-axis set",
    "A data set marked dual axis has the stacks of both axes, ROOTa and ROOTb.",
    "Add the other stack, or mark the data set as single axis: "
    "'tomoline project set NAME --no-dual'.",
)
TEMPLATE_CHANGED = ErrorKind(
    "PROJ-12",
    "template has changed since it was read",
    "A project holds what its templates said when it read them, so that a run can be repeated.",
    "Read it again with 'tomoline project set --template KIND=FILE' if the new values are meant.",
    warning=True,
)
BAD_ETOMO = ErrorKind(
    "PROJ-13",
    "Etomo's batch project cannot be used",
    "An .ebt file holds Etomo's lines key=value, with the stacks of its table.",
    "Open it in Etomo and save it again, or add the stacks with 'tomoline project add'.",
)
ETOMO_NOT_ACTED_ON = ErrorKind(
    "PROJ-14",
    "Etomo's setting that has no counterpart",
    "What Etomo's project says and tomoline does not act on is told.",
    "Nothing, if the setting does not matter to you.",
    warning=True,
)
TEMPLATE_EXISTS = ErrorKind(
    "PROJ-15",
    "template exists already",
    "A template is not written over unless that is asked for.",
    "Choose another name, or give --replace.",
)
NOT_EXPORTED = ErrorKind(
    "PROJ-16",
    "parameter without a directive",
    "A batch file of IMOD holds directives; what has none there cannot be exported.",
    "Nothing; the parameter stays in the project.",
    warning=True,
)
BAD_NAME = ErrorKind(
    "PROJ-17",
    "name that a data set cannot have",
    "The name of a data set is that of its folder: not empty, without / and control characters, "
    "not hidden, and at most 200 bytes long.",
    "Give it another name with --name; where the path itself is not of UTF-8, rename it.",
)
HELD = ErrorKind(
    "PROJ-18",
    "project is held by another program",
    "Many may work with a project at once, each for a moment only.",
    "Try again; if it stays so, end the backup or database program that keeps tomoline.sqlite "
    "locked.",
)
OTHER_PLACE = ErrorKind(
    "PROJ-19",
    "project is being run at another place",
    "A project that is being run has one place; its paths follow when it is moved, not while its "
    "runner works in the old place.",
    "Use the folder that is named; 'tomoline kill' there ends the run, then it can be moved.",
)
SAME_SPELLING = ErrorKind(
    "PROJ-20",
    "name that could be several data sets",
    "Accents may be written in another way than in the table, as long as that leaves no doubt.",
    "Copy the name from 'tomoline project list', which prints it as it is written.",
)

KINDS = (
    NO_PROJECT,
    EXISTS,
    OTHER_SCHEMA,
    DAMAGED,
    NETWORK,
    READ_ONLY,
    OTHER_HOST,
    UNKNOWN_DATA_SET,
    SAME_NAME,
    IN_USE,
    NOT_DUAL,
    TEMPLATE_CHANGED,
    BAD_ETOMO,
    ETOMO_NOT_ACTED_ON,
    TEMPLATE_EXISTS,
    NOT_EXPORTED,
    BAD_NAME,
    HELD,
    OTHER_PLACE,
    SAME_SPELLING,
)
