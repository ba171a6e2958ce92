SELECT record->>'status' AS status, paid.key AS currency, sum(CAST(paid.value->>'$' AS DECIMAL(38, 4))) AS amount
FROM orders, json_each(record->'paid') AS paid
GROUP BY ALL ORDER BY ALL
