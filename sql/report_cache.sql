-- The prompt cache from $1 up to $2, by job: what it saved, and what its windows cost.
--
-- An exchange can find its prompt in the cache if one before it of the same session, or for the first
-- of a session the same job, left it there no longer ago than the cache lives: 5 minutes or an hour
-- from its last use. What it wrote again for having come later is at most what that one had cached and
-- it did not read.
--
-- Columns: job; tokens of prompts, and of them read from the cache; picodollars that reads saved, and
-- that writes cost more than plain input; then of each window (5 minutes, an hour): how many exchanges
-- came too late by up to half of it and wrote again, the picodollars that was dearer than reading, and
-- what would have been paid more (less: negative) had all of these writes had the other window.
WITH exchange AS (
    SELECT job, exchange.model, credential, coalesce(session_id, run_id) AS session, reserved_at,
           input_tokens AS input, cache_write_5m_tokens AS write_5m,
           cache_write_1h_tokens AS write_1h, cache_read_tokens AS read,
           row_number() OVER within_session AS place,
           reserved_at - lag(reserved_at) OVER within_session AS session_gap,
           reserved_at - lag(reserved_at) OVER within_job AS job_gap,
           lag(cache_read_tokens + cache_write_5m_tokens + cache_write_1h_tokens)
               OVER within_session AS session_cached,
           price.multiplier * price.input_usd_per_mtok AS input_rate,
           price.multiplier * price.cache_write_5m_usd_per_mtok AS rate_5m,
           price.multiplier * price.cache_write_1h_usd_per_mtok AS rate_1h,
           price.multiplier * price.cache_read_usd_per_mtok AS read_rate
    FROM reeve.exchange
    CROSS JOIN LATERAL (
        SELECT price.*, CASE WHEN exchange.geo = 'us' THEN coalesce(us_geo_multiplier, 1)
                             ELSE 1 END AS multiplier
        FROM reeve.price WHERE price.price_row = exchange.price_row) AS price
    WHERE reserved_at >= $1::timestamptz - interval '2 hours'
      AND reserved_at < $2::timestamptz
      AND tier <> 'batch'
      AND input_tokens + cache_write_5m_tokens + cache_write_1h_tokens + cache_read_tokens > 0
    WINDOW within_session AS (PARTITION BY job, exchange.model, credential,
                                           coalesce(session_id, run_id)
                              ORDER BY reserved_at),
           within_job AS (PARTITION BY job, exchange.model, credential ORDER BY reserved_at)
), followed AS (
    SELECT *,
           CASE WHEN place = 1 THEN job_gap ELSE session_gap END AS gap,
           coalesce(CASE WHEN place > 1 THEN session_cached
                         ELSE lag(read + write_5m + write_1h)
                              OVER (PARTITION BY job, model, credential, place = 1
                                    ORDER BY reserved_at) END, 0) AS cached
    FROM exchange
), judged AS (
    SELECT *,
           least(write_5m, greatest(cached - read, 0)) AS again_5m,
           least(write_1h, greatest(cached - read, 0)) AS again_1h,
           gap > interval '5 minutes' AND gap <= interval '1 hour' AS between_windows,
           gap > interval '5 minutes' AND gap <= interval '7.5 minutes' AS late_for_5m,
           gap > interval '1 hour' AND gap <= interval '90 minutes' AS late_for_1h
    FROM followed
    WHERE reserved_at >= $1::timestamptz
)
SELECT job,
       sum(input + write_5m + write_1h + read)::bigint,
       sum(read)::bigint,
       round(sum(read * (input_rate - read_rate)) * 1000000)::bigint,
       round(sum(write_5m * (rate_5m - input_rate) + write_1h * (rate_1h - input_rate))
             * 1000000)::bigint,
       count(*) FILTER (WHERE late_for_5m AND again_5m > 0),
       round(coalesce(sum(again_5m * (rate_5m - read_rate)) FILTER (WHERE late_for_5m), 0)
             * 1000000)::bigint,
       round(sum(write_5m * (rate_1h - rate_5m)
                 - CASE WHEN between_windows THEN again_5m * (rate_1h - read_rate) ELSE 0 END)
             * 1000000)::bigint,
       count(*) FILTER (WHERE late_for_1h AND again_1h > 0),
       round(coalesce(sum(again_1h * (rate_1h - read_rate)) FILTER (WHERE late_for_1h), 0)
             * 1000000)::bigint,
       CASE WHEN sum(write_1h) = 0 THEN 0 ELSE
           round(sum(CASE WHEN between_windows THEN read * (rate_5m - read_rate) ELSE 0 END
                     - write_1h * (rate_1h - rate_5m))
                 * 1000000)::bigint END
FROM judged
GROUP BY job
ORDER BY job
