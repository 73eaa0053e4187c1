"""The goals: what was to be reached, what was measured, and whether it holds."""

from .figures import Figures, median
from .scenarios import ALONE, BASE, CORES_FOR_TWO, REFERENCE, SAME_RATE

HIT, FORWARD, SET, MISS = "hit", "forward, UNIX", "SET", "miss"
HOLDS, FAILS, UNKNOWN = "holds", "does not hold", "not measured"
IDLE_BYTES_MAX = 2048
# Goals are medians of so many rounds, with the load on another core than the servers.
ROUNDS_MIN, CORES_MIN = 5, 2


def judged(values, limits):
    if not values or any(value is None for value in values):
        return UNKNOWN
    return HOLDS if all(value <= limit for value, limit in zip(values, limits)) else FAILS


def listed(values, digits=2):
    return " / ".join("-" if value is None else f"{value:.{digits}f}" for value in values)


def with_range(values, digits=2, unit=""):
    """The median, and what is least and greatest: a verdict whose limit lies between says less than its one word."""
    if not values:
        return "-"
    return f"{median(values):.{digits}f}{unit} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def by_pipeline(title, limits, figures, scenario, to):
    rounds = [figures.ratios(scenario, point, to) for point in BASE]
    verdict = judged([median(values) for values in rounds], limits)
    return title, f"<= {listed(limits)}", " / ".join(map(with_range, rounds)), verdict


def p99_of(windows):
    late = sum(not each.get("has_kept_up", True) for each in windows)
    note = f", {late} of {len(windows)} windows not kept up" if late else ""
    return with_range([each["p99_us"] for each in windows], 0, " us") + note


def open_loop(run, name, title):
    loops = run.get("open_loop") or {}
    if name not in loops or REFERENCE not in loops:
        return title, "<= redis-server's own", "-", UNKNOWN
    ours, theirs = (loops[each]["rounds"] for each in (name, REFERENCE))
    verdict = judged(*([median([each["p99_us"] for each in windows])] for windows in (ours, theirs)))
    return title, f"<= redis-server's own, {p99_of(theirs)}", p99_of(ours), verdict


def added_latency(figures, point, title):
    ours, theirs = (figures.differences(name, point, REFERENCE, "p50_us") for name in (FORWARD, "haproxy"))
    if not theirs:
        return title, "<= haproxy's", with_range(ours, 1, " us"), UNKNOWN
    return (title, f"<= haproxy's, {with_range(theirs, 1, ' us')}", with_range(ours, 1, " us"),
            judged([median(ours)], [median(theirs)]))


def workers(run, figures):
    title, goal = "two workers against one, throughput of GET hits", ">= 1.7"
    point = BASE[-1]
    ratios = figures.ratios("hit, two workers", point, HIT, "rate")
    if not ratios:
        return title, goal, "-", UNKNOWN
    if run["cores"] < CORES_FOR_TWO:
        cost = listed([figures.ratio("hit, two workers", each, HIT) for each in BASE])
        return title, goal, f"CPU per request {cost} of one worker's", f"{UNKNOWN}: {lacking(run, CORES_FOR_TWO)}"
    is_limit = figures.is_limited_by_load("hit, two workers", point)
    verdict = HOLDS if median(ratios) >= 1.7 else f"{UNKNOWN}: the load is the limit" if is_limit else FAILS
    return title, goal, with_range(ratios), verdict


def idle(run):
    title, goal = "memory per idle connection, of 10,000", f"<= {IDLE_BYTES_MAX} bytes"
    found = (run.get("idle") or {}).get("idle")
    if not found:
        return title, goal, "-", UNKNOWN
    figure = f"{found['bytes_each']:.0f} bytes, {found['cpu_percent']:.2f} % CPU"
    other = run["idle"].get("idle-redis")
    if other:
        figure += f" (redis-server: {other['bytes_each']:.0f}, {other['cpu_percent']:.2f} %)"
    return title, goal, figure, HOLDS if found["bytes_each"] <= IDLE_BYTES_MAX else FAILS


def lacking(run, cores):
    """What the run has too little of for a verdict; empty if nothing."""
    few_cores = [f"needs {cores} cores, not {run['cores']}"] if run["cores"] < cores else []
    few_rounds = [f"needs {ROUNDS_MIN} rounds, not {run['rounds']}"] if run["rounds"] < ROUNDS_MIN else []
    return " and ".join(few_cores + few_rounds)


def goals(run):
    """(goal, its limit, the figure, whether it holds), in the order of the table."""
    why = lacking(run, CORES_MIN)
    return [(*row, f"{UNKNOWN}: {why}") if why and verdict in (HOLDS, FAILS) else (*row, verdict)
            for *row, verdict in rows(run)]


def rows(run):
    figures = Figures(run)
    return [
        by_pipeline("GET hit, CPU to redis-server's GET, pipeline 1 / 16 / 64", (0.90, 0.72, 0.58), figures, HIT,
                    REFERENCE),
        by_pipeline("GET hit, CPU to the floor", (1.10, 1.35, 1.80), figures, HIT, "floor"),
        by_pipeline("forwarded GET over UNIX, own CPU to redis-server's GET", (0.92, 1.05, 0.95), figures, FORWARD,
                    REFERENCE),
        by_pipeline("forwarded SET over UNIX, own CPU to redis-server's GET", (0.92, 1.05, 0.95), figures, SET,
                    REFERENCE),
        by_pipeline("GET miss with fill, own CPU to a forwarded GET", (1.6, 1.6, 1.6), figures, MISS, FORWARD),
        workers(run, figures),
        open_loop(run, HIT, "p99 of a GET hit in an open loop, each at half of its own saturating rate"),
        open_loop(run, SAME_RATE, "the same, both asked at redis-server's rate"),
        added_latency(figures, BASE[0], "p50 that forwarding adds at pipeline 1, 50 connections"),
        added_latency(figures, ALONE, "p50 that forwarding adds at pipeline 1, one connection"),
        idle(run),
    ]
