-- The usage of each exchange from $1 up to $2 that is known exactly and was billed.
--
-- Columns: model, moment (microseconds since 1970), geo and tier, tokens by kind, web searches,
-- picodollars.
SELECT model, (extract(epoch FROM reserved_at) * 1000000)::bigint, geo, tier,
       input_tokens, output_tokens, cache_write_5m_tokens, cache_write_1h_tokens, cache_read_tokens,
       web_search_requests, (cost_usd * 1000000000000)::bigint
FROM reeve.exchange
WHERE reserved_at >= $1::timestamptz AND reserved_at < $2::timestamptz
  AND NOT estimated AND NOT unknown_model AND cost_usd > 0 AND model IS NOT NULL
