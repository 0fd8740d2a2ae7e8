/** A persona file that is right, for tests to put mistakes into. */
export const BASE = `name: mine
title: Mine
description: For tests.
priority: speed
workload:
  name: interactive
  arrivals: poisson
  rate: { share: 40% }
  warmup: 500ms
  window: 2m
  timeout: 10s
objectives:
  - metric: api.latencyP95Ms
    goal: 200ms
    stretch: 0.1s
    weight: 2
  - { metric: cache.hitRate, goal: 98%, weight: 1 }
strategies:
  - name: micro-cache
    title: Cache
    tuner: micro-cache
    objective: api.latencyP95Ms
    settings: { l1-ttl: 5s, l1-size: 1GB, pool-max: 30, label: fast }
    presets:
      - { metric: "p95, ms", from: 285, to: 180 }
      - { metric: "hits, %", from: 1, to: 2.5 }
  - name: later
    title: Later
    objective: db.queryMeanMs
constraints:
  - { metric: api.errorRate, limit: 0.5% }
  - { metric: service.memoryBytes, noWorseThan: 10% }
  - { metric: pool.waitMs, noWorseThan: 5ms }
minEffect: { ratio: 3%, difference: 0.01 }
budget: { total: 9m, pairsMax: 14, candidatesMax: 4 }
`;
