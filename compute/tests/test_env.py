import stat

import pytest

from compute.env import Config, SettingsError, load

PRODUCTION = {
    "COMPUTE_EMBEDDED": "false",
    "COMPUTE_SECRET_KEY": "s" * 60,
    "COMPUTE_ALLOWED_HOSTS": "compute.example.org",
    "COMPUTE_DATABASE_URL": "postgres://u@db/compute",
    "COMPUTE_REDIS_URL": "redis://redis/0",
}


def test_defaults_need_nothing_from_the_environment():
    config = load({})
    assert config.embedded
    assert config.database.startswith("sqlite:///")
    assert config.archive_dir == config.data_dir / "archive"
    assert config.data_dir.is_absolute()


def test_an_unknown_setting_is_refused_by_its_name():
    with pytest.raises(SettingsError, match="unknown settings: COMPUTE_WEB_THREAD;"):
        load({"COMPUTE_WEB_THREAD": "4"})


def test_variables_of_other_programs_are_left_alone():
    assert load({"WEB_THREAD": "4", "COMPUTER": "x"}) == load({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COMPUTE_METRICS_PORT", "99999"),
        ("COMPUTE_WEB_THREADS", "none"),
        ("COMPUTE_LOG_FORMAT", "xml"),
        ("COMPUTE_SYNC_SECONDS", "-1"),
        ("COMPUTE_EMBEDDED", "perhaps"),
        ("COMPUTE_WEIGHTS", "alice"),
        ("COMPUTE_WEIGHTS", "alice=0"),
        ("COMPUTE_WEIGHTS", "bob=1,alice=-1"),
    ],
)
def test_an_unusable_value_is_refused_by_its_name(name, value):
    with pytest.raises(SettingsError, match=f"{name}: "):
        load({name: value})


def test_several_unusable_values_are_named_at_once():
    with pytest.raises(SettingsError, match=r"COMPUTE_METRICS_PORT.*COMPUTE_LOG_LEVEL"):
        load({"COMPUTE_METRICS_PORT": "x", "COMPUTE_LOG_LEVEL": "LOUD"})


def test_lists_are_split_at_commas():
    config = load({"COMPUTE_ALLOWED_DATA_HOSTS": "a.org, b.org:8080 ,"})
    assert config.allowed_data_hosts == ("a.org", "b.org:8080")
    assert config.sources.allowed_hosts == {"a.org", "b.org:8080"}


def test_weights_are_named():
    config = load({"COMPUTE_WEIGHTS": "alice=2, anonymous = 0.5"})
    assert config.weights_by_name == {"alice": 2.0, "anonymous": 0.5}


def test_local_files_may_lie_in_the_archive_unless_other_folders_are_named(tmp_path):
    embedded = load({"COMPUTE_DATA_DIR": str(tmp_path)})
    assert embedded.sources.roots == (tmp_path / "archive",)
    named = load({"COMPUTE_DATA_ROOTS": f"{tmp_path}/a,{tmp_path}/b"})
    assert named.sources.roots == (tmp_path / "a", tmp_path / "b")


def test_the_embedded_key_is_made_once_and_readable_by_its_owner_only(tmp_path):
    config = Config(data_dir=tmp_path / "new")
    key = config.key()
    assert len(key) >= 50
    assert Config(data_dir=tmp_path / "new").key() == key
    assert stat.S_IMODE((tmp_path / "new" / "secret_key").stat().st_mode) == 0o600


def test_a_given_key_is_used_and_not_written(tmp_path):
    config = load({"COMPUTE_SECRET_KEY": "hush-hush", "COMPUTE_DATA_DIR": str(tmp_path)})
    assert config.key() == "hush-hush"
    assert not (tmp_path / "secret_key").exists()
    assert "hush-hush" not in repr(config)


def test_production_starts_with_all_it_needs():
    assert load(PRODUCTION).database == "postgres://u@db/compute"


@pytest.mark.parametrize("missing", sorted(PRODUCTION.keys() - {"COMPUTE_EMBEDDED"}))
def test_production_refuses_to_start_without(missing):
    environ = {name: value for name, value in PRODUCTION.items() if name != missing}
    with pytest.raises(SettingsError, match=f"needs {missing}$"):
        load(environ)


@pytest.mark.parametrize("empty", sorted(PRODUCTION.keys() - {"COMPUTE_EMBEDDED"}))
def test_production_refuses_an_empty(empty):
    with pytest.raises(SettingsError, match=empty):
        load(PRODUCTION | {empty: ""})


def test_the_operators_token_is_made_once_for_its_owner_only(tmp_path):
    config = load({"COMPUTE_DATA_DIR": str(tmp_path)})
    token = config.operator()
    assert len(token) > 50
    assert config.operator() == token != config.key()
    assert config.operator_token_file.stat().st_mode & 0o777 == 0o600


def test_production_has_no_operator_unless_one_is_named(tmp_path):
    needed = {**PRODUCTION, "COMPUTE_DATA_DIR": str(tmp_path)}
    assert load(needed).operator() == ""
    assert load(needed | {"COMPUTE_OPERATOR_TOKEN": "token"}).operator() == "token"
    assert not list(tmp_path.iterdir())
