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
    if len(values) == 1:
        return f"{middle:,.{digits}f}"
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
    yield "CPU is user and system time of all the server's threads, from the kernel's counters, divided by requests; the ratio is nginx's CPU per request over this server's in the same round (goal for the gateway: JSON ≥ 0.7, SOAP ≥ 0.5; first stage 0.5 for both)."
    yield ""
    body = []
    for scenario in ("json", "soap"):
        many = {peer: dict(scenario=scenario, peer=peer, connections="64") for peer in ("nginx", "relay", "gateway")}
        cpu = {peer: pick(rows, "cpu_us_per_request", **where) for peer, where in many.items()}
        many = {peer: where for peer, where in many.items() if cpu[peer]}
        for peer, where in many.items():
            rate = [count / seconds for count, seconds in zip(pick(rows, "requests", **where), pick(rows, "seconds", **where))]
            p99 = [value / 1000 for value in pick(rows, "p99_us", **where)]
            against = ratio(cpu["nginx"], cpu[peer]) if peer != "nginx" else ""
            body.append([scenario, peer, spread(cpu[peer]), against, spread(rate, 0), spread(p99)])
    yield from table(["Service", "Server", "CPU per request, µs", "Ratio", "Requests a second", "p99, ms"], body)
    yield ""
    yield "64 connections, closed loop; median and range over the rounds. `relay` (`benches/relay.rs`) is the same HTTP and TLS libraries with nothing between them: no policy, mapping, journal or receipt."
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


def against(rows, scenarios, connections, unit, per_second):
    """CPU, rate and p99 of the two peers: one table row each, for every scenario at every number of connections."""
    body = []
    for scenario in scenarios:
        for count in connections:
            where = {peer: dict(scenario=scenario, peer=peer, connections=count) for peer in ("nginx", "gateway")}
            if not pick(rows, "seconds", **where["gateway"]):
                continue
            cpu = {peer: pick(rows, "cpu_us_per_request", **filters) for peer, filters in where.items()}
            for peer, filters in where.items():
                rate = [done / seconds for done, seconds in zip(pick(rows, "requests", **filters), pick(rows, "seconds", **filters))]
                times = [[value / 1000 for value in pick(rows, column, **filters)] for column in ("p50_us", "p99_us")]
                times_nginx = ratio(cpu["gateway"], cpu["nginx"]) if peer == "gateway" else ""
                body.append([scenario, count, peer, spread(cpu[peer]), times_nginx, spread(rate, 0), *map(spread, times)])
    yield from table(["What", "Connections", "Server", f"CPU per {unit}, µs", "× nginx", f"{per_second} a second", "p50, ms", "p99, ms"], body)


def kept(rows, _notes):
    yield "The gateway gives a kept fact: identified, authorised, opened from its sealed cache, filtered, its disclosure durable, with receipt. nginx gives the same bytes from `proxy_cache` and writes a line to its access log."
    yield ""
    yield from against(rows, ["cached"], ["64", "1024"], "request", "Requests")
    yield ""
    flush = pick(rows, "flush_us", peer="gateway")
    yield f"HTTP/1.1, closed loop; median and range over the rounds. A flush took {spread(flush, 0)} µs before each of the gateway's turns (4 KiB appended, `fdatasync`, median of 50). Goal: CPU per request ≤ 1 × nginx's (first stage ≤ 2 ×), p99 ≤ nginx's and two flushes."


def dossier(rows, _notes):
    yield "A dossier of 8 or 15 services of about 1.1 KB of JSON, each authorised, journalled before and after, mapped and checked, told as one answer with receipts; nginx's Lua asks the same providers at once and writes their JSON as one. The last three of the 15 need a code that another answered."
    yield ""
    yield "Providers that answer at once, for the CPU:"
    yield ""
    yield from against(rows, ["bench-8", "bench-15"], ["16"], "dossier", "Dossiers")
    yield ""
    yield "Providers with the catalogue's median latencies, for the time; the slowest needed chain is 350 ms for 8, and 900 + 300 ms for 15:"
    yield ""
    body = []
    for scenario, limit, waves in (("usual-8", 350, 1), ("usual-15", 1200, 2)):
        p50 = {peer: [value / 1000 for value in pick(rows, "p50_us", scenario=scenario, peer=peer)] for peer in ("nginx", "gateway")}
        flush = [value / 1000 for value in pick(rows, "flush_us", scenario=scenario, peer="gateway")]
        allowed = [limit + (waves + 1) * one + 5 for one in flush]
        body.append([scenario, limit, spread(p50["nginx"]), spread(p50["gateway"]), spread(allowed)])
    yield from table(["What", "limit, ms", "nginx, p50 ms", "the gateway, p50 ms", "goal: at most"], body)
    yield ""
    yield "Median and range over the rounds. Goals: CPU per dossier ≤ 1.5 × nginx's (first stage ≤ 2 ×); p50 ≤ the limit, a flush for each wave and one more, and 5 ms."


def hung(rows, _notes):
    yield "500 questions a second that do not ask the hung source, and 20 dossiers a second of eight services beside them; in `hung` the eighth never answers (breaker and bulkhead out of the way), in `well` it does. Open loop, timed from when a question was due, the two taking turns."
    yield ""
    body = []
    for what, goal in (("single", "≤ 1.25 ×"), ("dossiers", "by its deadline, 2 s")):
        names = {"well": "single" if what == "single" else "bench-8", "hung": "single" if what == "single" else "hung-8"}
        for scenario in ("well", "hung"):
            where = dict(scenario=scenario, what=names[scenario])
            times = [[value / 1000 for value in pick(rows, column, **where)] for column in ("p50_us", "p99_us", "max_us")]
            p99 = {one: pick(rows, "p99_us", scenario=one, what=names[one]) for one in names}
            times_well = ratio(p99["hung"], p99["well"]) if scenario == "hung" and what == "single" else ""
            body.append([what, scenario, *map(spread, times), times_well, goal if scenario == "hung" else ""])
    yield from table(["Questions", "Scenario", "p50, ms", "p99, ms", "longest, ms", "p99 × `well`", "Goal"], body)


def memory(rows, _notes):
    each = [(float(row["rss_waiting_kib"]) - float(row["rss_idle_kib"])) / float(row["requests"]) for row in rows]
    mib = lambda column: [value / 1024 for value in pick(rows, column)]
    yield "Resident memory of `qovsaq serve` with all services loaded, before the first request; and while 10,000 questions wait, on 100 HTTP/2 connections, for sources that take half a minute and speak HTTP/2. Every one is journalled as about to be sent, and answered right afterwards."
    yield ""
    yield from table(
        ["What", "Median (range)", "Goal"],
        [
            ["idle, MiB", spread(mib("rss_idle_kib")), "≤ 60"],
            ["10,000 waiting, MiB", spread(mib("rss_waiting_kib")), ""],
            ["each waiting request, KiB", spread(each), "≤ 20"],
        ],
    )
    yield ""
    yield f"{len(rows)} runs, each with a server of its own."


def append(rows, _notes):
    yield "Entries of 600 bytes, appended by 1,024 tasks, each of which waits until its entry is on disk before it appends the next; stored levels, fence, checkpoints and a signed head for each commit, as shipped; entries not encrypted. The peers then write the same bytes in the same batches, with nobody waiting: `limit` one write and one `fdatasync` a batch into a file set aside as a segment is; `sqlite` one transaction a batch into one table without index (WAL, `synchronous = FULL`). `sqlite-waited` is that table with the same tasks waiting, for whom a thread puts into a transaction what has gathered."
    yield ""
    pace = {}
    body = []
    for peer in ("journal", "limit", "sqlite", "sqlite-waited"):
        entries, seconds, batches = (pick(rows, column, peer=peer) for column in ("entries", "seconds", "batches"))
        pace[peer] = [count / time for count, time in zip(entries, seconds)]
        batch = spread([count / many for count, many in zip(entries, batches)], 0)
        each = spread([1000 * time / many for time, many in zip(seconds, batches)], 2)
        body.append([peer, spread(pace[peer], 0), spread(pick(rows, "cpu_us_per_entry", peer=peer), 2), batch, each])
    yield from table(["Peer", "Entries a second", "CPU per entry, µs", "Entries a batch", "a batch, ms"], body)
    yield ""
    yield from table(
        ["What", "Median (range)", "Goal"],
        [
            ["the journal's CPU per entry, µs", spread(pick(rows, "cpu_us_per_entry", peer="journal"), 2), "≤ 5"],
            ["the journal against `sqlite`, entries a second", ratio(pace["journal"], pace["sqlite"]) + " ×", "≥ 1.5 ×"],
            ["the journal against `sqlite-waited`", ratio(pace["journal"], pace["sqlite-waited"]) + " ×", ""],
            ["the journal against `limit`, entries a second", ratio(pace["journal"], pace["limit"]) + " ×", "≥ 0.7 × where a flush takes 5 ms or more"],
            ["a flush, ms", spread([time / 1000 for time in pick(rows, "flush_us", peer="journal")], 2), ""],
        ],
    )
    yield ""
    yield "CPU is user and system time of the whole process, the waiters' included. The peers take turns in a round, and ratios are taken within it. A flush is measured before each round: 4 KiB appended, `fdatasync`, median of 50."


def growth(rows, _notes):
    sizes = list(dict.fromkeys(row["entries"] for row in rows))
    first = sizes[0]
    yield "Logs whose entries, 600 bytes each, are spread over the same two years, with their indexes. The goals compare each with the smallest."
    yield ""
    yield f"**Append**, as in B5, {int(pick(rows, 'count', what='append')[0]):,} more entries a turn, the logs taking turns; the ratios are of the turns beside each other:"
    yield ""
    body = []
    for size in sizes:
        wall, base = ([1e6 * seconds / count for seconds, count in zip(pick(rows, "seconds", **where), pick(rows, "count", **where))] for where in (dict(what="append", entries=size), dict(what="append", entries=first)))
        cpu, base_cpu = (pick(rows, "cpu_us_each", what="append", entries=one) for one in (size, first))
        times, times_cpu = (ratio(wall, base), ratio(cpu, base_cpu)) if size != first else ("", "")
        body.append([f"{int(size):,}", spread(wall, 2), times, spread(cpu, 2), times_cpu])
    yield from table(["Entries before", "µs an entry", "× the smallest (goal 0.9–1.1)", "CPU an entry, µs", "× the smallest"], body)
    yield ""
    yield "**Search** for one person's entries of two years, newest first, at most 100, under the tokens of all months; 1,000 persons drawn in each round. *Named* is until the index has said which entries they are, *read* until these are read from the segments and opened. What is found is compared with what was written."
    yield ""
    ms = lambda column, **where: [time / 1000 for time in pick(rows, column, **where)]
    for how, said in (("", "All files in memory (read once before):"), ("cold ", "No file in memory, the index opened anew (not timed) before each of 50 persons:")):
        body = []
        for size in sizes:
            named, read = dict(what=f"{how}found", entries=size), dict(what=f"{how}search", entries=size)
            times = ratio(ms("p99_us", **read), ms("p99_us", what=f"{how}search", entries=first)) if size != first else ""
            columns = [ms("p50_us", **named), ms("p99_us", **named), ms("p50_us", **read), ms("p99_us", **read), ms("max_us", **read)]
            body.append([f"{int(size):,}", next(row["note"] for row in rows if row["what"] == read["what"] and row["entries"] == size), *(spread(column, 2) for column in columns), times])
        yield said
        yield ""
        yield from table(["Entries", "Found", "named, p50 ms", "p99 ms", "read, p50 ms", "p99 ms (goal ≤ 20)", "longest, ms", "p99 × the smallest (goal ≤ 1.5)"], body)
        yield ""
    yield "**The index**, made from the log from its first entry on, one entry after the other on one thread: read, opened, its terms made, pushed. Making it anew takes the same. The log sets whole segments of 64 MiB aside, one of them ahead."
    yield ""
    body = []
    for size in sizes:
        one = lambda what: next(row for row in rows if row["what"] == what and row["entries"] == size)
        each = lambda what: 1e6 * float(one(what)["seconds"]) / int(size)
        held = lambda what: int(one(what)["note"].split()[0]) / int(size)
        body.append([f"{int(size):,}", f"{float(one('index')['seconds']):,.1f}", f"{each('index'):.1f}", f"{float(one('index')['cpu_us_each']):.1f}", f"{each('push'):.1f}", f"{held('index'):.0f}", f"{held('write'):.0f}"])
    yield from table(["Entries", "seconds in all", "µs an entry", "CPU, µs", "in the index itself, µs", "bytes an entry", "bytes an entry in the log"], body)


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
    "B1": ("A kept fact over mutual TLS, against nginx's cache", kept),
    "B2": ("One service over mutual TLS, against nginx", service),
    "B3": ("Dossiers of 8 and 15 services, against nginx with Lua", dossier),
    "B4": ("One hung source, and those who do not ask it", hung),
    "B5": ("The journal's append, against the bare disk and SQLite", append),
    "B6": ("The journal's growth: append and search", growth),
    "B7": ("SOAP answer to canonical JSON, against the bare parser and zeep", mapping),
    "B8": ("Memory: idle, and with 10,000 requests waiting", memory),
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
