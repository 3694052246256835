import random
import re
import time

import pytest
from click.testing import CliRunner

from compute.provisioner.picture import Demand
from compute.provisioner.policy import decide
from compute.provisioner.simulation import Day, World, load, main, pools, simulate, table
from compute.provisioner.states import PRESENT


def run_a_day():
    world = World(outage=(8 * 3600.0, 14 * 3600.0))
    return simulate(jobs=400, nodes=30, step=30, seed=3, world=world)


@pytest.fixture(scope="module")
def day():
    return run_a_day()


def test_every_job_of_the_day_is_done_and_every_node_has_ended(day):
    assert day.counts["jobs done"] == 400
    assert not day.queue
    assert not any(node.state in PRESENT for node in day.nodes.values())


def test_spot_nodes_are_taken_away_and_the_circuit_opens_in_the_outage(day):
    assert day.counts["interruptions"] > 0
    assert day.counts["circuit open"] > 0
    assert day.seconds["on-demand"] > 0


def test_it_costs_less_than_on_demand_nodes_alone(day):
    assert 0 < day.cost() < day.cost(on_demand_price=0.2)


def test_the_same_seed_gives_the_same_day(day):
    again = run_a_day()
    assert (again.cost(), again.waits) == (day.cost(), day.waits)
    assert (
        dict(table(again, 400, 30))["waiting, mean"] == dict(table(day, 400, 30))["waiting, mean"]
    )


def test_the_command_prints_the_table():
    lines = CliRunner().invoke(main, ["--jobs", "200", "--nodes", "10"]).output
    assert re.search(r"jobs done +200 of 200\n", lines)
    assert re.search(r"decisions +\d+, \d+ a second\n", lines)


def test_a_thousand_nodes_and_ten_thousand_jobs_are_decided_on_in_well_under_a_second():
    rng = random.Random(1)
    run = Day(pools(1000), World(), rng)
    run.queue.extend(load(10_000, rng))
    for _ in range(15):
        run.advance(5, [])
    assert sum(node.state in PRESENT for node in run.nodes.values()) >= 1000
    demand = Demand({"ingress": [work.size for work in run.queue]})
    begin = time.process_time()
    decide(demand, list(run.pools.values()), list(run.nodes.values()), run.now)
    assert time.process_time() - begin < 0.5
