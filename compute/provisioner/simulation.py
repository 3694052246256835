"""A day of load on spot and on-demand nodes, simulated in seconds.

Run it with `python -m compute.provisioner.simulation`.

The policy decides on the same values as in the loop; jobs, nodes, interruptions and the clock are
made up, with a seed, so that two runs print the same table but for the time it took.
"""

import random
import time
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field, replace
from statistics import mean, quantiles
from typing import Any

import click

from compute.provisioner.actions import Action, Drain, End, Launch, Start, Stop, Switch
from compute.provisioner.backends.base import Observed
from compute.provisioner.picture import Demand, NodeView, PoolView
from compute.provisioner.policy import decide
from compute.provisioner.states import PRESENT, Capacity, NodeState, Target

DAY = 86_400.0
QUEUE = "ingress"


@dataclass(frozen=True, slots=True)
class Work:
    """A job: when it comes and for how many seconds it computes, how many bytes it reads."""

    arrival: float
    seconds: float
    size: int


@dataclass(slots=True)
class Running:
    """What a node has on it."""

    work: Work
    since: float


@dataclass(frozen=True, slots=True)
class World:
    """How the made-up world behaves; rates are per node and hour, times in seconds."""

    boot_seconds: float = 45.0
    interruptions: float = 0.1
    start_failures: float = 0.02
    outage: tuple[float, float] = (10 * 3600.0, 10.5 * 3600.0)
    """A time in which no spot node starts and those there are taken away four times as often."""


@dataclass
class Day:
    """The state of the simulation at `now`."""

    pools: dict[str, PoolView]
    world: World
    rng: random.Random
    now: float = 0.0
    nodes: dict[str, NodeView] = field(default_factory=dict)
    running: dict[str, Running] = field(default_factory=dict)
    queue: deque[Work] = field(default_factory=deque)
    waits: list[float] = field(default_factory=list)
    decisions: list[float] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    counts: Counter[str] = field(default_factory=Counter)
    most: int = 0
    lost_seconds: float = 0.0

    def advance(self, step: float, coming: list[Work]) -> None:
        """Let `step` seconds go by, then have the policy decide."""
        self.now += step
        while coming and coming[-1].arrival <= self.now:
            self.queue.append(coming.pop())
        self._nodes_go_on(step)
        self._take_jobs()
        self.decide()

    def decide(self) -> list[Action]:
        """Have the policy decide, and do what it says."""
        demand = Demand({QUEUE: [work.size for work in self.queue]})
        nodes = [replace(node, jobs=node.name in self.running) for node in self.nodes.values()]
        begin = time.process_time()
        actions = decide(demand, list(self.pools.values()), nodes, self.now)
        self.decisions.append(time.process_time() - begin)
        for action in actions:
            self._apply(action)
        self.most = max(self.most, sum(node.state in PRESENT for node in self.nodes.values()))
        return actions

    def cost(self, on_demand_price: float | None = None) -> float:
        """Return what the nodes cost, or what they would at one price for all."""
        prices = {name: pool.price_per_hour for name, pool in self.pools.items()}
        return sum(
            seconds / 3600 * (prices[pool] if on_demand_price is None else on_demand_price)
            for pool, seconds in self.seconds.items()
        )

    def _nodes_go_on(self, step: float) -> None:
        for node in list(self.nodes.values()):
            if node.started is None or node.state not in PRESENT:
                continue
            self.seconds[node.pool] += step
            if node.state == NodeState.STARTING:
                self._boot(node)
            elif self._is_taken_away(node, step):
                self._set(node, seen=_seen(node, interrupted=True))
                self.counts["interruptions"] += 1
            run = self.running.get(node.name)
            if run and run.since + run.work.seconds <= self.now:
                del self.running[node.name]
                self._set(self.nodes[node.name], idle_since=self.now)
                self.counts["jobs done"] += 1
            elif node.state == NodeState.DRAINING and run is None:
                self._ends(node)

    def _boot(self, node: NodeView) -> None:
        if self.now - (node.started or 0.0) < self.world.boot_seconds:
            return
        spot = self.pools[node.pool].capacity == Capacity.SPOT
        fails = self.rng.random() < self.world.start_failures or (spot and self._in_outage())
        if fails:
            self._set(node, seen=_seen(node, phase="failed", reason="no capacity"))
            self.counts["failed starts"] += 1
        else:
            self._set(node, state=NodeState.READY, ready_at=self.now, idle_since=self.now)

    def _is_taken_away(self, node: NodeView, step: float) -> bool:
        if self.pools[node.pool].capacity != Capacity.SPOT or node.state != NodeState.READY:
            return False
        rate = self.world.interruptions * (4 if self._in_outage() else 1)
        return self.rng.random() < rate * step / 3600

    def _in_outage(self) -> bool:
        begin, end = self.world.outage
        return begin <= self.now < end

    def _take_jobs(self) -> None:
        for node in self.nodes.values():
            if not self.queue:
                return
            if node.state == NodeState.READY and node.name not in self.running:
                work = self.queue.popleft()
                self.running[node.name] = Running(work, self.now)
                self.waits.append(self.now - work.arrival)
                self._set(node, idle_since=None)

    def _apply(self, action: Action) -> None:
        match action:
            case Start():
                self.pools[action.pool.name] = replace(action.pool, last_scaled=self.now)
                for _ in range(action.count):
                    self.counts["nodes"] += 1
                    name = f"{action.pool.name}-{self.counts['nodes']}"
                    pool = action.pool.name
                    self.nodes[name] = NodeView(name, pool, NodeState.REQUESTED, requested=self.now)
            case Launch():
                state, seen = NodeState.STARTING, _seen(action.node)
                self._set(action.node, state=state, started=self.now, seen=seen)
            case Drain():
                self._set(
                    action.node,
                    state=NodeState.DRAINING,
                    target=Target.STOPPED,
                    drain_deadline=action.deadline,
                    interrupted=action.interrupted,
                )
            case Stop():
                self._ends(self.nodes[action.name])
            case End():
                changes = {"state": action.state, "ended": self.now, "seen": None}
                self._set(action.node, **changes)
            case Switch():
                self.counts[f"circuit {action.circuit}"] += 1
                self.pools[action.pool.name] = replace(
                    action.pool,
                    circuit=action.circuit,
                    circuit_since=self.now,
                    circuit_until=action.until,
                    trips=action.trips,
                )

    def _ends(self, node: NodeView) -> None:
        if run := self.running.pop(node.name, None):
            # Its parts are kept; what is left of it goes on elsewhere.
            done = self.now - run.since
            self.lost_seconds += min(done, 5.0)
            left = max(run.work.seconds - done + 5.0, 1.0)
            self.queue.appendleft(replace(run.work, seconds=left, arrival=self.now))
            self.counts["jobs handed back"] += 1
        node = self.nodes[node.name]
        if node.seen is not None:
            self._set(node, seen=_seen(node, phase="ended"))

    def _set(self, node: NodeView, **changes: object) -> None:
        self.nodes[node.name] = replace(self.nodes[node.name], **changes)  # type: ignore[arg-type]


def _seen(node: NodeView, **changes: Any) -> Observed:
    """Return how a backend would see the node from here on."""
    return replace(node.seen or Observed(node.name, node.pool, "running"), **changes)


def pools(maximum: int) -> dict[str, PoolView]:
    """Return a pool of spot nodes whose fallback is one of on-demand nodes."""
    both = {"maximum": maximum, "step": 100, "idle_seconds": 300.0, "grace_seconds": 120.0}
    return {
        "spot": PoolView(
            "spot",
            capacity=Capacity.SPOT,
            price_per_hour=0.06,
            fallback="on-demand",
            failures=5,
            **both,  # type: ignore[arg-type]
        ),
        "on-demand": PoolView("on-demand", price_per_hour=0.2, **both),  # type: ignore[arg-type]
    }


def load(jobs: int, rng: random.Random) -> list[Work]:
    """Return the jobs of a day, the last first: most by day, some in bursts, few of them long."""
    times = [min(max(rng.gauss(14.0, 4.0), 0.0), 23.0) * 3600 for _ in range(jobs * 7 // 10)]
    for _ in range(3):
        burst = rng.uniform(2.0, 22.0) * 3600
        times += [burst + rng.uniform(0.0, 60.0) for _ in range(jobs // 10)]
    return sorted(
        (
            Work(at, min(rng.lognormvariate(5.0, 1.2), 4 * 3600.0), rng.randrange(10**8, 10**11))
            for at in times
        ),
        key=lambda work: -work.arrival,
    )


def simulate(
    jobs: int = 10_000, nodes: int = 1000, step: float = 5.0, seed: int = 1, world: World = World()
) -> Day:
    """Run a day and return how it ended; every job has been done then."""
    rng = random.Random(seed)  # noqa: S311
    coming = load(jobs, rng)
    day = Day(pools(nodes), world, rng)
    while coming or day.queue or any(n.state in PRESENT for n in day.nodes.values()):
        day.advance(step, coming)
        _forget(day)
        if day.now > 3 * DAY:
            raise RuntimeError(f"{len(day.queue)} jobs still wait after three days")
    return day


def _forget(day: Day) -> None:
    """Leave out nodes that ended before any pool's window, as the loop does."""
    gone = day.now - max(pool.window_seconds for pool in day.pools.values())
    for name, node in list(day.nodes.items()):
        if node.ended is not None and node.ended < gone:
            del day.nodes[name]


def table(day: Day, jobs: int, nodes: int) -> list[tuple[str, str]]:
    """Return what a day came to, for people."""
    dear = max(pool.price_per_hour for pool in day.pools.values())
    cost, all_dear = day.cost(), day.cost(dear)
    percent = quantiles(day.waits, n=100)
    rounds = len(day.decisions)
    return [
        ("jobs done", f"{day.counts['jobs done']} of {jobs}"),
        ("nodes at most", f"{day.most} of {nodes} allowed in a pool"),
        ("nodes started", str(day.counts["nodes"])),
        ("interruptions", str(day.counts["interruptions"])),
        ("failed starts", str(day.counts["failed starts"])),
        ("jobs handed back", str(day.counts["jobs handed back"])),
        ("circuit opened", str(day.counts["circuit open"])),
        ("node hours", f"{sum(day.seconds.values()) / 3600:.0f}"),
        ("cost", f"{cost:.2f}; on demand only {all_dear:.2f}, saved {1 - cost / all_dear:.0%}"),
        ("waiting, mean", f"{mean(day.waits):.0f} s"),
        ("waiting, median", f"{percent[49]:.0f} s"),
        ("waiting, 95 %", f"{percent[94]:.0f} s"),
        ("decisions", f"{rounds}, {rounds / sum(day.decisions):.0f} a second"),
        ("longest decision", f"{max(day.decisions) * 1000:.0f} ms"),
    ]


@click.command()
@click.option("--jobs", default=10_000, show_default=True, type=click.IntRange(100))
@click.option("--nodes", default=1000, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=1, show_default=True)
def main(jobs: int, nodes: int, seed: int) -> None:
    """Simulate a day and print what it cost, how long jobs waited, how fast decisions were."""
    for name, value in table(simulate(jobs, nodes, seed=seed), jobs, nodes):
        click.echo(f"{name:<18} {value}")


if __name__ == "__main__":
    main()
