-- What was spent, by day and job. $1: the bounds of the days, as moments; the last one is no day.
--
-- Columns: day (0: the first), job, the moment (microseconds since 1970) that the job was first seen,
-- then sums; dollars are picodollars.
SELECT width_bucket(exchange.reserved_at, $1::timestamptz[]) - 1 AS day,
       exchange.job,
       min(extract(epoch FROM job.first_seen_at) * 1000000)::bigint,
       count(*),
       count(*) FILTER (WHERE estimated),
       count(*) FILTER (WHERE unknown_model),
       count(*) FILTER (WHERE ended IN ('upstream_error', 'stream_error', 'cut', 'not_sent', 'retried')),
       count(*) FILTER (WHERE attempt > 1 AND cost_usd > 0),
       sum(input_tokens)::bigint,
       sum(output_tokens)::bigint,
       sum(cache_write_5m_tokens)::bigint,
       sum(cache_write_1h_tokens)::bigint,
       sum(cache_read_tokens)::bigint,
       round(sum(cost_usd) * 1000000000000)::bigint,
       round(coalesce(sum(cost_usd) FILTER (WHERE estimated), 0) * 1000000000000)::bigint,
       round(coalesce(sum(cost_usd) FILTER (WHERE attempt > 1), 0) * 1000000000000)::bigint,
       round(sum(counted_usd) * 1000000000000)::bigint,
       sum(counted_tokens)::bigint
FROM reeve.exchange
LEFT JOIN reeve.job USING (job)
WHERE exchange.reserved_at >= ($1::timestamptz[])[1]
  AND exchange.reserved_at < ($1::timestamptz[])[array_upper($1::timestamptz[], 1)]
GROUP BY 1, 2
ORDER BY 2, 1
