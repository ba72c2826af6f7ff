"""Raw rows to the page people read: report.py NAME ROWS.csv PAGE.md SETTINGS.

Every figure is a median with its range. The page says on which machine, from which commit and how busy the
machine was; it says nothing that is not in the rows.
"""

import csv
import pathlib
import re
import statistics
import subprocess
import sys


def output(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def machine():
    def field(text, name):
        found = re.search(rf"^{name}\s*:\s*(.+)$", text, re.M)
        return found.group(1).strip() if found else "?"

    processor = field(pathlib.Path("/proc/cpuinfo").read_text(), "model name")
    memory = int(field(pathlib.Path("/proc/meminfo").read_text(), "MemTotal").split()[0]) // 1024 // 1024
    disk = output("stat", "-f", "-c", "%T", ".")
    changed = " with uncommitted changes" if output("git", "status", "--porcelain", "--untracked-files=no", "--", "src", "crates", "adapters", "Cargo.toml") else ""
    return [
        ("machine", f"{processor}, {output('nproc')} processors, {memory} GiB, {output('uname', '-sr')}, {disk}"),
        ("commit", output("git", "rev-parse", "--short", "HEAD") + changed),
        ("compiler", output("rustc", "--version")),
        ("date", output("date", "-u", "+%Y-%m-%d")),
    ]


def spread(values, digits=1):
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:,.{digits}f} ({low:,.{digits}f}–{high:,.{digits}f})"


def ratio(upper, lower):
    """The ratio of two peers, round by round, since a round's two turns saw the same machine."""
    return spread([one / other for one, other in zip(upper, lower)], 2)


def table(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(str(cell) for cell in row) + " |"


def pick(rows, column, **where):
    return [float(row[column]) for row in rows if all(row[key] == value for key, value in where.items())]


def service(rows, _notes):
    yield "CPU is user and system time of all the server's threads, from the kernel's counters, divided by requests; the ratio is the peer's CPU per request over ours in the same round (goal: JSON ≥ 0.7, SOAP ≥ 0.5)."
    yield ""
    body = []
    for scenario in ("json", "soap"):
        many = {peer: dict(scenario=scenario, peer=peer, connections="64") for peer in ("nginx", "gateway")}
        cpu = {peer: pick(rows, "cpu_us_per_request", **where) for peer, where in many.items()}
        for peer, where in many.items():
            rate = [count / seconds for count, seconds in zip(pick(rows, "requests", **where), pick(rows, "seconds", **where))]
            p99 = [value / 1000 for value in pick(rows, "p99_us", **where)]
            against = ratio(cpu["nginx"], cpu["gateway"]) if peer == "gateway" else ""
            body.append([scenario, peer, spread(cpu[peer]), against, spread(rate, 0), spread(p99)])
    yield from table(["Service", "Server", "CPU per request, µs", "Ratio", "Requests a second", "p99, ms"], body)
    yield ""
    yield "64 connections, closed loop; median and range over the rounds."
    yield ""
    body = []
    for scenario in ("json", "soap"):
        where = {peer: dict(scenario=scenario, peer=peer, connections="1") for peer in ("direct", "nginx", "gateway")}
        p50 = {peer: pick(rows, "p50_us", **filters) for peer, filters in where.items()}
        flush = pick(rows, "flush_us", **where["gateway"])
        added = [own - direct for own, direct in zip(p50["gateway"], p50["direct"])]
        allowed = [1000 + 2 * one for one in flush]
        body.append([scenario, *(spread(p50[peer], 0) for peer in p50), spread(added, 0), spread(flush, 0), spread(allowed, 0)])
    yield from table(["Service", "direct, p50 µs", "through nginx", "through the gateway", "added by the gateway", "one flush", "goal: at most"], body)
    yield ""
    yield "One connection, one request at a time. The goal is 1 ms and one flush for each of the two records that must be durable. A flush is measured before each turn: 4 KiB appended, `fdatasync`, median of 50."


def mapping(rows, notes):
    yield "Nanoseconds for one answer, the median of 25 turns of 20 ms that the subjects took alternately (zeep after them); the ratios are taken within a round. Goals: at least 0.4 × the bare parser, at least 50 × zeep."
    yield ""
    body, inputs = [], list(dict.fromkeys((row["input"], row["bytes"]) for row in rows))
    for name, size in inputs:
        ns = {subject: pick(rows, "ns", subject=subject, input=name) for subject in ("parser", "canonical", "zeep")}
        cells = [spread(ns[subject], 0) for subject in ns]
        body.append([name, size, *cells, ratio(ns["parser"], ns["canonical"]), ratio(ns["zeep"], ns["canonical"])])
    yield from table(["Answer", "Bytes", "bare parser", "to canonical JSON", "zeep", "× the parser", "× zeep"], body)
    counts = {}
    for note in notes:
        found = re.match(r'# instructions,(\w+),"(.+)",(\d+)$', note)
        if found:
            counts.setdefault(found.group(2), {})[found.group(1)] = int(found.group(3))
    if counts:
        yield ""
        yield "Instructions for one answer (`valgrind --tool=callgrind`), which do not depend on how busy the machine is:"
        yield ""
        body = [[name, f"{own['parser']:,}", f"{own['canonical']:,}", f"{own['parser'] / own['canonical']:.2f}"] for name, own in counts.items()]
        yield from table(["Answer", "bare parser", "to canonical JSON", "× the parser"], body)


def start(rows, _notes):
    yield "From the start of the process (`qovsaq serve`, the demonstration's whole configuration, an orderly stop before) to the first correct answer of `interior/person-identity` over mutual TLS, on a connection made for it; then its resident memory, alone and idle."
    yield ""
    kib = lambda column: [value / 1024 for value in pick(rows, column)]
    yield from table(
        ["What", "Median (range)", "Goal"],
        [
            ["listening, ms", spread(pick(rows, "listening_ms")), ""],
            ["first answer, ms (B9)", spread(pick(rows, "answered_ms")), "≤ 300"],
            ["memory when listening, MiB (B8)", spread(kib("rss_listening_kib")), "≤ 60"],
            ["memory after the answer, MiB (B8)", spread(kib("rss_answered_kib")), "≤ 60"],
        ],
    )
    yield ""
    yield f"{len(rows)} runs."


def newcomer(rows, _notes):
    goals = {"fresh clone and demo --once": "≤ 360", "demo --once again": "≤ 10", "debug build after one edit": "≤ 10"}
    body = []
    for step in dict.fromkeys(row["step"] for row in rows):
        used = spread(pick(rows, "cpu_seconds", step=step)) if "cpu_seconds" in rows[0] else "–"
        body.append([step, spread(pick(rows, "seconds", step=step)), goals.get(step, ""), used])
    yield from table(["Step", "Seconds", "Goal", "Processor seconds"], body)
    yield ""
    yield "Crates were already downloaded. The edit is one line in `src/pipeline.rs`."


TITLES = {
    "B2": ("One service over mutual TLS, against nginx", service),
    "B7": ("SOAP answer to canonical JSON, against the bare parser and zeep", mapping),
    "B9": ("Start to first answer, and memory when idle", start),
    "B11": ("A newcomer's wait", newcomer),
}


def main(name, rows_file, page_file, settings):
    lines = pathlib.Path(rows_file).read_text().splitlines()
    notes = [line for line in lines if line.startswith("#")]
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    title, body = TITLES[name]
    page = [f"# {name}: {title}", "", f"Written by `scripts/bench {name}` from [{name}.csv]({name}.csv); do not edit. What it means: [README.md](README.md).", ""]
    page += body(rows, notes)
    page += ["", "| | |", "|---|---|"]
    page += [f"| {key} | {value} |" for key, value in machine()]
    page.append(f"| settings | {settings} |")
    if rows and "busy_percent" in rows[0]:
        page.append(f"| others' use of the processors before each turn | {spread(pick(rows, 'busy_percent'), 0)} % |")
    page += [f"| check | {note.lstrip('# ')} |" for note in notes if "instructions" not in note]
    pathlib.Path(page_file).write_text("\n".join(page) + "\n")


main(*sys.argv[1:])
