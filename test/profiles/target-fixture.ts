/** A small target file that uses every kind of thing a target file can say. */

export const TARGET = `name: shop
title: Shop
description: For tests.
service:
  start: node --title "my shop" 'a b'/main.js
  directory: ../code
  env:
    PORT: \${port}
    DB: \${postgres.url}
    CACHE: \${redis.url}
    LIMIT: 5
    DEBUG: false
  ready: /ready
  metrics:
    path: /metrics
    series: { cacheLookups: lookups_total, cacheHitsL1: 'hits_total{tier="l1"}' }
postgres:
  embedded:
    database: shop
    settings: { jit: false, work_mem: 8MB }
redis:
  local:
    settings: { lazyfree-lazy-eviction: true, maxmemory-policy: allkeys-lru }
seed:
  command: [node, seed.js, --scale, "\${scale}"]
  scales: [small, big]
  default: big
  quick: small
knobs:
  pool: { title: Pool, role: pool-max, type: int, min: 1, max: 50, default: 10, env: POOL }
  ttl: { title: TTL, role: l1-ttl, type: duration, min: 0s, max: 1m, default: 5s, env: TTL_S, unit: s }
  memory: { title: Memory, role: redis-maxmemory, type: bytes, min: 1MB, max: 1GB, default: 64MB, redis: maxmemory }
  mode: { title: Mode, type: enum, values: [fast, safe], default: safe, env: MODE, scope: reload }
  warm: { title: Warm, type: bool, default: true, env: WARM }
workloads:
  browse:
    parameters:
      product: { sql: "SELECT id, name FROM products;", limit: 50, draw: zipf(1.2) }
      size: { values: [s, m, l] }
      place: { values: [{ city: a, zip: 1 }, { city: b, zip: 2 }] }
      amount: { int: { min: 1, max: 9 } }
      fresh: { unique: order- }
    requests:
      - name: list
        weight: 9
        path: /products
        query: { q: "size = '\${size}' & new", page: 2, sort: [name, "price desc"] }
      - name: order
        weight: 1
        method: POST
        path: /orders/\${product.id}?from=\${place.city}
        headers: { x-id: "\${fresh}" }
        body:
          name: \${fresh}
          lines: { $repeat: 3, item: { no: "\${index}", amount: "\${amount}" } }
        expect: [201]
`;
