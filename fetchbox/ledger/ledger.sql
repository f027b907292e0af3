-- The ledger. Resources are keyed, a job's counts are kept in step with them inside one
-- transaction, its state is derived by model.job.state_of. Times are Unix ms.

CREATE TABLE IF NOT EXISTS job (
    id              INTEGER PRIMARY KEY,
    job_id          TEXT NOT NULL UNIQUE,
    job_type        TEXT NOT NULL,
    tenant          TEXT NOT NULL,
    state           TEXT NOT NULL,
    status          TEXT AS (CASE state WHEN 'partial' THEN 'failed' ELSE state END),  -- as shown
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    total           INTEGER NOT NULL,
    completed       INTEGER NOT NULL,
    failed          INTEGER NOT NULL,
    nonretryable    INTEGER NOT NULL,            -- failed resources that no retry would help
    is_counted      INTEGER NOT NULL,            -- no more tasks will be made: the job may end
    is_capped       INTEGER NOT NULL,            -- somebody has said how many resources there are
    is_reported     INTEGER NOT NULL,            -- a worker has spoken
    is_aborted      INTEGER NOT NULL,            -- ingest gave up
    is_due          INTEGER NOT NULL,            -- has ended, and nobody has been told
    manifest_key    TEXT NOT NULL,
    manifest_sha256 TEXT NOT NULL,
    resource_count  INTEGER NOT NULL,            -- of the manifest, as answered to the client
    log_partition   INTEGER NOT NULL,
    log_offset      INTEGER NOT NULL,
    log_last_offset INTEGER NOT NULL,
    error_code      TEXT,
    error_message   TEXT,
    error_context   TEXT,                        -- JSON object
    dlq_partition   INTEGER,
    dlq_offset      INTEGER,
    origin          TEXT NOT NULL,
    trace_id        TEXT NOT NULL,
    published_at    INTEGER,
    finalized_at    INTEGER
);
CREATE INDEX IF NOT EXISTS job_by_time ON job (created_at, id);
CREATE INDEX IF NOT EXISTS job_by_status ON job (status, created_at, id);
CREATE INDEX IF NOT EXISTS job_by_type ON job (job_type, created_at, id);
CREATE INDEX IF NOT EXISTS job_by_tenant ON job (tenant, created_at, id);
CREATE INDEX IF NOT EXISTS job_by_update ON job (updated_at);
CREATE INDEX IF NOT EXISTS job_failed ON job (updated_at) WHERE status = 'failed';
CREATE INDEX IF NOT EXISTS job_due ON job (id) WHERE is_due = 1;

CREATE TABLE IF NOT EXISTS resource (
    job          INTEGER NOT NULL REFERENCES job (id),
    resource_id  TEXT NOT NULL,
    state        TEXT NOT NULL,
    failure_code TEXT NOT NULL,
    retryable    INTEGER NOT NULL,
    attempts     INTEGER NOT NULL,
    storage_key  TEXT NOT NULL,
    size_bytes   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    PRIMARY KEY (job, resource_id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS idempotency (
    tenant     TEXT NOT NULL,
    job_type   TEXT NOT NULL,
    key        TEXT NOT NULL,
    job_id     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, job_type, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS idempotency_by_time ON idempotency (created_at);

-- Up to which offset each partition of jobs.status has been applied.
CREATE TABLE IF NOT EXISTS applied (
    partition INTEGER PRIMARY KEY,
    offset    INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
