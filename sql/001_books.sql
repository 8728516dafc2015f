-- The books: what the journal remembers, as rows. Times are UTC, money is dollars, exact.
--
-- Names are qualified everywhere: a pooler in transaction mode keeps no search_path.

CREATE TABLE reeve.job (
    job           text PRIMARY KEY,
    first_seen_at timestamptz NOT NULL
);

CREATE TABLE reeve.run (
    run_id                text PRIMARY KEY,
    job                   text NOT NULL,
    command               text,          -- argv[0] only: arguments can hold secrets
    host                  text,
    opened_at             timestamptz,   -- NULL where only the end is known
    -- Limits; NULL is none.
    cost_max_usd          numeric(20, 12),
    tokens_max            bigint,
    output_tokens_max     bigint,
    requests_max          bigint,
    memory_max_bytes      bigint,
    memory_high_bytes     bigint,
    memory_swap_max_bytes bigint,
    tasks_max             bigint,
    cpu_quota_percent     bigint,
    runtime_max_us        bigint,
    -- The end; NULL while the run is live.
    closed_at             timestamptz,
    ended                 text,          -- exited signaled ceiling oom timeout killed lost
    exit_code             integer,
    memory_peak_bytes     bigint,
    cpu_us                bigint,
    -- The daemon's own sums, so that the exchanges can be checked against them.
    exchanges             bigint,
    free_calls            bigint,
    cost_usd              numeric(20, 12),
    input_tokens          bigint,
    output_tokens         bigint,
    cache_write_5m_tokens bigint,
    cache_write_1h_tokens bigint,
    cache_read_tokens     bigint
);
CREATE INDEX run_opened_at ON reeve.run (opened_at);

-- One attempt upstream at something billed, and its response.
CREATE TABLE reeve.exchange (
    exchange_id           uuid PRIMARY KEY, -- ours: the upstream's ids collide or are missing
    run_id                text NOT NULL,
    job                   text NOT NULL,
    host                  text,
    credential            text,
    path                  text,
    session_id            text,
    model_asked           text,
    model                 text,             -- that answered
    price_row             text,             -- of reeve.price, that it was priced with
    request_id            text,             -- the upstream's
    message_id            text,
    stop_reason           text,
    reserved_at           timestamptz NOT NULL, -- decides the day and the month that it counts in
    settled_at            timestamptz NOT NULL,
    first_byte_us         bigint,
    reserved_usd          numeric(20, 12) NOT NULL,
    cost_usd              numeric(20, 12) NOT NULL,
    counted_usd           numeric(20, 12) NOT NULL, -- what the ceilings counted
    counted_tokens        bigint NOT NULL CHECK (counted_tokens >= 0),
    counted_output_tokens bigint NOT NULL CHECK (counted_output_tokens >= 0),
    input_tokens          bigint NOT NULL CHECK (input_tokens >= 0),
    output_tokens         bigint NOT NULL CHECK (output_tokens >= 0),
    cache_write_5m_tokens bigint NOT NULL CHECK (cache_write_5m_tokens >= 0),
    cache_write_1h_tokens bigint NOT NULL CHECK (cache_write_1h_tokens >= 0),
    cache_read_tokens     bigint NOT NULL CHECK (cache_read_tokens >= 0),
    thinking_tokens       bigint NOT NULL CHECK (thinking_tokens >= 0),
    web_search_requests   bigint NOT NULL CHECK (web_search_requests >= 0),
    web_fetch_requests    bigint NOT NULL CHECK (web_fetch_requests >= 0),
    attempt               integer NOT NULL,
    http_status           integer,
    ended                 text NOT NULL,
    speed                 text NOT NULL,
    tier                  text NOT NULL,
    geo                   text NOT NULL,
    streamed              boolean NOT NULL,
    estimated             boolean NOT NULL,
    unknown_model         boolean NOT NULL,
    usage                 json,             -- as the upstream wrote it
    -- Of a Message Batch: one row for each message in its results. NULL for all others.
    batch_id              text,
    custom_id             text,             -- NULL: all of the batch that could not be read
    recorded_at           timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX exchange_reserved_at ON reeve.exchange (reserved_at);
CREATE INDEX exchange_run_id ON reeve.exchange (run_id);

-- An alert has no id: what it says, and when, is its identity. '' where there is no run or job.
CREATE TABLE reeve.alert (
    raised_at timestamptz NOT NULL,
    kind      text NOT NULL,
    run_id    text NOT NULL,
    job       text NOT NULL,
    message   text NOT NULL,
    PRIMARY KEY (raised_at, kind, run_id, job, message)
);

-- The price rows as they were loaded last, so that books can be priced again and audited.
CREATE TABLE reeve.price (
    price_row       text PRIMARY KEY,
    model           text NOT NULL,
    kind            text NOT NULL, -- standard long fast request refusal
    above_tokens    bigint,        -- of the prompt, for kind long
    effective_from  timestamptz,   -- NULL: always
    effective_until timestamptz,   -- the first moment out of force; NULL: open
    input_usd_per_mtok          numeric(20, 6) NOT NULL,
    output_usd_per_mtok         numeric(20, 6) NOT NULL,
    cache_write_5m_usd_per_mtok numeric(20, 6) NOT NULL,
    cache_write_1h_usd_per_mtok numeric(20, 6) NOT NULL,
    cache_read_usd_per_mtok     numeric(20, 6) NOT NULL,
    request_usd                 numeric(20, 12), -- a use of a server tool, for kind request
    us_geo_multiplier           numeric(10, 6),  -- of all rates; NULL: not offered
    batch_multiplier            numeric(10, 6),
    source          text
);

-- What the feed could not take, whole, for a person to look at: rows that Postgres refused, records
-- that this version does not understand, and gaps in the journal.
CREATE TABLE reeve.quarantine (
    journal_id     uuid NOT NULL,
    segment        bigint NOT NULL, -- where the record ends
    byte_offset    bigint NOT NULL,
    record_type    text NOT NULL,   -- the table that it was meant for, "unreadable" or "gap"
    record         text NOT NULL,   -- its columns as JSON; for "unreadable" its bytes in hex
    reason         text NOT NULL,
    quarantined_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX quarantine_record ON reeve.quarantine
    (record_type, hashtextextended(record, 0));

-- How far a journal has been followed. Moved in the transaction that writes the rows, so that each
-- record is taken exactly once.
CREATE TABLE reeve.feed_cursor (
    journal_id  uuid PRIMARY KEY,
    host        text NOT NULL,
    segment     bigint NOT NULL,
    byte_offset bigint NOT NULL,
    fingerprint bigint NOT NULL, -- of the segment up to there: a journal that differs is read anew
    moved_at    timestamptz NOT NULL DEFAULT now()
);
