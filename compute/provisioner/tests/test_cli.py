"""The commands for pools, nodes, groups and boot profiles, against a real service."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.utils import timezone

from compute.cli.columns import age
from compute.cli.main import main
from compute.provisioner.models import Group, Node, NodeState, Pool

pytestmark = pytest.mark.database

FOLDER = {
    "pools.yaml": """
        kind: Pool
        metadata: {name: spot, labels: {team: ocean}}
        spec: {capacity: spot, fallback: plain, maximum: 8}
        ---
        kind: Pool
        metadata: {name: plain, labels: {team: ocean}}
        spec: {maximum: 2, price_per_hour: 3}
        """,
    "machines.yaml": """
        kind: ComputeNode
        metadata: {name: cn1, labels: {team: ocean}}
        spec: {xname: x3000c0s17b1n0, boot_profile: rocky}
        ---
        kind: BootProfile
        metadata: {name: rocky, labels: {team: ocean}}
        ---
        kind: Group
        metadata: {name: rack, labels: {team: ocean}}
        spec: {nodes: [cn1]}
        """,
}


class Handler(WSGIRequestHandler):
    """Answers without a line on the terminal for each request."""

    def log_message(self, *_):
        pass


@contextmanager
def serving(host):
    """Serve on any free port of an address of this machine."""
    with ThreadedWSGIServer((host, 0), Handler) as server:
        server.set_app(WSGIHandler())
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://{host}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def url(transactional_db, monkeypatch):
    with serving("127.0.0.1") as address:
        monkeypatch.setenv("COMPUTE_URL", address)
        monkeypatch.setenv("COMPUTE_OPERATOR_TOKEN", settings.OPERATOR_TOKEN)
        yield address


@pytest.fixture
def compute(url):
    """Run a command and return what it prints; its exit code must be the one expected."""

    def run(*arguments, text=None, code=0):
        done = CliRunner().invoke(main, arguments, input=text)
        assert done.exit_code == code, (done.output, done.exception)
        return done.output

    return run


@pytest.fixture
def folder(tmp_path):
    for name, text in FOLDER.items():
        (tmp_path / name).write_text(re.sub("^        ", "", text, flags=re.MULTILINE))
    return tmp_path


def test_a_record_is_created_changed_shown_and_deleted(compute):
    compute("pools", "create", "spot", "--maximum", "4", "--memory", "4Gi", "--label", "team=ocean")
    compute("pools", "update", "spot", "--minimum", "2", "--label", "tier=cheap")
    pool = Pool.objects.get()
    assert (pool.minimum, pool.maximum, pool.memory) == (2, 4, 4 * 2**30)
    assert pool.labels == {"team": "ocean", "tier": "cheap"}
    head, row = compute("pools", "list", "-l", "team=ocean").splitlines()
    assert head.split()[:2] == ["NAME", "BACKEND"]
    assert row.split()[0] == "spot"
    assert re.search(r"^memory +4Gi", compute("pools", "get", "spot"), re.MULTILINE)
    assert "deleted pool spot" in compute("pools", "delete", "spot")
    assert "no pools" in compute("pools", "list")


def test_documents_shown_can_be_applied(compute):
    compute("pools", "create", "spot", "--maximum", "4", "--price-per-hour", "0.5")
    compute("nodes", "create", "n1", "--pool", "spot", "--cpu", "2", "--owner", "alice")
    shown = compute("pools", "get", "spot", "-o", "yaml") + "---\n"
    shown += compute("nodes", "list", "-o", "yaml")
    assert compute("apply", "-f", "-", text=shown) == "2 unchanged\n"
    (node,) = json.loads(compute("nodes", "list", "-o", "json"))
    assert (node["spec"]["owner"], node["status"]["state"]) == ("alice", "requested")


def test_values_are_checked_under_the_names_of_the_options(compute):
    output = compute("pools", "create", "spot", "--maximum", "x", "--memory", "4Q", code=2)
    assert "--maximum: it must be a whole number, not 'x'" in output
    assert "--memory: '4Q'" in output
    assert "--label: 'team'" in compute("pools", "create", "a", "--label", "team", code=2)
    assert "x3000c0s17b1n0" in compute("nodes", "create", "a", "--xname", "x1", code=2)
    assert "nothing to change" in compute("pools", "update", "a", code=2)


def test_long_values_come_from_files(compute, tmp_path):
    (tmp_path / "key.pub").write_text("ssh-ed25519 AAAA me\n")
    compute("boot-profiles", "create", "rocky", "--ssh-key", f"@{tmp_path}/key.pub")
    assert "ssh-ed25519 AAAA me" in compute("boot-profiles", "get", "rocky")
    missing = compute("boot-profiles", "create", "b", "--user-data", "@none", code=2)
    assert "--user-data: none cannot be read: No such file" in missing


def test_the_service_refuses_in_its_own_words(compute, monkeypatch):
    assert "no pool 'none'" in compute("pools", "get", "none", code=1)
    monkeypatch.delenv("COMPUTE_OPERATOR_TOKEN")
    monkeypatch.setenv("COMPUTE_DATA_DIR", "/nonexistent")
    assert "COMPUTE_OPERATOR_TOKEN" in compute("pools", "list", code=1)
    monkeypatch.setenv("COMPUTE_URL", "http://127.0.0.1:9")
    assert "no service answers at http://127.0.0.1:9" in compute("nodes", "list", code=1)


def test_the_token_and_address_of_this_machines_service_are_found(
    compute, url, tmp_path, monkeypatch
):
    monkeypatch.delenv("COMPUTE_OPERATOR_TOKEN")
    monkeypatch.delenv("COMPUTE_URL")
    monkeypatch.setenv("COMPUTE_DATA_DIR", str(tmp_path))
    (tmp_path / "operator_token").write_text(settings.OPERATOR_TOKEN)
    (tmp_path / "address").write_text(url)
    assert "no pools" in compute("pools", "list")
    with serving("127.0.0.2") as another_machine:
        refused = compute("pools", "list", "--server", another_machine, code=1)
        assert "this needs the token" in refused


def test_nodes_and_groups_and_pools_are_drained(compute):
    compute("pools", "create", "spot", "--maximum", "3")
    for name in ("a", "b", "c"):
        compute("nodes", "create", name, "--pool", "spot")
    compute("groups", "create", "ab", "--node", "a", "--node", "b")
    assert compute("nodes", "drain", "a", "--seconds", "5") == "draining compute node a\n"
    assert compute("groups", "drain", "ab") == "draining 1 node(s): b\n"
    assert compute("pools", "drain", "spot") == "draining 1 node(s): c\n"
    assert "requested, to stop" in compute("nodes", "list", "--pool", "spot")


def test_a_folder_is_applied_once_and_then_nothing_is_left_to_do(compute, folder):
    shown = compute("apply", "-f", str(folder), "--dry-run")
    assert "+ pool spot\n" in shown
    assert "    fallback: plain\n" in shown
    assert shown.endswith("5 created (dry run: nothing was done)\n")
    assert not Pool.objects.exists()
    assert compute("apply", "-f", str(folder)).endswith("5 created\n")
    versions = list(Pool.objects.values_list("name", "version"))
    assert compute("apply", "-f", str(folder)) == "5 unchanged\n"
    assert list(Pool.objects.values_list("name", "version")) == versions


def test_the_example_of_the_documentation_can_be_applied(compute):
    page = (Path(__file__).parents[3] / "docs/how-to/provision.md").read_text()
    (example,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert compute("apply", "-f", "-", text=example).endswith("5 created\n")
    assert "rack1-blade3" in compute("groups", "list")


def test_a_change_is_shown_as_before_and_after(compute, folder):
    compute("apply", "-f", str(folder))
    file = folder / "pools.yaml"
    file.write_text(file.read_text().replace("maximum: 8", "minimum: 1, maximum: 8"))
    shown = compute("apply", "-f", str(folder))
    assert shown == "~ pool spot\n    minimum: 0 -> 1\n1 changed, 4 unchanged\n"


def test_pruning_deletes_what_has_the_label_and_no_document(compute, folder):
    compute("apply", "-f", str(folder))
    compute("groups", "create", "mine")
    compute("groups", "create", "theirs", "--label", "team=land")
    compute("pools", "create", "old", "--label", "team=ocean", "--maximum", "2")
    (folder / "machines.yaml").unlink()
    # A node the pool started has the pool's labels, and is not for people to prune.
    automatic = Node.of_pool(Pool.objects.get(name="spot"), "spot-1")
    automatic.save()
    shown = compute("apply", "-f", str(folder), "--prune", "-l", "team=ocean")
    assert re.findall("^- (.*)$", shown, re.MULTILINE) == [
        "group rack",
        "compute node cn1",
        "boot profile rocky",
        "pool old",
    ]
    assert list(Group.objects.values_list("name", flat=True)) == ["mine", "theirs"]
    assert list(Pool.objects.values_list("name", flat=True)) == ["plain", "spot"]
    assert Node.objects.kept().get() == automatic


def test_a_pool_that_is_pruned_is_drained_first(compute, folder):
    compute("apply", "-f", str(folder))
    compute("nodes", "create", "a", "--pool", "spot")
    (folder / "pools.yaml").unlink()
    command = ("apply", "-f", str(folder), "--prune", "-l", "team=ocean")
    assert "which are draining" in compute(*command, code=1)
    assert Node.objects.get(name="a").target == "stopped"
    Node.objects.filter(name="a").update(state=NodeState.STOPPED, ended=timezone.now())
    compute(*command)
    assert not Pool.objects.exists()


def test_nothing_is_done_when_one_document_is_wrong(compute, folder):
    (folder / "zz.yaml").write_text("kind: Pool\nmetadata: {name: Wrong}\n")
    output = compute("apply", "-f", str(folder), code=1)
    assert f"{folder}/zz.yaml, document 1, line 2, metadata.name: 'Wrong'" in output
    assert not Pool.objects.exists()
    assert "cannot be read" in compute("apply", "-f", str(folder / "none.yaml"), code=1)
    assert "belong together" in compute("apply", "-f", str(folder), "--prune", code=2)


def test_what_the_service_refuses_is_said_with_its_place(compute):
    text = "kind: Pool\nmetadata:\n  name: a\nspec:\n  fallback: none\n"
    text += "---\nkind: Pool\nmetadata: {name: b}\n"
    output = compute("apply", "-f", "-", text=text, code=1)
    assert "standard input, document 1, line 5, spec.fallback: there is no pool 'none'" in output
    assert "0 of 2 changes were made before this one" in output


def test_a_node_that_was_lost_is_created_anew(compute):
    compute("pools", "create", "spot")
    text = "kind: ComputeNode\nmetadata: {name: a}\nspec: {pool: spot}\n"
    compute("apply", "-f", "-", text=text)
    Node.objects.update(state=NodeState.LOST, ended=timezone.now())
    shown = compute("apply", "-f", "-", text=text)
    assert "+ compute node a  (the one there was is lost)" in shown
    assert Node.objects.kept().get().state == "requested"


def test_usage_is_shown_with_its_total(compute):
    pool = Pool.objects.create(name="spot", price_per_hour=2)
    hour_ago = timezone.now() - timedelta(hours=1)
    Node.of_pool(pool, "a", started=hour_ago, ended=timezone.now()).save()
    lines = compute("usage").splitlines()
    assert [line.split() for line in lines] == [
        ["POOL", "NODE", "TIME", "COST", "ON", "DEMAND", "SAVED"],
        ["spot", "1h", "2.00", "2.00", "0.00"],
        ["total", "1h", "2.00", "2.00", "0.00"],
    ]
    report = yaml.safe_load(compute("usage", "--by", "owner", "-o", "yaml"))
    assert report["items"][0]["name"] == "idle"


@pytest.mark.parametrize(("form", "gone"), [("table", "n1 is gone"), ("json", "n1 is gone")])
def test_watching_shows_each_change_until_it_is_interrupted(compute, form, gone):
    compute("nodes", "create", "n1", "--xname", "x1c0s0b0n0")
    command = [sys.executable, "-m", "compute", "nodes", "list", "--watch", "-o", form]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, **pipes) as watching:
        assert "n1" in until(watching, "n1")
        compute("nodes", "update", "n1", "--owner", "alice")
        assert "alice" in until(watching, "alice")
        compute("nodes", "delete", "n1")
        assert gone in until(watching, gone)
        watching.send_signal(signal.SIGINT)
        assert watching.wait(10) == 0


def test_a_table_watched_on_a_narrow_terminal_shows_what_matters_whole(compute):
    compute("nodes", "create", "a-machine-with-a-long-name", "--description", "x")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "compute", "nodes", "list", "--watch"]
    narrow = {**os.environ, "COLUMNS": "80", "TERM": "xterm"}
    with subprocess.Popen(command, stdout=theirs, env=narrow) as watching:
        shown = b""
        while b"on record" not in shown:
            shown += os.read(ours, 4096)
        watching.send_signal(signal.SIGINT)
        assert watching.wait(10) == 0
    os.close(ours)
    os.close(theirs)
    assert b"a-machine-with-a-long-name" in shown
    assert b"HEARTBEAT" not in shown


def until(process, words):
    """Return the first line of the process that holds the words."""
    return next(line for line in process.stdout if words in line)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59.9, "59s"), (60, "1m"), (3725, "1h2m"), (90_000, "1d1h"), (-5, "0s")],
)
def test_times_are_shown_by_their_largest_units(seconds, text):
    assert age(seconds) == text
