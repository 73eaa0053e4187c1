"""What is asked of whom: the scenarios, the points at which each is measured, and the keys they use."""

import dataclasses
import math

PIPELINES = (1, 16, 64)
ZIPF_EXPONENT = 0.99
MANY_KEYS = 50000
REFERENCE = "redis GET"
# The two commands that anteroom sends for a miss, as a client sends them: no miss can be cheaper.
TWO_FORWARDED = "forward, GET and PTTL"
# Of the open loop, beside what each server does at half of its own rate.
SAME_RATE = "hit at redis-server's rate"
CORES_FOR_TWO = 4  # two for the workers, two for what loads them


@dataclasses.dataclass(frozen=True)
class Point:
    pipeline: int = 1
    connections: int = 50
    value_bytes: int = 64

    def label(self):
        size = f"{self.value_bytes // 1024} KB" if self.value_bytes >= 1024 else f"{self.value_bytes} B"
        return f"{self.connections} x {self.pipeline}, {size}"


@dataclasses.dataclass(frozen=True)
class Keys:
    """Those of one prefix; how many there are depends on the size of their values."""
    prefix: str
    counts: tuple  # of 64 B, 1 KB and 16 KB

    def words(self, value_bytes):
        count = self.counts[{64: 0, 1024: 1, 16384: 2}[value_bytes]]
        return ["--prefix", f"{self.prefix}{value_bytes}:", "--keys", str(count), "--value-bytes", str(value_bytes)]


FEW = Keys("few", (10000, 10000, 2000))
# So many that two of the requests under way are seldom about the same key, which would need one fill only.
FAR = Keys("far", (200000, 50000, 10000))
MANY = Keys("many", (MANY_KEYS, MANY_KEYS, MANY_KEYS))
# Keys that are written have prefixes of their own: those of FEW stay in the caches.
WRITTEN = Keys("set", FEW.counts)
MIXED = Keys("mix", FEW.counts)

SETS = ("--sets", "100")
ZIPF = ("--distribution", "zipf", "--zipf-exponent", str(ZIPF_EXPONENT))


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    target: str  # a key of peers.STARTERS; what "redis" holds is only its own scenarios' keys
    keys: Keys = FEW
    words: tuple = ()  # for kv_load
    is_varied: bool = False  # also with more connections and larger values, at pipeline 16
    is_quick: bool = True
    # Least and greatest hit ratio of what the scenario is about. The misses decide what it costs, so that they may be
    # half as many or twice as many at 99 %, and a third more or less at 90 %.
    hit_ratios: tuple = None
    keys_each: int = 1  # of one request
    load_processes: int = 1  # where there are CORES_FOR_TWO

    def replies_bytes(self, point):
        """Of all that may be under way."""
        return point.connections * point.pipeline * self.keys_each * point.value_bytes


ALL = (0.995, 1.0)
NONE = (0.0, 0.01)  # of 10,000 keys the 64 that the cache has are hit by 0.7 %

SCENARIOS = (
    Scenario(REFERENCE, "redis", is_varied=True),
    Scenario("floor", "floor", is_varied=True),
    Scenario("memcached GET", "memcached", is_varied=True),
    Scenario("hit", "hit", is_varied=True, hit_ratios=ALL),
    Scenario("hit 99 %, zipf", "zipf99", MANY, ZIPF, is_quick=False, hit_ratios=(0.98, 0.995)),
    Scenario("hit 90 %, zipf", "zipf90", MANY, ZIPF, hit_ratios=(0.87, 0.93)),
    Scenario("miss", "miss", FAR, is_varied=True, hit_ratios=NONE),
    Scenario("hit, two workers", "two-workers", is_quick=False, hit_ratios=ALL, load_processes=2),
    Scenario("floor, forwarding", "floor-forward"),
    Scenario("floor, forwarding SET", "floor-forward", WRITTEN, SETS),
    Scenario("forward, UNIX", "forward-unix", is_varied=True),
    Scenario(TWO_FORWARDED, "forward-unix", FAR, ("--pttl",)),
    Scenario("forward, TCP", "forward-tcp"),
    Scenario("forward, TLS", "forward-tls"),
    Scenario("forward, QUIC", "forward-quic"),
    Scenario("haproxy", "haproxy"),
    Scenario("nutcracker", "nutcracker"),
    Scenario("SET", "hit", WRITTEN, SETS, is_varied=True),
    Scenario("redis SET", "redis", WRITTEN, SETS, is_quick=False),
    Scenario("MGET 10", "hit", FEW, ("--mget", "10"), is_varied=True, hit_ratios=ALL, keys_each=10),
    Scenario("redis MGET 10", "redis", FEW, ("--mget", "10"), is_quick=False, keys_each=10),
    Scenario("80 GET / 20 SET", "hit", MIXED, ("--sets", "20"), is_varied=True),
    Scenario("redis 80 / 20", "redis", MIXED, ("--sets", "20"), is_quick=False),
)

BASE = tuple(Point(pipeline) for pipeline in PIPELINES)
# One client with one request under way: what a front-end adds when nobody waits for anybody else.
ALONE = Point(1, 1)
LATENCY_OF = (REFERENCE, "forward, UNIX", "haproxy", "nutcracker", "floor, forwarding", "hit")
VARIED = (Point(16, 500), Point(16, 50, 1024), Point(16, 50, 16384))
# By connections and size of values; each of them at all pipelines is what --every-point measures.
GROUPS = tuple((connections, value_bytes) for connections in (50, 500) for value_bytes in (64, 1024, 16384))


def plan(names, is_quick, is_every_point=False):
    """(point, scenarios measured in turn at it), for those of `names` (all if empty)."""
    wanted = [each for each in SCENARIOS if (each.name in names if names else each.is_quick or not is_quick)]
    if names and not any(each.name == REFERENCE for each in wanted):
        wanted.insert(0, SCENARIOS[0])
    points = [(point, wanted) for point in BASE]
    points.append((ALONE, [each for each in wanted if each.name in LATENCY_OF]))
    if is_every_point:
        points += [(Point(pipeline, *group), wanted) for group in GROUPS for pipeline in PIPELINES
                   if Point(pipeline, *group) not in BASE]
    elif not is_quick:
        points += [(point, [each for each in wanted if each.is_varied]) for point in VARIED]
    return points


def in_turn(several, round_number):
    """A B C, then C B A: a machine that is slow for a while is so for the first and for the last of them by turns."""
    return several if round_number % 2 == 0 else several[::-1]


def lru_capacity(share, keys, exponent):
    """Entries an LRU cache needs for this hit ratio under Zipf, by Che's approximation: a key asked for with rate r is
    in the cache with the probability 1 - exp(-r T), where T solves for the capacity; here it solves for the ratio."""
    weights = [rank ** -exponent for rank in range(1, keys + 1)]
    total = sum(weights)
    rates = [weight / total for weight in weights]
    low, high = 1.0, 1e9
    for _ in range(40):
        middle = math.sqrt(low * high)
        if sum(rate * -math.expm1(-rate * middle) for rate in rates) < share:
            low = middle
        else:
            high = middle
    return round(sum(-math.expm1(-rate * high) for rate in rates))
