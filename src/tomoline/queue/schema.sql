-- The store of a project. Times are seconds since 1970 (UTC); lists and layers are JSON.
-- Whatever a face wants is written down here; only the runner acts on it.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,          -- schema, created, host, setting.NAME
    value TEXT NOT NULL
) WITHOUT ROWID;

-- Layers of parameters that all data sets share, in rising precedence of rank:
-- user defaults 0, scope template 1, system template 2, user template 3, project 4.
CREATE TABLE layer (
    name     TEXT PRIMARY KEY,
    rank     INTEGER NOT NULL,
    file     TEXT NOT NULL DEFAULT '',   -- where it was read from
    digest   TEXT NOT NULL DEFAULT '',   -- of that file, when it was read
    given    TEXT NOT NULL DEFAULT '{}'  -- {"step.field": [value, where]}
);

CREATE TABLE data_set (
    id       INTEGER PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE,       -- root name; of a dual-axis set without its letter
    place    REAL NOT NULL,              -- order in the table
    recipe   TEXT NOT NULL,
    source   TEXT NOT NULL,              -- absolute path of the acquisition; of axis a
    source_b TEXT NOT NULL DEFAULT '',   -- of axis b, where there are two
    folder   TEXT NOT NULL,              -- absolute path of the folder of results
    run      INTEGER NOT NULL DEFAULT 1, -- the run flag
    given    TEXT NOT NULL DEFAULT '{}', -- its own parameters: {"step.field": [value, where]}
    given_b  TEXT NOT NULL DEFAULT '{}', -- those of axis b alone
    added    REAL NOT NULL
);
CREATE INDEX data_set_place ON data_set (place);
-- So that one more acquisition is told from thousands that are there.
CREATE INDEX data_set_source ON data_set (source);
CREATE INDEX data_set_source_b ON data_set (source_b) WHERE source_b != '';
CREATE INDEX data_set_folder ON data_set (folder);

CREATE TABLE batch (
    id         INTEGER PRIMARY KEY,
    data_set   INTEGER NOT NULL REFERENCES data_set (id) ON DELETE CASCADE,
    state      TEXT NOT NULL,              -- see model.BatchState
    place      REAL NOT NULL,              -- order in the queue; the lowest is next
    first      TEXT NOT NULL DEFAULT '',   -- step to start from; '' for the beginning
    last       TEXT NOT NULL DEFAULT '',   -- step to stop after; '' for the end
    only       TEXT NOT NULL DEFAULT '',   -- steps to run, joined by commas; '' for all
    reached    TEXT NOT NULL DEFAULT '',   -- "axis:step" last finished in this batch, for resuming
    origin     TEXT NOT NULL DEFAULT '',   -- who queued it: a command, watch FOLDER, schedule NAME
    attempt    INTEGER NOT NULL DEFAULT 0, -- how often it was started
    retries    INTEGER NOT NULL DEFAULT 0, -- how often it was tried again by itself
    threads    INTEGER NOT NULL DEFAULT 0, -- at most so many; 0 for what the processor has
    alone      INTEGER NOT NULL DEFAULT 0, -- with all the memory, and no other batch beside it
    not_before REAL NOT NULL DEFAULT 0,    -- waits until then
    wanted     TEXT NOT NULL DEFAULT '',   -- kill | pause: what a face wants of a running one
    processor  INTEGER,                    -- 1.. while running
    pid        INTEGER,                    -- leader of its process group, while running
    birth      TEXT NOT NULL DEFAULT '',   -- tells this process from later ones of the same pid
    read_bytes INTEGER NOT NULL DEFAULT 0, -- how far its event file has been read
    step       TEXT NOT NULL DEFAULT '',   -- what it is doing, for people
    label      TEXT NOT NULL DEFAULT '',
    done       INTEGER NOT NULL DEFAULT 0, -- pieces of the present work, out of total
    total      INTEGER NOT NULL DEFAULT 0,
    queued     REAL NOT NULL,
    started    REAL,
    ended      REAL,
    code       TEXT NOT NULL DEFAULT '',   -- of the error that it ended with
    at         TEXT NOT NULL DEFAULT '',
    found      TEXT NOT NULL DEFAULT '',
    remedy     TEXT NOT NULL DEFAULT ''
);
CREATE INDEX batch_next ON batch (place) WHERE state = 'waiting';
CREATE INDEX batch_state ON batch (state);
CREATE INDEX batch_data_set ON batch (data_set, id);
-- A data set waits at most once and is worked on at most once.
CREATE UNIQUE INDEX batch_waits_once ON batch (data_set) WHERE state = 'waiting';
CREATE UNIQUE INDEX batch_runs_once ON batch (data_set) WHERE state IN ('running', 'paused');

-- Everything that happened, for people and for explaining every state.
CREATE TABLE event (
    id         INTEGER PRIMARY KEY,
    time       REAL NOT NULL,
    level      TEXT NOT NULL,              -- info | warning | error
    kind       TEXT NOT NULL,              -- see model.EventKind
    processor  INTEGER,
    data_set   TEXT NOT NULL DEFAULT '',   -- its name, kept when it is removed
    batch      INTEGER,
    step       TEXT NOT NULL DEFAULT '',
    was        TEXT NOT NULL DEFAULT '',   -- of a batch's state: from
    becomes    TEXT NOT NULL DEFAULT '',   -- to
    code       TEXT NOT NULL DEFAULT '',
    message    TEXT NOT NULL
);
CREATE INDEX event_time ON event (time);
CREATE INDEX event_data_set ON event (data_set, id);
CREATE INDEX event_batch ON event (batch, id);
CREATE INDEX event_level ON event (level, id);

-- The run of the whole project: one row.
CREATE TABLE run (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    wanted     TEXT NOT NULL DEFAULT 'stopped', -- see model.RunState
    processors INTEGER NOT NULL DEFAULT 0,      -- 0: from cores and memory
    threads    INTEGER NOT NULL DEFAULT 0,      -- of each; 0: from cores
    memory     INTEGER NOT NULL DEFAULT 0,      -- bytes for all together; 0: what there is
    pid        INTEGER,                         -- of the runner
    birth      TEXT NOT NULL DEFAULT '',
    host       TEXT NOT NULL DEFAULT '',
    began      REAL,
    seen       REAL NOT NULL DEFAULT 0,         -- last sign of life
    reported   INTEGER NOT NULL DEFAULT 0       -- last event that was mailed about
);
INSERT INTO run (id) VALUES (1);

CREATE TABLE watch (
    id       INTEGER PRIMARY KEY,
    folder   TEXT NOT NULL UNIQUE,
    recipe   TEXT NOT NULL,
    active   INTEGER NOT NULL DEFAULT 1,
    on_top   INTEGER NOT NULL DEFAULT 0,
    settings TEXT NOT NULL DEFAULT '{}',  -- settle_s, every_s, pattern, first, last ...
    began    REAL NOT NULL,
    looked   REAL NOT NULL DEFAULT 0
);

-- What a watch has seen, so that nothing is missed or taken twice, also after a restart.
CREATE TABLE seen (
    watch    INTEGER NOT NULL REFERENCES watch (id) ON DELETE CASCADE,
    path     TEXT NOT NULL,               -- of the acquisition's main file, or its folder
    state    TEXT NOT NULL,               -- growing | incomplete | taken | gone | duplicate
    mark     TEXT NOT NULL,               -- size, time and such: differs when it is replaced
    since    REAL NOT NULL,               -- the mark has been like this since then
    reason   TEXT NOT NULL DEFAULT '',
    data_set INTEGER,
    PRIMARY KEY (watch, path)
) WITHOUT ROWID;

CREATE TABLE schedule (
    name     TEXT PRIMARY KEY,
    recipe   TEXT NOT NULL,
    steps    TEXT NOT NULL,               -- joined by commas, in order
    needs    TEXT NOT NULL,               -- other steps that a data set must have run before
    times    INTEGER NOT NULL,            -- how many rounds
    every_s  REAL NOT NULL,               -- at least between the starts of two rounds
    state    TEXT NOT NULL,               -- prepared | running | stopped | finished
    round    INTEGER NOT NULL DEFAULT 0,  -- rounds begun
    began    REAL NOT NULL DEFAULT 0,     -- start of the present round
    busy     INTEGER NOT NULL DEFAULT 0   -- of the present round: 0 ended, 1 to be queued, 2 queued
) WITHOUT ROWID;

-- What a schedule has queued, so that a data set is taken again only when there is a reason.
CREATE TABLE schedule_item (
    schedule TEXT NOT NULL REFERENCES schedule (name) ON DELETE CASCADE,
    data_set INTEGER NOT NULL REFERENCES data_set (id) ON DELETE CASCADE,
    mark     TEXT NOT NULL,               -- of what it was made from: differs when that changes
    batch    INTEGER NOT NULL,            -- the batch that was queued for it; 0 for none
    round    INTEGER NOT NULL,            -- in which round
    PRIMARY KEY (schedule, data_set)
) WITHOUT ROWID;
