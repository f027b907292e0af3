"""Loading: which layer wins, what is reported, and that all of it is reported at once."""

from pathlib import Path

import pytest

from fetchbox.settings.load import load_settings
from fetchbox.settings.problems import ConfigError
from fetchbox.settings.sections import BrokerProvider, StorageProvider
from fetchbox.settings.settings import Settings

SECRET = "do-not-show-me"


def load(tmp_path: Path, text: str = "", **env: str) -> Settings:
    file = tmp_path / "fetchbox.toml"
    file.write_text(text)
    return load_settings(file, env)


def problems(tmp_path: Path, text: str = "", **env: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, **env)
    return caught.value.problems


def test_nothing_configured_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings(env={})
    assert str(settings.server.bind_addr) == "0.0.0.0:8080"
    assert settings.broker.provider is BrokerProvider.SQLITE
    assert settings.storage.provider is StorageProvider.LOCAL
    assert set(settings.handlers) == {"default", "gallery"}
    assert settings.origins == {}
    assert settings.warnings == (
        "config/fetchbox.toml does not exist: defaults and the environment apply",
    )


def test_layers_win_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Defaults < TOML < .env < environment < command line."""
    monkeypatch.chdir(tmp_path)
    Path("config").mkdir()
    Path("config/fetchbox.toml").write_text(
        "[worker]\nmax_inflight_tasks = 2\nread_timeout_ms = 2\nconnect_timeout_ms = 2\n"
        '[server]\nbind_addr = "a:2"\n'
    )
    Path(".env").write_text(
        "FETCHBOX__WORKER__READ_TIMEOUT_MS=3\nFETCHBOX__WORKER__CONNECT_TIMEOUT_MS=3\n"
        "FETCHBOX__SERVER__BIND_ADDR=a:3\n"
    )
    monkeypatch.setenv("FETCHBOX__WORKER__CONNECT_TIMEOUT_MS", "4")
    monkeypatch.setenv("FETCHBOX__SERVER__BIND_ADDR", "a:4")
    monkeypatch.delenv("FETCHBOX_CONFIG", raising=False)
    settings = load_settings(flags={"server.bind_addr": "a:5"})
    worker = settings.worker
    found = (worker.max_inflight_tasks, worker.read_timeout_ms, worker.connect_timeout_ms)
    assert found == (2, 3, 4)
    assert settings.server.bind_addr.port == 5
    assert settings.origins["worker.max_inflight_tasks"] == "config/fetchbox.toml"
    assert settings.origins["worker.read_timeout_ms"] == "FETCHBOX__WORKER__READ_TIMEOUT_MS in .env"
    assert settings.origins["server.bind_addr"] == "the command line"


def test_config_variable_names_several_files(tmp_path: Path) -> None:
    first, second = tmp_path / "a.toml", tmp_path / "b.toml"
    first.write_text("[worker]\nmax_inflight_tasks = 1\nread_timeout_ms = 1\n")
    second.write_text("[worker]\nread_timeout_ms = 2\n")
    settings = load_settings(env={"FETCHBOX_CONFIG": f"{first}:{second}"})
    assert (settings.worker.max_inflight_tasks, settings.worker.read_timeout_ms) == (1, 2)


def test_named_file_that_is_missing_is_a_warning(tmp_path: Path) -> None:
    settings = load_settings(env={"FETCHBOX_CONFIG": str(tmp_path / "no.toml")})
    (warning,) = settings.warnings
    assert "no.toml does not exist" in warning
    assert "FETCHBOX_CONFIG" in warning


def test_file_that_is_no_toml_names_the_place(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "[worker\n")
    assert "fetchbox.toml is no valid TOML" in problem
    assert "line 1" in problem


def test_folder_in_place_of_a_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(tmp_path, {})


def test_user_entries_merge_with_the_built_in_handlers(tmp_path: Path) -> None:
    settings = load(tmp_path, '[handlers.gallery]\nkey_prefix = "g"\n[handlers.mine]\n')
    gallery = settings.handlers["gallery"]
    assert gallery.key_prefix == "g"
    assert gallery.storage_bucket == "fetchbox-gallery"
    assert gallery.handler.endswith("GalleryHandler")
    assert set(settings.handlers) == {"default", "gallery", "mine"}


def test_both_spellings_of_the_ledger_path_are_one_key(tmp_path: Path) -> None:
    text = '[server]\nledger_path = "from/file"\n'
    settings = load(tmp_path, text, FETCHBOX__SERVER__FJALL_PATH="from/env")
    assert settings.server.ledger_path == Path("from/env")


def test_environment_reaches_names_with_hyphens_and_capitals(tmp_path: Path) -> None:
    text = '[proxy.pools.through-proxy]\nprimary = ["http://a:1"]\n[handlers.Shop]\n'
    settings = load(
        tmp_path,
        text,
        FETCHBOX__PROXY__POOLS__THROUGH_PROXY__PRIMARY="http://b:2, http://c:3",
        FETCHBOX__HANDLERS__SHOP__KEY_PREFIX="s",
    )
    assert settings.proxy.pools["through-proxy"].primary == ("http://b:2", "http://c:3")
    assert settings.handlers["Shop"].key_prefix == "s"
    assert list(settings.proxy.pools) == ["through-proxy"]


def test_environment_alone_makes_handlers_and_pools(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        FETCHBOX__PROXY__POOLS__EU__PRIMARY="http://a:1",
        FETCHBOX__HANDLERS__SHOP__PROXY_POOL="pools/eu",
        FETCHBOX__HANDLERS__SHOP__OPTIONS__MAX_PARALLEL_DOWNLOADS="8",
        FETCHBOX__HANDLERS__SHOP__OPTIONS__MODE="fast",
        FETCHBOX__HANDLERS__SHOP__DEFAULT_HEADERS='{"Accept": "image/*"}',
    )
    shop = settings.handlers["shop"]
    assert shop.options == {"max_parallel_downloads": 8, "mode": "fast"}
    assert shop.default_headers == {"Accept": "image/*"}


def test_empty_variable_means_not_set_where_that_is_possible(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        FETCHBOX__STORAGE__ENDPOINT="",
        FETCHBOX__SERVER__OPERATOR_TOKEN="",
        FETCHBOX__WORKER__BLOCKED_NETWORKS="",
    )
    assert settings.storage.endpoint is None
    assert settings.server.operator_token is None
    assert settings.worker.blocked_networks == ()


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        pytest.param({"S3_ACCESS_KEY": "a", "S3_SECRET_KEY": "b"}, ("a", "b"), id="s3"),
        pytest.param(
            {"AWS_ACCESS_KEY_ID": "c", "AWS_SECRET_ACCESS_KEY": "d"}, ("c", "d"), id="aws"
        ),
        pytest.param(
            {
                "S3_ACCESS_KEY": "a",
                "S3_SECRET_KEY": "b",
                "AWS_ACCESS_KEY_ID": "c",
                "AWS_SECRET_ACCESS_KEY": "d",
            },
            ("a", "b"),
            id="s3-first",
        ),
        pytest.param(
            {
                "AWS_ACCESS_KEY_ID": "c",
                "AWS_SECRET_ACCESS_KEY": "d",
                "AWS_SESSION_TOKEN": "t",
            },
            (None, None),
            id="temporary-ones-are-the-sdk's",
        ),
        pytest.param(
            {
                "FETCHBOX__STORAGE__ACCESS_KEY": "e",
                "FETCHBOX__STORAGE__SECRET_KEY": "f",
                "S3_ACCESS_KEY": "a",
                "S3_SECRET_KEY": "b",
            },
            ("e", "f"),
            id="ours-win",
        ),
    ],
)
def test_storage_keys_fall_back(
    tmp_path: Path, env: dict[str, str], expected: tuple[str | None, str | None]
) -> None:
    storage = load(tmp_path, **env).storage
    keys = [key and key.get_secret_value() for key in (storage.access_key, storage.secret_key)]
    assert tuple(keys) == expected


def test_keys_of_two_pairs_are_not_mixed(tmp_path: Path) -> None:
    env = {
        "FETCHBOX__STORAGE__PROVIDER": "s3",
        "S3_ACCESS_KEY": "a",
        "AWS_ACCESS_KEY_ID": "c",
        "AWS_SECRET_ACCESS_KEY": "d",
    }
    (problem,) = problems(tmp_path, **env)
    assert problem.startswith("storage.secret_key: is missing")


def test_iggy_secret_falls_back(tmp_path: Path) -> None:
    secret = load(tmp_path, IGGY_CLIENT_SECRET=SECRET).iggy.client_secret
    assert secret is not None
    assert secret.get_secret_value() == SECRET
    assert SECRET not in repr(secret)


def test_log_level_has_a_name_of_its_own(tmp_path: Path) -> None:
    text = '[telemetry]\nlog_level = "error"\n'
    assert load(tmp_path, text, FETCHBOX_LOG="DEBUG").telemetry.log_level == "debug"


def test_unknown_keys_are_warned_of_wherever_they_stand(tmp_path: Path) -> None:
    text = (
        "[worker]\nmax_inflight = 1\n[server.api]\nmax_payload_bytes = 1\n"
        "[handlers.x]\nbucket = 1\n[proxy]\npool = 1\n[wrker]\na = 1\n"
    )
    settings = load(
        tmp_path, text, FETCHBOX__NOPE__X="1", FETCHBOX__STORAGE__BUKET="b", FETCHBOX_TEST_X="1"
    )
    warned = {warning.partition(" ")[0]: warning for warning in settings.warnings}
    assert set(warned) == {
        "worker.max_inflight",
        "server.api",
        "handlers.x.bucket",
        "proxy.pool",
        "wrker",
        "nope",
        "storage.buket",
    }
    assert "FETCHBOX__NOPE__X" in warned["nope"]
    assert "did you mean storage.bucket?" in warned["storage.buket"]
    assert "did you mean worker?" in warned["wrker"]


def test_secret_in_a_file_is_warned_of_without_showing_it(tmp_path: Path) -> None:
    (warning,) = load(tmp_path, f'[server]\noperator_token = "{SECRET}"\n').warnings
    assert warning.startswith("server.operator_token is a secret in ")
    assert SECRET not in warning


def test_every_problem_is_reported_at_once_with_key_value_source_and_remedy(tmp_path: Path) -> None:
    text = (
        '[worker]\nmax_inflight_tasks = 0\nproxy_failover_order = "backwards"\n'
        '[retention]\njob_ttl_days = -1\nledger_max_bytes = "1.5GB"\n'
        '[handlers.shop]\nproxy_pool = "nowhere"\n[proxy.pools.empty]\nprimary = []\n'
        "[proxy.pools.bare]\n"
    )
    found = problems(
        tmp_path,
        text,
        FETCHBOX__SERVER__BIND_ADDR="8080",
        FETCHBOX__SERVER__MAX_MANIFEST_BYTES="6MB",
        FETCHBOX__STORAGE__PROVIDER="gcs",
        FETCHBOX__BROKER__LEASE_MS="soon",
        FETCHBOX__BROKER__AUTO_PROVISION="perhaps",
        FETCHBOX__TELEMETRY="x",
    )
    keys = [line.partition(" ")[0].rstrip(":") for line in found]
    assert keys == [
        "broker.auto_provision",
        "broker.lease_ms",
        "handlers.shop.proxy_pool",
        "proxy.pools.bare.primary",
        "proxy.pools.empty.primary",
        "retention.job_ttl_days",
        "retention.ledger_max_bytes",
        "server.bind_addr",
        "server.max_manifest_bytes",
        "storage.provider",
        "telemetry",
        "worker.max_inflight_tasks",
        "worker.proxy_failover_order",
    ]
    assert found[1] == (
        "broker.lease_ms = soon (from FETCHBOX__BROKER__LEASE_MS): must be a whole number"
    )
    assert f"from {tmp_path / 'fetchbox.toml'}" in found[4]


def test_rules_over_several_keys_run_where_their_sections_are_sound(tmp_path: Path) -> None:
    text = (
        "[worker]\nmax_inflight_tasks = 0\n"
        '[handlers.shop]\nproxy_pool = "nowhere"\n[server]\nmax_manifest_bytes = "6MB"\n'
    )
    keys = [line.partition(" ")[0] for line in problems(tmp_path, text)]
    assert keys == [
        "handlers.shop.proxy_pool",
        "server.max_manifest_bytes",
        "worker.max_inflight_tasks",
    ]


@pytest.mark.parametrize(
    ("text", "env"),
    [
        pytest.param(
            f'[proxy.pools.a]\nprimary = ["user:{SECRET}@proxy"]\n', {}, id="proxy-in-a-file"
        ),
        pytest.param(
            "",
            {"FETCHBOX__PROXY__POOLS__A__PRIMARY": f"http://ok:1,ftp://u:{SECRET}@proxy:1"},
            id="proxy-in-the-environment",
        ),
        pytest.param("", {"FETCHBOX__IGGY__ENDPOINT": f"iggy://u:{SECRET}@h:1"}, id="iggy-url"),
        pytest.param(f'[server]\noperator_token = ["{SECRET}"]\n', {}, id="token-of-wrong-type"),
        pytest.param(
            "",
            {"FETCHBOX__BROKER__PROVIDER": "iggy", "IGGY_CLIENT_SECRET": f"{SECRET}@"},
            id="iggy-secret-with-reserved-character",
        ),
        pytest.param(
            f'[handlers.a.default_headers]\nAuthorization = "x\\r\\n{SECRET}"\n', {}, id="header"
        ),
    ],
)
def test_problem_never_shows_a_secret(tmp_path: Path, text: str, env: dict[str, str]) -> None:
    found = problems(tmp_path, text, **env)
    assert found
    assert SECRET not in "\n".join(found)
