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
    counted_tokens        bigint NOT NULL CHECK (counted_tokens >= 0),
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
    recorded_at           timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX exchange_reserved_at ON reeve.exchange (reserved_at);
CREATE INDEX exchange_run_id ON reeve.exchange (run_id);

-- An alert has no id of its own: its place in its journal is one.
CREATE TABLE reeve.alert (
    journal_id  uuid NOT NULL,
    segment     bigint NOT NULL,
    byte_offset bigint NOT NULL,
    kind        text NOT NULL,
    run_id      text,
    job         text,
    message     text,
    raised_at   timestamptz NOT NULL,
    PRIMARY KEY (journal_id, segment, byte_offset)
);
CREATE INDEX alert_raised_at ON reeve.alert (raised_at);

-- The price rows as they were loaded last, so that books can be priced again and audited.
CREATE TABLE reeve.price (
    price_row       text NOT NULL,
    kind            text NOT NULL,  -- standard, long, fast
    model           text NOT NULL,
    above_tokens    bigint,         -- of the prompt, from which "long" holds
    effective_from  date,           -- UTC; NULL: always
    effective_until date,           -- the first day that the row does not hold; NULL: open
    input_usd_per_mtok          numeric(20, 6) NOT NULL,
    output_usd_per_mtok         numeric(20, 6) NOT NULL,
    cache_write_5m_usd_per_mtok numeric(20, 6) NOT NULL,
    cache_write_1h_usd_per_mtok numeric(20, 6) NOT NULL,
    cache_read_usd_per_mtok     numeric(20, 6) NOT NULL,
    us_geo_multiplier           numeric(8, 4),
    batch_multiplier            numeric(8, 4),
    source          text,
    loaded_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (price_row, kind)
);

-- Records that Postgres would not take, whole, for a person to look at.
CREATE TABLE reeve.quarantine (
    journal_id     uuid NOT NULL,
    segment        bigint NOT NULL,
    byte_offset    bigint NOT NULL,
    record_type    text NOT NULL,
    record         text NOT NULL,  -- its columns as JSON
    reason         text NOT NULL,  -- what Postgres said
    quarantined_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (journal_id, segment, byte_offset)
);

-- How far a journal has been followed. Moved in the transaction that writes the rows, so that each
-- record is taken exactly once.
CREATE TABLE reeve.feed_cursor (
    journal_id  uuid PRIMARY KEY,
    host        text NOT NULL,
    segment     bigint NOT NULL,
    byte_offset bigint NOT NULL,
    moved_at    timestamptz NOT NULL DEFAULT now()
);
