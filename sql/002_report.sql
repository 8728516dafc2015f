-- What the reports and the audit read. A view that changes is replaced by a later migration.

-- Each exchange with what its cache reads saved: the same tokens at the uncached input price of the
-- row that it was priced with, less what they cost. NULL where that row is not known. Tokens that
-- another model consumed within the exchange (an advisor, a fallback) count as the answering model's.
CREATE VIEW reeve.exchange_saving AS
SELECT exchange.*,
       exchange.cache_read_tokens * (price.input_usd_per_mtok - price.cache_read_usd_per_mtok)
           * 0.000001
           * CASE WHEN exchange.geo = 'us'
                  THEN coalesce(price.us_geo_multiplier,
                                (SELECT max(us_geo_multiplier) FROM reeve.price), 1)
                  ELSE 1 END
           * CASE WHEN exchange.tier = 'batch' THEN coalesce(price.batch_multiplier, 1) ELSE 1 END
           AS cache_saving_usd
FROM reeve.exchange
LEFT JOIN reeve.price USING (price_row);

-- The exchanges that one price row priced, and what they would cost at the prices as loaded now.
-- Left out: what is estimated or of an unknown model, and messages that took several passes, each of
-- which has a price of its own.
CREATE VIEW reeve.exchange_repriced AS
SELECT exchange.exchange_id, exchange.run_id, exchange.price_row, exchange.cost_usd,
       (exchange.input_tokens * price.input_usd_per_mtok
            + exchange.output_tokens * price.output_usd_per_mtok
            + exchange.cache_write_5m_tokens * price.cache_write_5m_usd_per_mtok
            + exchange.cache_write_1h_tokens * price.cache_write_1h_usd_per_mtok
            + exchange.cache_read_tokens * price.cache_read_usd_per_mtok)
           * 0.000001
           * CASE WHEN exchange.geo = 'us' THEN price.us_geo_multiplier ELSE 1 END
           * CASE WHEN exchange.tier = 'batch' THEN coalesce(price.batch_multiplier, 1) ELSE 1 END
           + exchange.web_search_requests
             * coalesce((SELECT fee.request_usd FROM reeve.price AS fee
                         WHERE fee.kind = 'request' AND fee.model = 'web_search'
                           AND (fee.effective_until IS NULL
                                OR fee.effective_until > exchange.reserved_at)
                         ORDER BY fee.effective_until NULLS LAST LIMIT 1), 0)
           AS repriced_usd
FROM reeve.exchange
JOIN reeve.price USING (price_row)
WHERE NOT exchange.estimated
  AND NOT exchange.unknown_model
  AND price.kind IN ('standard', 'long', 'fast')
  AND (exchange.geo <> 'us' OR price.us_geo_multiplier IS NOT NULL)
  AND exchange.usage IS NOT NULL
  AND CASE WHEN json_typeof(exchange.usage -> 'iterations') = 'array'
           THEN json_array_length(exchange.usage -> 'iterations') <= 1
           ELSE true END;

-- The closed runs beside the sums of their exchanges. The daemon and the ledger add up apart. What a
-- batch is known to have used after its run was closed is the job's, and in no sum of a run.
CREATE VIEW reeve.run_sum AS
SELECT run.run_id, run.exchanges, run.cost_usd,
       run.input_tokens, run.output_tokens, run.cache_write_5m_tokens,
       run.cache_write_1h_tokens, run.cache_read_tokens,
       count(exchange.exchange_id) AS ledger_exchanges,
       coalesce(sum(exchange.cost_usd), 0) AS ledger_cost_usd,
       coalesce(sum(exchange.input_tokens), 0) AS ledger_input_tokens,
       coalesce(sum(exchange.output_tokens), 0) AS ledger_output_tokens,
       coalesce(sum(exchange.cache_write_5m_tokens), 0) AS ledger_cache_write_5m_tokens,
       coalesce(sum(exchange.cache_write_1h_tokens), 0) AS ledger_cache_write_1h_tokens,
       coalesce(sum(exchange.cache_read_tokens), 0) AS ledger_cache_read_tokens
FROM reeve.run
LEFT JOIN reeve.exchange ON exchange.run_id = run.run_id
    AND (exchange.batch_id IS NULL OR exchange.settled_at <= run.closed_at)
WHERE run.closed_at IS NOT NULL
GROUP BY run.run_id;
