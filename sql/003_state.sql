-- State between runs: which pieces of work are being done, and which are done; see reeve-state(1).

CREATE TABLE reeve.source_state (
    job        text NOT NULL,
    key        text COLLATE "C" NOT NULL,
    state      text NOT NULL CHECK (state IN ('free', 'held', 'done')),
    fence      bigint NOT NULL,      -- the number of the last claim that was granted; it only grows
    holder     text NOT NULL,        -- who claimed it last: a run, or "operator-UID"
    host       text NOT NULL,        -- of the holder
    whole_run  boolean NOT NULL,     -- claimed by `reeve run --key`: it is done when the run has ended
    ttl_us     bigint NOT NULL,      -- what a renewal adds
    claimed_at timestamptz NOT NULL, -- all times are this database's own clock
    expires_at timestamptz NOT NULL, -- from then on anybody may take over what is held
    done_at    timestamptz,
    result     json,                 -- as `reeve state done --result` has given it
    PRIMARY KEY (job, key)
);
CREATE INDEX source_state_holder ON reeve.source_state (holder) WHERE state = 'held';
