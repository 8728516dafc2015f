-- The runs that spent something from $1 up to $2, or ended there; the dearest first.
--
-- Columns: run, job, exchanges, tokens and picodollars of that time; how the run ended, '' if not in
-- that time; how long it lasted (microseconds), its peak and limit of memory (bytes), NULL unknown.
WITH spent AS (
    SELECT run_id, min(job) AS job, count(*) AS exchanges, sum(cost_usd) AS cost_usd,
           sum(input_tokens + output_tokens + cache_write_5m_tokens + cache_write_1h_tokens
               + cache_read_tokens) AS tokens
    FROM reeve.exchange
    WHERE reserved_at >= $1::timestamptz AND reserved_at < $2::timestamptz
    GROUP BY run_id
), ended AS (
    SELECT run_id, job, ended
    FROM reeve.run
    WHERE closed_at >= $1::timestamptz AND closed_at < $2::timestamptz
)
SELECT run_id,
       coalesce(spent.job, ended.job),
       coalesce(spent.exchanges, 0),
       coalesce(spent.tokens, 0)::bigint,
       round(coalesce(spent.cost_usd, 0) * 1000000000000)::bigint,
       coalesce(ended.ended, ''),
       (extract(epoch FROM run.closed_at - run.opened_at) * 1000000)::bigint,
       run.memory_peak_bytes,
       run.memory_max_bytes
FROM spent
FULL JOIN ended USING (run_id)
LEFT JOIN reeve.run USING (run_id)
ORDER BY 5 DESC, 1
