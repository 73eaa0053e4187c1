"""The tables, as markdown."""

import re

from .figures import Figures
from .goals import goals, listed
from .scenarios import ALONE, BASE, GROUPS, PIPELINES, REFERENCE, VARIED, Point


def short(value):
    """Three figures say more than such runs know."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def version_in(text):
    """The number in what a program says of its version."""
    found = re.search(r"\d+\.\d+(\.\d+)?", text)
    return found.group() if found else "?"


def markdown(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def percent(ratios, digits):
    """At each pipeline; one figure where all are the same."""
    texts = ["-" if ratio is None else f"{100 * ratio:.{digits}f}" for ratio in ratios]
    texts = texts if len(set(texts)) > 1 else texts[:1]
    return "" if texts == ["-"] else " / ".join(texts) + " %"


def base_table(figures):
    head = ["50 connections, 64 B, pipeline 1 / 16 / 64", "own CPU, us", "in user mode", "to redis-server's GET",
            "with all behind, us", "1000 requests/s", "p50 us", "p99 us", "hits"]
    rows = []
    for name in figures.scenarios():
        def all_points(what):
            return [figures.median(name, point, what) for point in BASE]
        rates = [("-" if rate is None else f"{rate / 1000:.0f}") + "*" * figures.is_limited_by_load(name, point)
                 for rate, point in zip(all_points("rate"), BASE)]
        rows.append([name, " / ".join(map(short, all_points("own_us"))),
                     percent(all_points("own_user_share"), 0),
                     listed([figures.ratio(name, point) for point in BASE]),
                     " / ".join(map(short, all_points("total_us"))), " / ".join(rates),
                     " / ".join(map(short, all_points("p50_us"))), " / ".join(map(short, all_points("p99_us"))),
                     percent(all_points("hit_ratio"), 1)])
    return markdown(head, rows) + "\n\n\\* The load generator had no time left."


def varied_table(figures):
    points = (BASE[1], *VARIED)
    rows = [[name, *(f"{short(figures.median(name, point))} ({listed([figures.ratio(name, point)])})"
                     for point in points)]
            for name in figures.scenarios() if any(figures.median(name, point) is not None for point in VARIED)]
    head = ["own CPU, us (to redis-server's GET)"]
    head += [point.label().replace(" x ", " connections x ") for point in points]
    return markdown(head, rows) if rows else ""


def every_point_table(figures):
    """As the base table, for all connections and sizes of values; of a run that has measured them."""
    if figures.median(REFERENCE, Point(1, *GROUPS[-1])) is None:
        return ""
    rows = []
    for name in figures.scenarios():
        groups = [[Point(pipeline, *group) for pipeline in PIPELINES] for group in GROUPS]
        rows.append([name, *(" / ".join(short(figures.median(name, point)) for point in points)
                             + f" ({listed([figures.ratio(name, point) for point in points])})" for points in groups)])
    head = [f"{point.connections} connections, {point.label().partition(', ')[2]}"
            for point in (Point(1, *group) for group in GROUPS)]
    return markdown(["own CPU at pipeline 1 / 16 / 64, us (to redis-server's GET)", *head], rows)


def alone_table(figures):
    rows = [[name, short(figures.median(name, ALONE, "p50_us")), short(figures.median(name, ALONE, "p99_us")),
             short(figures.median(name, ALONE, "own_us"))]
            for name in figures.scenarios() if figures.median(name, ALONE) is not None]
    return markdown(["one connection, pipeline 1", "p50 us", "p99 us", "own CPU, us"], rows) if rows else ""


def second_load_table(run, figures):
    """The ratios that another generator's requests have, beside those of kv_load in the same run."""
    second = run.get("second_load")
    if not second:
        return ""
    others = Figures(second)
    points = [point for point in BASE if others.median(REFERENCE, point) is not None]
    rows = [[name, " / ".join(short(others.median(name, point)) for point in points),
             listed([others.ratio(name, point) for point in points]),
             listed([figures.ratio(name, point) for point in points])] for name in others.scenarios()]
    depths = " / ".join(str(point.pipeline) for point in points)
    return markdown([f"a second load generator, {second['program']}: 50 connections, 64 B, pipeline {depths}",
                     "own CPU, us", "to redis-server's GET", "the same by kv_load"], rows)


def goals_table(run):
    return markdown(["goal", "limit", "median (least to greatest of the rounds)", ""], goals(run))


def about(run):
    """Of what the run was; earlier ones do not tell their arguments and the tree's revision."""
    parts = [f"{run['cpu']}, {run['cores']} cores, Linux {run['kernel']}",
             f"{run['rounds']} rounds of {run['seconds']} s",
             ", ".join(f"{name} {version_in(text)}" for name, text in run["versions"].items())]
    if run.get("revision"):
        parts.append(f"revision {run['revision']}")
    if "arguments" in run:
        parts.append(" ".join(["compare.py", *run["arguments"]]))
    return "; ".join(parts)


def left_out(run):
    """One line each: the reasons have the ends of logs behind them, which the JSON keeps."""
    return "\n".join(f"* left out: {name}: {why.splitlines()[0]}" for name, why in (run.get("left_out") or {}).items())


def report(run):
    figures = Figures(run)
    varied = every_point_table(figures) or varied_table(figures)
    parts = [about(run), base_table(figures), varied, alone_table(figures), second_load_table(run, figures),
             goals_table(run), left_out(run)]
    return "\n\n".join(part for part in parts if part)
