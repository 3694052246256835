"""YAML documents: every error says where it is, and what they change is shown before it is done."""

import re
import textwrap

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from compute.provisioner.apply import Difference, change, deletion, impossible, in_order
from compute.provisioner.documents import DocumentsError, files, read
from compute.provisioner.kinds import KINDS, POOL


def documents(*texts):
    return read((f"{number}.yaml", textwrap.dedent(text)) for number, text in enumerate(texts, 1))


def problems(*texts):
    with pytest.raises(DocumentsError) as caught:
        documents(*texts)
    return caught.value.problems


def pool(name, **spec):
    return {"kind": "Pool", "metadata": {"name": name}, "spec": spec}


def described(*given_documents):
    return documents(yaml.safe_dump_all(given_documents))


def as_shown(document):
    """Return the record that a document leads to, as the service shows it."""
    return document.body.model_dump(mode="json") | {"ended": None, "state": "ready"}


def test_documents_are_read_with_their_defaults():
    first, second = documents(
        """
        kind: Pool
        metadata: {name: spot, labels: {team: ocean}}
        spec: {memory: 4Gi, cpu: 500m}
        ---
        # Nothing but a remark between two documents.
        ---
        {"kind": "Group", "metadata": {"name": "rack"}}
        """
    )
    assert (first.kind, first.name, first.body.memory) == (POOL, "spot", 4 * 2**30)
    assert (first.body.cpu, first.body.maximum) == (0.5, 1)
    assert (second.name, second.body.nodes) == ("rack", [])


def test_every_error_is_said_with_file_document_line_and_field():
    assert problems(
        """\
        kind: Pool
        metadata:
          name: spot
          labels: {tier: 3}
        spec:
          maximun: 8
          minimum: many
        ---
        kind: Pool
        metadata: {name: plain}
        spec:
          minimum: 5
        """,
        """\
        kind: Pod
        ---
        - kind: Pool
        ---
        kind: Group
        metadata:
          name: rack
          names: rack
        spec:
          nodes:
            - cn1
            - CN2
        """,
    ) == [
        "1.yaml, document 1, line 4, metadata.labels.tier: it must be text, not 3: "
        "put it in quotes",
        "1.yaml, document 1, line 7, spec.minimum: it must be a whole number, not 'many'",
        "1.yaml, document 1, line 6, spec.maximun: there is no such field",
        "1.yaml, document 2, line 11, spec: minimum 5 is above maximum 1",
        "2.yaml, document 1, line 1, kind: there is no kind 'Pod'; "
        "choose from Pool, BootProfile, ComputeNode, Group",
        "2.yaml, document 2, line 3, kind: there is no kind None; "
        "choose from Pool, BootProfile, ComputeNode, Group",
        "2.yaml, document 3, line 8, metadata.names: there is no such field",
        "2.yaml, document 3, line 12, spec.nodes.1: 'CN2' is not a name: "
        "small letters, digits and inner hyphens, 63 at most",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind: [", "line 1: this is not YAML"),
        ("kind: Pool\nmetadata: {name: a, name: b}", "line 2: name is given twice"),
        ("kind: Pool\nmetadata: &m\n  name: *m", "alias leads back to itself"),
        ("kind: Pool", "metadata: it must be given"),
        ("kind: Pool\nmetadata: name", "metadata: it must hold names and values"),
        ("kind: !!python/object:os.system {}", "this is not YAML"),
        ("kind: {a: b}", "there is no kind"),
        ("a\x00b", "not YAML"),
    ],
)
def test_what_is_no_document_is_refused(text, words):
    (problem,) = problems(text)
    assert words in problem


def test_a_record_described_twice_is_refused_with_both_places():
    text = "kind: Pool\nmetadata: {name: a}\n"
    assert problems(text, text) == [
        "2.yaml, document 1, line 2, metadata.name: pool a is described already in "
        "1.yaml, document 1, line 1"
    ]


def test_a_folder_stands_for_the_documents_below_it(tmp_path):
    for name in ("b.yml", "a.yaml", "more/c.json", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [str(file.relative_to(tmp_path)) for file in files([tmp_path])]
    assert found == ["a.yaml", "b.yml", "more/c.json"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DocumentsError, match=r"empty: no .yaml, .yml, .json file"):
        files([tmp_path / "empty"])


def test_what_is_as_described_is_kept():
    for document in described(*EXAMPLES):
        assert change(document, as_shown(document), "1").action == "keep"


EXAMPLES = (
    pool("spot", tolerations=[{"key": "spot", "effect": "NoSchedule"}], node_selector={"a": "b"}),
    {"kind": "ComputeNode", "metadata": {"name": "cn1"}, "spec": {"xname": "X1c0s0b0n01"}},
    {"kind": "Group", "metadata": {"name": "rack"}, "spec": {"nodes": ["cn1"]}},
    {"kind": "BootProfile", "metadata": {"name": "rocky"}},
)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_the_differences_are_the_fields_that_differ(data):
    (document,) = described(pool("a", minimum=0, maximum=9))
    record = as_shown(document)
    values = st.integers(0, 100)
    fields = st.sampled_from(["step", "failures", "gpu", "jobs_per_node"])
    changed = data.draw(st.dictionaries(fields, values))
    differing = {name for name, value in changed.items() if value != record[name]}
    found = change(document, record | changed, "1")
    assert {difference.field for difference in found.differences} == differing
    assert found.action == ("update" if differing else "keep")


def test_labels_differ_one_by_one():
    (document,) = described(
        {**pool("a"), "metadata": {"name": "a", "labels": {"b": "c", "d": "e"}}}
    )
    record = as_shown(document) | {"labels": {"b": "x", "y": "z"}}
    assert change(document, record, "1").differences == (
        Difference("labels.b", "x", "c"),
        Difference("labels.d", None, "e"),
        Difference("labels.y", "z", None),
    )


def test_a_node_that_has_ended_is_created_anew_unless_it_is_only_a_record():
    in_pool, bare = described(
        {"kind": "ComputeNode", "metadata": {"name": "a"}, "spec": {"pool": "spot"}},
        {"kind": "ComputeNode", "metadata": {"name": "b"}},
    )
    ended = {"ended": "2026-01-01T00:00:00Z", "state": "lost"}
    assert change(in_pool, as_shown(in_pool) | ended).action == "replace"
    assert change(bare, as_shown(bare) | ended).action == "keep"


def test_what_a_node_cannot_change_is_said_before_anything_is_done():
    (document,) = described(
        {"kind": "ComputeNode", "metadata": {"name": "a"}, "spec": {"pool": "spot", "cpu": 2}}
    )
    record = as_shown(document) | {"cpu": 1.0, "memory": 2**30}
    (problem,) = impossible([change(document, record, "1")])
    assert re.match(r"1.yaml, document 1, line \d+, spec.cpu: .* 1.0", problem)


def test_what_others_refer_to_comes_first_and_goes_last():
    given_documents = [
        {"kind": "Group", "metadata": {"name": "g"}},
        {"kind": "ComputeNode", "metadata": {"name": "n"}},
        pool("a", fallback="b"),
        pool("b", fallback="c"),
        pool("c"),
        pool("circle", fallback="circle"),
        {"kind": "BootProfile", "metadata": {"name": "p"}},
    ]
    made = [change(document, None) for document in described(*given_documents)]
    gone = [deletion(kind, {"name": "old"}) for kind in KINDS.values()]
    gone.append(deletion(POOL, {"name": "older", "fallback": "old"}))
    order = [(c.action, c.kind.name, c.name) for c in in_order([*gone, *made])]
    assert [name for _, _, name in order[:7] if name != "circle"] == ["c", "b", "a", "p", "n", "g"]
    assert [kind for _, kind, _ in order[7:10]] == ["Group", "ComputeNode", "BootProfile"]
    assert [name for _, _, name in order[10:]] == ["older", "old"]
