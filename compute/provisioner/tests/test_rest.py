"""Records over REST: who may change them, what is refused, and how they are found."""

import base64
import json
from datetime import timedelta

import jsonschema
import pytest
from django.test import Client
from django.utils import timezone

from compute.provisioner import drains
from compute.provisioner.kinds import KINDS
from compute.provisioner.models import Event, Node, NodeState, Pool
from compute.provisioner.tests.rest import Operator

pytestmark = [pytest.mark.database, pytest.mark.django_db]

BODIES = {
    "pools": {"name": "one", "maximum": 4},
    "compute-nodes": {"name": "one", "xname": "x1c0s0b0n0"},
    "groups": {"name": "one", "selector": {"team": "ocean"}},
    "boot-profiles": {"name": "one", "kernel_url": "https://images/vmlinuz"},
}
WRITES = [
    *(("POST", path) for path in BODIES),
    *((method, f"{path}/one") for path in BODIES for method in ("PUT", "PATCH", "DELETE")),
    *(("POST", f"{path}/one/drain") for path in ("pools", "compute-nodes", "groups")),
]


@pytest.fixture
def operator():
    return Operator()


def problem(answer, status):
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    said = answer.json()
    assert (said["type"], said["status"]) == ("about:blank", status)
    assert said["title"] and said["detail"]
    return said


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_only_operators_change_records(method, path, operator):
    for kind, body in BODIES.items():
        operator.create(kind, **body)
    before = list(Event.objects.values_list("id", flat=True))
    for token in (None, "Bearer wrong", "Basic Og=="):
        headers = {"Authorization": token} if token else {}
        answer = Client(headers=headers).generic(method, f"/api/{path}", "{}")
        problem(answer, 401)
        assert answer["WWW-Authenticate"].startswith("Bearer")
    assert list(Event.objects.values_list("id", flat=True)) == before


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer x"])
def test_without_an_operators_token_nobody_is_an_operator(header, settings):
    settings.OPERATOR_TOKEN = ""
    problem(Client(headers={"Authorization": header}).get("/api/pools"), 401)


@pytest.mark.parametrize("path", [path for path in BODIES if path != "compute-nodes"])
def test_what_the_service_is_made_of_is_shown_to_operators_only(path):
    problem(Client().get(f"/api/{path}"), 401)
    problem(Client().get(f"/api/{path}/one"), 401)


def test_owners_see_their_own_nodes_and_what_happened_to_them(operator):
    operator.create("compute-nodes", name="theirs", owner="anonymous")
    operator.create("compute-nodes", name="others", owner="alice")
    operator.create("compute-nodes", name="nobodys")
    shown = Client().get("/api/compute-nodes").json()["items"]
    assert [node["name"] for node in shown] == ["theirs"]
    assert {e["name"] for e in Client().get("/api/events").json()["items"]} == {"theirs"}
    problem(Client().get("/api/compute-nodes/others"), 404)
    assert len(operator.names("compute-nodes")) == 3


@pytest.mark.parametrize(("path", "body"), BODIES.items())
def test_a_record_is_created_shown_replaced_and_deleted(path, body, operator):
    answer = operator.ask("POST", path, body)
    assert answer.status_code == 201
    assert answer["Location"] == f"/api/{path}/one"
    shown = operator.ask("GET", f"{path}/one")
    assert shown["ETag"] == answer["ETag"]
    assert body.items() <= shown.json().items()
    tag = shown["ETag"]
    changed = {**body, "description": "new"}
    replaced = operator.ask("PUT", f"{path}/one", changed, If_Match=tag)
    assert replaced.json()["description"] == "new"
    assert replaced["ETag"] != tag
    assert operator.ask("DELETE", f"{path}/one").status_code == 204
    problem(operator.ask("GET", f"{path}/one"), 404)
    reasons = Event.objects.filter(name="one").values_list("reason", flat=True)
    assert list(reasons) == ["created", "updated", "deleted"]


@pytest.mark.parametrize(("path", "body"), BODIES.items())
def test_a_change_is_for_the_version_that_was_read(path, body, operator):
    tag = operator.ask("POST", path, body)["ETag"]
    problem(operator.ask("PUT", f"{path}/one", body), 428)
    problem(operator.ask("PATCH", f"{path}/one", {"description": "x"}), 428)
    changed = operator.ask("PATCH", f"{path}/one", {"description": "mine"}, If_Match=tag)
    assert changed.status_code == 200
    problem(operator.ask("PATCH", f"{path}/one", {"description": "yours"}, If_Match=tag), 412)
    problem(operator.ask("DELETE", f"{path}/one", If_Match=tag), 412)
    assert operator.get(f"{path}/one")["description"] == "mine"


def test_the_tag_of_a_record_that_is_gone_does_not_fit_its_successor(operator):
    tag = operator.ask("POST", "groups", BODIES["groups"])["ETag"]
    operator.ask("DELETE", "groups/one")
    operator.create("groups", **BODIES["groups"])
    problem(operator.ask("PUT", "groups/one", BODIES["groups"], If_Match=tag), 412)


def test_replacing_by_the_same_changes_nothing(operator):
    body = {"name": "one", "tolerations": [{"key": "spot"}], "memory": "4Gi"}
    tag = operator.ask("POST", "pools", body)["ETag"]
    assert operator.ask("PUT", "pools/one", body, If_Match=tag)["ETag"] == tag


def test_a_merge_patch_changes_what_it_names(operator):
    operator.create("pools", name="one", maximum=4, labels={"a": "b", "c": "d"})
    changed = operator.change("pools/one", labels={"a": None, "e": "f"}, maximum=None)
    assert changed["labels"] == {"c": "d", "e": "f"}
    assert changed["maximum"] == 1


@pytest.mark.parametrize(
    ("path", "body", "field", "words"),
    [
        ("pools", {"name": "Spot"}, "name", "'Spot'"),
        ("pools", {"maximum": 1}, "name", "given"),
        ("pools", {"name": "a", "maximun": 1}, "maximun", "no such field"),
        ("pools", {"name": "a", "maximum": "x"}, "maximum", "'x'"),
        ("pools", {"name": "a", "maximum": 2**31}, "maximum", "2147483647"),
        ("pools", {"name": "a", "minimum": 2}, "", "minimum 2 is above maximum 1"),
        ("pools", {"name": "a", "fallback": "b"}, "fallback", "'b'"),
        ("pools", {"name": "a", "fallback": "a"}, "fallback", "circle"),
        ("pools", {"name": "a", "capacity": "free"}, "capacity", "'on-demand' or 'spot'"),
        ("pools", {"name": "a", "labels": {"b": 1}}, "labels.b", "quotes"),
        ("pools", {"name": "a", "description": "\x00"}, "description", "NUL"),
        ("pools", {"name": "a", "description": "\ud800"}, "description", "Unicode"),
        ("compute-nodes", {"name": "a", "pool": "b"}, "pool", "'b'"),
        ("compute-nodes", {"name": "a", "xname": "x1"}, "xname", "x3000c0s17b1n0"),
        ("compute-nodes", {"name": "a", "boot_profile": "b"}, "boot_profile", "'b'"),
        ("groups", {"name": "a", "nodes": ["b"]}, "nodes", "'b'"),
        ("groups", {"name": "a", "nodes": ["b"], "selector": {"c": "d"}}, "", "not both"),
        ("boot-profiles", {"name": "a", "ssh_key": "-----BEGIN"}, "ssh_key", "public SSH key"),
        ("boot-profiles", {"name": "a", "image_url": "file:///etc"}, "image_url", "https://"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_field(path, body, field, words, operator):
    said = problem(operator.ask("POST", path, body), 422)
    assert [fault["field"] for fault in said["errors"]] == [field]
    assert words in said["errors"][0]["detail"]
    assert words in said["detail"]


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '"x"'])
@pytest.mark.parametrize(("method", "path"), [("POST", "pools"), ("PATCH", "pools/one")])
def test_a_body_that_is_no_record_is_refused(method, path, body, operator):
    operator.create("pools", name="one")
    answer = operator.client.generic(
        method, f"/api/{path}", body, content_type="application/json", headers={"If-Match": "*"}
    )
    assert problem(answer, answer.status_code)["status"] in (400, 422)


def test_addresses_that_are_not_there_are_refused_as_problems(operator):
    assert "/api/openapi.json" in problem(operator.ask("GET", "nodes"), 404)["detail"]
    assert "GET" in problem(operator.ask("PUT", "pools"), 405)["detail"]
    problem(operator.ask("GET", "pools/No%00ne"), 404)


@pytest.mark.parametrize("query", ["limt=1", "limit=0", "limit=x", "cursor=x", "label=a=b=c"])
@pytest.mark.parametrize("path", ["pools", "compute-nodes", "groups", "boot-profiles"])
def test_a_filter_misspelt_does_not_show_everything(path, query, operator):
    answer = operator.ask("GET", f"{path}?{query}")
    assert query.partition("=")[0] in problem(answer, answer.status_code)["detail"]


@pytest.mark.parametrize("value", [1, -1, "a\x00", None, [], 10**30, {"a": 1}])
def test_a_cursor_of_another_list_is_refused(value, operator):
    cursor = base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
    problem(operator.ask("GET", f"groups?cursor={cursor}"), 422)


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_pages_show_everything_once(limit, operator):
    names = [f"n{number}" for number in range(7)]
    for name in names:
        operator.create("groups", name=name)
    shown, cursor = [], ""
    while cursor is not None:
        answer = operator.ask("GET", f"groups?limit={limit}&cursor={cursor}")
        page = answer.json()
        shown += [item["name"] for item in page["items"]]
        cursor = page["next"]
        assert ("Link" in answer) == (cursor is not None)
        # A row that goes meanwhile hides no other, and one that comes does not repeat any.
        operator.ask("DELETE", f"groups/{shown[0]}")
    assert shown == names
    events = operator.get("events?limit=2")
    assert [e["id"] for e in events["items"]] > [
        e["id"] for e in operator.get(f"events?limit=2&cursor={events['next']}")["items"]
    ]


def test_nodes_are_found_by_what_is_said_of_them(operator):
    operator.create("boot-profiles", name="rocky")
    operator.create("pools", name="spot", capacity="spot", maximum=9, labels={"tier": "x"})
    operator.create("compute-nodes", name="a", pool="spot", owner="alice", labels={"k.io/t": "1"})
    bare = {"xname": "x1c0s0b0n0", "architecture": "arm64", "boot_mac": "A4BF012B3C4D"}
    operator.create("compute-nodes", name="b", boot_profile="rocky", bmc_address="10.0.0.7", **bare)
    Node.of_pool(Pool.objects.get(), "c", state=NodeState.READY).save()
    ended = {"state": NodeState.LOST, "ended": timezone.now()}
    Node.of_pool(Pool.objects.get(), "d", **ended).save()
    found = {
        "": "abc",
        "ended=true": "abcd",
        "state=lost": "d",
        "state=lost&state=ready": "cd",
        "pool=spot": "ac",
        "pool=spot&by_hand=true": "a",
        "owner=alice": "a",
        "capacity=spot": "ac",
        "label=tier=x": "c",
        "label=k.io/t=1": "a",
        "label=k.io/t": "a",
        "label=k.io/t=1,tier": "",
        "label=k.io/t=1&label=tier=x": "",
        "xname=X0001c0s0b0n0": "b",
        "architecture=aarch64": "b",
        "boot_mac=a4-bf-01-2b-3c-4d": "b",
        "bmc_address=10.0.0.7": "b",
        "boot_profile=rocky": "b",
    }
    seen = {query: "".join(operator.names(f"compute-nodes?{query}")) for query in found}
    assert seen == found


def test_what_tells_machines_apart_belongs_to_one(operator):
    given = {"name": "a", "xname": "x1c0s0b0n0", "boot_mac": "a4:bf:01:2b:3c:4d"}
    operator.create("compute-nodes", **given)
    for field, value in given.items():
        other = {"name": "b", field: value}
        assert value in problem(operator.ask("POST", "compute-nodes", other), 409)["detail"]
    operator.ask("DELETE", "compute-nodes/a")
    operator.create("compute-nodes", **given)


def test_a_node_created_by_hand_is_like_its_pool_but_for_what_is_given(operator):
    operator.create("pools", name="gpu", price_per_hour=3, gpu=1)
    operator.create("pools", name="spot", capacity="spot", fallback="gpu", price_per_hour=1)
    operator.create("compute-nodes", name="a", pool="spot", memory="8Gi")
    node = Node.objects.get(name="a")
    assert (node.memory, node.cpu, node.capacity) == (8 * 2**30, 1, "spot")
    assert (node.price_per_hour, node.on_demand_price_per_hour) == (1, 3)
    assert (node.by_hand, node.state, node.target) == (True, "requested", "running")
    said = problem(operator.ask("POST", "compute-nodes", {"name": "b", "pool": "spot"}), 409)
    assert "maximum of 1" in said["detail"]
    changes = {"memory": "4Gi"}
    said = problem(operator.ask("PATCH", "compute-nodes/a", changes, If_Match="*"), 409)
    assert "memory" in said["detail"]


def test_a_drained_node_takes_no_more_jobs_and_knows_its_deadline(operator):
    operator.create("pools", name="one", maximum=2, drain_seconds=60)
    operator.create("compute-nodes", name="a", pool="one")
    operator.create("compute-nodes", name="record")
    Node.objects.filter(name="a").update(state=NodeState.READY)
    answer = operator.ask("POST", "compute-nodes/a/drain")
    assert answer.status_code == 202
    assert (answer.json()["state"], answer.json()["target"]) == ("draining", "stopped")
    left = Node.objects.get(name="a").drain_deadline - timezone.now()
    assert timedelta(seconds=50) < left <= timedelta(seconds=60)
    operator.ask("POST", "compute-nodes/a/drain", {"seconds": 0})
    assert Node.objects.get(name="a").drain_deadline <= timezone.now()
    problem(operator.ask("POST", "compute-nodes/record/drain"), 409)
    Node.objects.filter(name="a").update(state=NodeState.STOPPED)
    assert "stopped" in problem(operator.ask("POST", "compute-nodes/a/drain"), 409)["detail"]


def test_a_drain_does_not_meet_a_node_that_changed_meanwhile(operator):
    operator.create("pools", name="one")
    operator.create("compute-nodes", name="a", pool="one")
    read = Node.objects.select_related("pool").get()
    operator.change("compute-nodes/a", labels={"a": "b"})
    with pytest.raises(drains.Changed):
        drains.drain_node(read, "operator")
    assert Node.objects.get().target == "running"


def test_a_deleted_node_is_shown_until_it_has_ended(operator):
    operator.create("pools", name="one")
    operator.create("compute-nodes", name="a", pool="one")
    assert operator.ask("DELETE", "compute-nodes/a").status_code == 204
    assert operator.get("compute-nodes/a")["target"] == "stopped"
    said = problem(operator.ask("POST", "compute-nodes", {"name": "a"}), 409)
    assert "still ending" in said["detail"]
    Node.objects.update(state=NodeState.STOPPED, ended=timezone.now())
    problem(operator.ask("GET", "compute-nodes/a"), 404)
    operator.create("compute-nodes", name="a")


@pytest.mark.parametrize(
    "members", [{"nodes": ["a", "b"]}, {"selector": {"team": "ocean"}}], ids=["names", "labels"]
)
def test_a_group_is_drained_with_its_members_only(members, operator):
    operator.create("pools", name="one", maximum=3)
    for name, team in [("a", "ocean"), ("b", "ocean"), ("c", "land")]:
        operator.create("compute-nodes", name=name, pool="one", labels={"team": team})
    assert operator.create("groups", name="g", **members)["members"] == ["a", "b"]
    answer = operator.ask("POST", "groups/g/drain", {"seconds": 5})
    assert (answer.status_code, answer.json()) == (202, {"drained": ["a", "b"]})
    assert operator.ask("POST", "groups/g/drain").json() == {"drained": []}
    assert Node.objects.get(name="c").target == "running"


def test_a_pool_goes_only_when_nothing_needs_it(operator):
    operator.create("pools", name="plain", maximum=2, minimum=1)
    operator.create("pools", name="spot", fallback="plain")
    operator.create("compute-nodes", name="a", pool="plain")
    assert "a" not in problem(operator.ask("DELETE", "pools/plain"), 409)["title"]
    said = problem(operator.ask("PATCH", "pools/plain", {"role": "dask"}, If_Match="*"), 409)
    assert "role" in said["detail"]
    assert operator.ask("POST", "pools/plain/drain").json() == {"drained": ["a"]}
    assert (Pool.objects.get(name="plain").minimum, Pool.objects.get(name="plain").maximum) == (
        0,
        0,
    )
    Node.objects.update(state=NodeState.STOPPED, ended=timezone.now())
    assert "spot" in problem(operator.ask("DELETE", "pools/plain"), 409)["detail"]
    operator.ask("DELETE", "pools/spot")
    assert operator.ask("DELETE", "pools/plain").status_code == 204
    assert operator.get("compute-nodes/a")["pool"] == "plain"


def test_a_boot_profile_goes_only_when_no_node_has_it(operator):
    operator.create("boot-profiles", name="rocky")
    operator.create("compute-nodes", name="a", boot_profile="rocky")
    assert "a" in problem(operator.ask("DELETE", "boot-profiles/rocky"), 409)["detail"]
    operator.ask("DELETE", "compute-nodes/a")
    assert operator.ask("DELETE", "boot-profiles/rocky").status_code == 204


def test_a_node_is_shown_with_what_happened_to_it(operator):
    operator.create("pools", name="one")
    operator.create("compute-nodes", name="a", pool="one")
    operator.ask("POST", "compute-nodes/a/drain")
    events = operator.get("compute-nodes/a")["events"]
    assert [event["reason"] for event in events] == ["created", "draining"]
    found = operator.get("events?kind=ComputeNode&name=a&reason=draining&actor=operator")["items"]
    assert [event["pool"] for event in found] == ["one"]
    assert operator.get("events?until=2000-01-01T00:00:00Z")["items"] == []


def test_an_event_says_what_changed_but_no_long_text(operator):
    operator.create("boot-profiles", name="rocky")
    operator.change("boot-profiles/rocky", admin_user="root", user_data="#secret\n" * 20)
    (event,) = operator.get("events?reason=updated")["items"]
    assert event["text"] == "admin_user: '' -> root; user_data changed"


def test_the_description_of_the_addresses_is_whole(operator):
    described = Client().get("/api/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    names = [op["operationId"] for path in described["paths"].values() for op in path.values()]
    assert len(names) == len(set(names))
    references = set(json.dumps(described).split('"#/components/schemas/')[1:])
    defined = described["components"]["schemas"]
    assert {text.partition('"')[0] for text in references} <= set(defined)
    assert {"limit", "cursor", "state", "pool", "owner", "label", "capacity"} <= {
        parameter["name"]
        for parameter in described["paths"]["/api/compute-nodes"]["get"]["parameters"]
    }


def test_the_schema_of_each_kind_fits_what_the_service_shows(operator):
    for path, body in BODIES.items():
        operator.create(path, **body)
    addresses = Client().get("/api/schemas").json()
    assert set(addresses) == set(KINDS)
    for name, kind in KINDS.items():
        answer = Client().get(addresses[name])
        assert answer["Content-Type"] == "application/schema+json"
        schema = answer.json()
        jsonschema.Draft202012Validator.check_schema(schema)
        document = kind.document(operator.get(f"{kind.path}/one"))
        jsonschema.validate(document, schema)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(document | {"spec": {"nix": 1}}, schema)
    problem(Client().get("/api/schemas/Pod"), 404)
