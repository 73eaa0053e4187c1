"""What the rounds amount to: medians, and ratios of what was measured in the same round."""

import statistics

from .scenarios import REFERENCE, Point


def median(values):
    return statistics.median(values) if values else None


class Figures:
    """Answers None for what was not measured, so that a report can be made of any part of a run."""

    def __init__(self, run):
        self.run = run
        self.cells = {(each["scenario"], Point(each["pipeline"], each["connections"], each["value_bytes"])):
                      each["rounds"] for each in run["results"]}

    def scenarios(self):
        return list(dict.fromkeys(each["scenario"] for each in self.run["results"]))

    def median(self, scenario, point, what="own_us"):
        rounds = self.cells.get((scenario, point), [])
        return median([each[what] for each in rounds if each.get(what) is not None])

    def pairs(self, scenario, point, to, what):
        """What each round measured of both: what the machine did meanwhile, it did to the one and to the other."""
        rounds, others = self.cells.get((scenario, point), []), self.cells.get((to, point), [])
        return [(one[what], other[what]) for one, other in zip(rounds, others)]

    def ratios(self, scenario, point, to=REFERENCE, what="own_us"):
        return [one / other for one, other in self.pairs(scenario, point, to, what)]

    def ratio(self, scenario, point, to=REFERENCE, what="own_us"):
        return median(self.ratios(scenario, point, to, what))

    def differences(self, scenario, point, to, what):
        return [one - other for one, other in self.pairs(scenario, point, to, what)]

    def is_limited_by_load(self, scenario, point):
        """Whether the load generator had no time left, so that the server may have had some."""
        load_us, rate = self.median(scenario, point, "load_us"), self.median(scenario, point, "rate")
        cores = self.median(scenario, point, "load_cores") or 1  # earlier runs had one
        return load_us is not None and load_us * rate > 0.9e6 * cores


def summary(run):
    """The medians of each cell, for those who read the JSON without the rounds."""
    figures = Figures(run)
    for each in run["results"]:
        point = Point(each["pipeline"], each["connections"], each["value_bytes"])
        each["medians"] = {what: figures.median(each["scenario"], point, what) for what in each["rounds"][0]
                           if what != "behind_us"}
        each["to_redis_get"] = figures.ratio(each["scenario"], point)
    return run
