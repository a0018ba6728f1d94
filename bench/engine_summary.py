#!/usr/bin/env python3
"""Medians of the JSON lines of `kvs-bench engine`, the best peer of each workload, and kvs against it.

usage: bench/engine_summary.py LINES [PLOT-PREFIX]    the prefix makes PREFIX.svg and PREFIX.png, with gnuplot
"""
import json
import statistics
import subprocess
import sys
from collections import defaultdict

PEERS = ("lmdb", "rocksdb")
# What kvs must reach: times the best peer's operations a second; for those in LOWER, at most so many times its median latency.
TARGETS = {"fillrandom": 5, "overwrite": 5, "fillseq": 5, "fillbatch": 5, "fillsync": 1.1, "fillsync4": 1.4, "fillsync16": 2,
           "readrandom": 2.5, "readrandom2": 2.5, "multiget16": 8, "multiget32": 8, "readmissing": 3, "readseq": 2, "seekrandom": 2,
           "readwhilewriting": 1.8, "readwhilewriting-writer": 5, "deleterandom": 4, "ycsba": 5, "ycsbb": 2.8, "ycsbc": 2.5,
           "ycsbe": 1.9, "ycsbf": 4.5, "cold1": 1.05}
FIELDS = ("ops_per_second", "p50_us", "p99_us", "p999_us", "max_us", "rss_mib", "disk_mib", "write_amplification")

rows = defaultdict(list)
order = []
with open(sys.argv[1]) as lines:
    for line in lines:
        if line.startswith("{"):
            row = json.loads(line)
            rows[row["workload"], row["subject"]].append(row)
            if row["workload"] not in order:
                order.append(row["workload"])
median = {key: {name: statistics.median(row[name] for row in group) for name in FIELDS} for key, group in rows.items()}
subjects = sorted({subject for _, subject in rows}, key=lambda name: (name != "kvs", name))

print("| workload | store | op/s | p50 µs | p99 µs | p99.9 µs | max µs | RSS MiB | disk MiB | written ÷ user bytes |")
print("|---|---|---|---|---|---|---|---|---|---|")
for workload in order:
    for subject in subjects:
        m = median.get((workload, subject))
        if m:
            print(f"| {workload} | {subject} | {m['ops_per_second']:,.0f} | {m['p50_us']:.2f} | {m['p99_us']:.1f} | {m['p999_us']:.1f} | "
                  f"{m['max_us']:,.0f} | {m['rss_mib']:,.0f} | {m['disk_mib']:,.0f} | {m['write_amplification']:.1f} |")

print("\n| workload | best peer | its op/s | kvs op/s | kvs ÷ best peer | target |")
print("|---|---|---|---|---|---|")
for workload in order:
    peers = [(median[workload, peer]["ops_per_second"], peer) for peer in PEERS if (workload, peer) in median]
    own = median.get((workload, "kvs"))
    if peers and own:
        rate, peer = max(peers)
        target = TARGETS.get(workload)
        print(f"| {workload} | {peer} | {rate:,.0f} | {own['ops_per_second']:,.0f} | {own['ops_per_second'] / rate:.2f} | "
              f"{'≥ ' + str(target) if target else '–'} |")

if len(sys.argv) > 2:
    data = "\n".join(f'"{workload}" ' + " ".join(str(median[workload, subject]["ops_per_second"]) if (workload, subject) in median else "?"
                                                 for subject in subjects) for workload in order)
    columns = ", ".join(f'$d using {i + 2}:xtic(1) title "{subject}"' for i, subject in enumerate(subjects))
    for kind, terminal in (("svg", "svg size 1400,600"), ("png", "pngcairo size 1400,600")):
        subprocess.run(["gnuplot"], check=True, text=True, input=f"""$d << EOD
{data}
EOD
set terminal {terminal}
set output "{sys.argv[2]}.{kind}"
set datafile missing "?"
set style data histograms
set style fill solid 0.8
set logscale y
set ylabel "operations a second"
set xtics rotate by -40
set grid y
plot {columns}
""")
