"""Whatever is sent, the answer is a record or a problem that says why not, never a failure."""

from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compute.provisioner.api import boot_profiles, groups, nodes, pools, reports
from compute.provisioner.kinds import KINDS
from compute.provisioner.tests.rest import Operator

pytestmark = [pytest.mark.database, pytest.mark.django_db]

modest = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
texts = st.text(max_size=8) | st.sampled_from(
    ["a", "4Gi", "1m", "x1c0s0b0n0", "null", "-1", "\x00"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
LISTS = {
    "pools": pools.PoolFilters,
    "compute-nodes": nodes.NodeFilters,
    "groups": groups.GroupFilters,
    "boot-profiles": boot_profiles.BootProfileFilters,
    "events": reports.EventFilters,
    "usage": reports.UsageFilters,
}


def answered(answer):
    problem = answer["Content-Type"] == "application/problem+json"
    assert answer.status_code < 300 or (problem and answer.status_code < 500), answer.content


@modest
@given(st.data(), st.sampled_from(sorted(KINDS)), st.sampled_from(["POST", "PUT", "PATCH"]))
def test_any_body_is_answered(data, kind, method):
    fields = st.sampled_from(sorted(KINDS[kind].body.model_fields)) | texts
    body = data.draw(st.dictionaries(fields, values, max_size=4)) | {"name": "a"}
    path = KINDS[kind].path
    operator = Operator()
    operator.ask("POST", path, {"name": "a"})
    where = path if method == "POST" else f"{path}/a"
    answered(operator.ask(method, where, body, If_Match="*"))
    answered(operator.ask("GET", path))


@modest
@given(st.data(), st.sampled_from(sorted(LISTS)))
def test_any_query_is_answered(data, path):
    fields = st.sampled_from(sorted(LISTS[path].model_fields))
    written = texts | st.sampled_from(["2026-01-01T00:00:00Z", "MQ", "Im4i", "1e400", "0001-01-01"])
    query = data.draw(st.dictionaries(fields, written, max_size=3))
    answered(Operator().ask("GET", f"{path}?{urlencode(query)}"))


@modest
@given(st.sampled_from(sorted(KINDS)), texts.filter(lambda text: text.strip("./")))
def test_any_name_is_answered(kind, name):
    address = f"{KINDS[kind].path}/{quote(name, safe='')}"
    answered(Operator().ask("GET", address))
    answered(Operator().ask("DELETE", address))
