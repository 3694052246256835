"""What nodes cost, and whom it is counted for."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from compute.provisioner import usage
from compute.provisioner.models import Node, NodeJob, Pool
from compute.provisioner.tests.rest import Operator

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = 3600.0
spans = st.tuples(st.integers(0, 9000), st.none() | st.integers(0, 9000))


def at(seconds):
    return None if seconds is None else START + timedelta(seconds=seconds)


def node(started, ended, **more):
    prices = {"price_per_hour": 1.0, "on_demand_price_per_hour": 3.0}
    return Node(name="n", pool_name="spot", started=at(started), ended=at(ended), **prices | more)


def job(number, started, ended, owner="alice"):
    return NodeJob(job=UUID(int=number), owner=owner, started=at(started), ended=at(ended))


@settings(max_examples=100, deadline=None)
@given(spans, st.lists(spans, max_size=5), st.none() | st.integers(0, 9000), st.integers(0, 9000))
def test_the_shares_of_a_node_add_up_to_its_cost(span, times, since, until):
    one = node(*span)
    jobs = [job(number, *time) for number, time in enumerate(times)]
    shares = list(usage.shares(one, jobs, at(since), at(until)))
    whole = usage.spent(one, at(since), at(until))
    assert whole.node_seconds >= 0
    total = sum((share.spent for share in shares), usage.Spent())
    assert total.node_seconds == pytest.approx(whole.node_seconds, abs=1e-5)
    assert total.cost == pytest.approx(whole.cost, abs=1e-8)
    assert all(share.spent.node_seconds >= 0 for share in shares)


def test_jobs_pay_for_the_time_they_ran_and_idle_time_is_the_nodes():
    shares = list(
        usage.shares(node(0, 7200), [job(1, 0, 1800), job(2, 1800, 5400)], None, at(9999))
    )
    assert usage.total(shares, "job") == {
        str(UUID(int=2)): usage.Spent(HOUR, 1, 3),
        str(UUID(int=1)): usage.Spent(HOUR / 2, 0.5, 1.5),
        "idle": usage.Spent(HOUR / 2, 0.5, 1.5),
    }
    assert usage.total(shares, "owner")["alice"].cost == 1.5
    assert usage.total(shares, "pool")["spot"].saved == 4.0


def test_jobs_side_by_side_share_the_node():
    shares = list(usage.shares(node(0, 3600), [job(1, 0, 3600), job(2, 0, 3600)], None, at(9999)))
    assert [share.spent.cost for share in shares] == [0.5, 0.5]


def test_idle_time_of_somebodys_node_is_theirs():
    (share,) = usage.shares(node(0, 3600, owner="bob"), [], None, at(9999))
    assert (share.owner, share.job) == ("bob", None)


@pytest.fixture
def spent(db):
    """Two hours of two nodes, of which one worked for alice and bob."""
    now = datetime.now(UTC)
    for name, price in (("cheap", 1.0), ("dear", 5.0)):
        pool = Pool.objects.create(name=name, price_per_hour=price)
        made = Node.of_pool(pool, f"{name}-1", started=now - timedelta(hours=2), ended=now)
        made.save()
    for number, owner in ((1, "anonymous"), (2, "bob")):
        NodeJob.objects.create(
            node=Node.objects.get(name="cheap-1"),
            job=UUID(int=number),
            owner=owner,
            started=now - timedelta(hours=number),
            ended=now - timedelta(hours=number - 1),
        )
    return Operator()


@pytest.mark.database
def test_usage_is_given_by_pool_owner_and_job(spent):
    report = spent.get("usage")
    rows = [(row["name"], round(row["cost"], 6)) for row in report["items"]]
    assert rows == [("dear", 10), ("cheap", 2)]
    assert report["total"]["cost"] == pytest.approx(12)
    owners = {r["name"]: round(r["cost"], 6) for r in spent.get("usage?by=owner")["items"]}
    assert owners == {"idle": 10, "anonymous": 1, "bob": 1}
    assert spent.get("usage?by=job&owner=bob")["items"][0]["name"] == str(UUID(int=2))
    first = spent.get("usage?by=job&limit=1")
    second = spent.get(f"usage?by=job&limit=1&cursor={first['next']}")
    assert [r["name"] for r in first["items"] + second["items"]] == ["idle", str(UUID(int=1))]
    assert spent.get("usage?until=2000-01-01T00:00:00Z")["items"] == []


@pytest.mark.database
def test_others_than_operators_see_their_own_usage(spent):
    report = Client().get("/api/usage?by=owner").json()
    assert [row["name"] for row in report["items"]] == ["anonymous"]
    assert Client().get("/api/usage?owner=bob").status_code == 403
    assert Client().get("/api/usage?since=2030-01-01T00:00:00Z").status_code == 422
