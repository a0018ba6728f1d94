#!/usr/bin/env python3
"""Medians of the JSON lines of kvs-bench, and the ratio of each kvs row to its redis row."""
import json
import statistics
import sys
from collections import defaultdict

rows = defaultdict(list)
with open(sys.argv[1]) as f:
    for line in f:
        if line.startswith("{"):
            row = json.loads(line)
            rows[row["subject"], row["workload"], row["clients"], row["pipeline"]].append(row)

print(f"{'subject':16} {'workload':9} {'pipe':>4} {'op/s':>9} {'p50 us':>9} {'p99 us':>9} {'p99.9 us':>9} {'cpu us/op':>9} {'cpu ratio':>9}")
median = {key: {name: statistics.median(row[name] for row in group)
                for name in ("ops_per_second", "p50_us", "p99_us", "p999_us", "cpu_us_per_op")}
          for key, group in rows.items()}
for (subject, workload, clients, pipeline), m in sorted(median.items(), key=lambda item: (item[0][3], item[0][1], item[0][0])):
    peer = median.get((subject.replace("kvs", "redis"), workload, clients, pipeline))
    ratio = f"{m['cpu_us_per_op'] / peer['cpu_us_per_op']:9.2f}" if subject.startswith("kvs") and peer and peer["cpu_us_per_op"] > 0 else ""
    print(f"{subject:16} {workload:9} {pipeline:4} {m['ops_per_second']:9.0f} {m['p50_us']:9.1f} {m['p99_us']:9.1f} "
          f"{m['p999_us']:9.1f} {m['cpu_us_per_op']:9.3f} {ratio}")
