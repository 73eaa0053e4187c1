"""Checks of what needs no server: medians, ratios, goals, tables and the plot, of a run that never was."""

import copy
import xml.dom.minidom

from . import figures, goals, plot, report
from .process import Trouble
from .scenarios import BASE, MANY_KEYS, SCENARIOS, ZIPF_EXPONENT, Point, in_turn, lru_capacity, plan
from .second_load import parsed

FIELDS = ("own_us", "total_us", "load_us", "rate", "p50_us", "p99_us", "hit_ratio")


def rounds_of(*own_us):
    return [{**dict.fromkeys(FIELDS, 1.0), "own_us": us, "behind_us": {}} for us in own_us]


def made_up_run(hit_us):
    """The second round, in which the machine was twice as slow, must change no ratio."""
    results = []
    for point in BASE:
        for name, us in (("redis GET", 2.0), ("floor", 1.0), ("hit", hit_us)):
            results.append({"scenario": name, "pipeline": point.pipeline, "connections": 50, "value_bytes": 64,
                            "rounds": rounds_of(us, 2 * us, us)})
    idle = {"idle": {"connections": 10000, "cpu_percent": 0.1, "bytes_each": 3000}}
    loops = {name: {"rate": 1, "rounds": rounds_of(1)} for name in ("hit", "redis GET")}
    return figures.summary({"results": results, "idle": idle, "open_loop": loops, "cores": 2, "cpu": "<one> & two",
                            "kernel": "6", "rounds": 3, "seconds": 1,
                            "versions": {"haproxy": "HAProxy version 2.6.12"}})


def check_second_load(run):
    head = '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms"\n'
    assert parsed(head + '"GET","336000.00","1.784","0.128","2.031","2.727"\n') == {"rate": 336000, "p50_us": 2031}
    assert parsed(head + '"SET k ""x""","1.5","1","1","1","1"\n')["rate"] == 1.5
    for text in ("", head, '"GET","336000.00"\n', head + '"GET","?","1","1","1","1"\n', head + '"GET"\n'):
        try:
            parsed(text)
        except Trouble:
            continue
        raise AssertionError(f"taken for a result: {text!r}")

    second = figures.summary({"program": "redis-benchmark 7", "results": [
        {"scenario": name, "pipeline": 16, "connections": 50, "value_bytes": 64,
         "rounds": [{"own_us": us, "rate": 1.0, "p50_us": 1.0}]} for name, us in (("redis GET", 4.0), ("hit", 3.0))]})
    assert "| hit | 3.00 | 0.75 | 0.95 |" in report.report(run | {"second_load": second})


def run():
    good, bad = made_up_run(1.0), made_up_run(1.9)
    verdicts = {title: verdict for title, _, _, verdict in goals.goals(good)}
    bad_verdicts = {title: verdict for title, _, _, verdict in goals.goals(bad)}
    first = next(iter(verdicts))
    assert figures.Figures(bad).ratio("hit", Point(16)) == 0.95
    assert figures.Figures(bad).ratio("hit", Point(16, 500)) is None
    assert good["results"][0]["medians"]["own_us"] == 2.0
    assert (verdicts[first], bad_verdicts[first]) == (goals.HOLDS, goals.FAILS)
    assert verdicts["memory per idle connection, of 10,000"] == goals.FAILS
    assert "| 1.90 / 1.90 / 1.90 | 0.95 / 0.95 / 0.95 |" in report.report(bad)
    assert "haproxy 2.6.12" in report.report(bad)
    check_second_load(bad)
    nothing = copy.deepcopy(good) | {"results": [], "idle": None, "open_loop": None}
    assert {verdict for *_, verdict in goals.goals(nothing)} == {goals.UNKNOWN}
    for each in (good, bad, nothing):
        xml.dom.minidom.parseString(plot.svg(each))

    assert len({each.name for each in SCENARIOS}) == len(SCENARIOS)
    every = [point for point, _ in plan(["hit"], False, True)]
    assert len(set(every)) == len(every) == 19  # 3 pipelines x 2 connections x 3 sizes, and the lone connection
    assert [each.name for each in plan(["hit"], False)[0][1]] == ["redis GET", "hit"]
    assert [in_turn("ABC", number) for number in range(3)] == ["ABC", "CBA", "ABC"]
    few, many = (lru_capacity(share, MANY_KEYS, ZIPF_EXPONENT) for share in (0.5, 0.9))
    assert 0 < few < many < MANY_KEYS
    assert lru_capacity(0.5, 1000, 1e-9) in range(495, 506)  # all are alike: half of the hits need half of the keys
    print("compare: self-test passed")
