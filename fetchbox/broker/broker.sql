-- The log in one SQLite file: append-only messages, and where each group has got to.

CREATE TABLE IF NOT EXISTS topics (
    name TEXT PRIMARY KEY,
    partitions INTEGER NOT NULL,
    retention_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- `id` names a partition in the tables below; `next` only grows, so offsets are never reused.
CREATE TABLE IF NOT EXISTS partitions (
    id INTEGER PRIMARY KEY,
    topic TEXT NOT NULL,
    number INTEGER NOT NULL,
    next INTEGER NOT NULL DEFAULT 0,
    UNIQUE (topic, number)
) STRICT;

CREATE TABLE IF NOT EXISTS messages (
    partition INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (partition, offset)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS members (
    id TEXT PRIMARY KEY,
    topic TEXT NOT NULL,
    group_name TEXT NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- `committed` is the offset to resume at, NULL = never committed. `owner` is the member that reads
-- the partition for the group; `epoch` counts its owners and fences the commits of former ones.
CREATE TABLE IF NOT EXISTS cursors (
    partition INTEGER NOT NULL,
    group_name TEXT NOT NULL,
    committed INTEGER,
    owner TEXT,
    epoch INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (partition, group_name)
) STRICT, WITHOUT ROWID;
