"""Rules over several keys, one table per rule: what breaks it and what does not."""

from pathlib import Path

import pytest

from fetchbox.settings.checks import check_handler_classes
from fetchbox.settings.load import load_settings
from fetchbox.settings.problems import ConfigError

POOL = '[proxy.pools.{name}]\nprimary = ["http://{name}:1"]\nfallbacks = {fallbacks}\n'


def pools(**fallbacks: list[str]) -> str:
    return "".join(POOL.format(name=name, fallbacks=to) for name, to in fallbacks.items())


def found(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "fetchbox.toml"
    file.write_text(text.replace("'", '"'))
    try:
        load_settings(file, {})
    except ConfigError as error:
        return list(error.problems)
    return []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[server]\nmax_manifest_bytes = '5MB'\n", id="largest-manifest"),
        pytest.param(
            "[server]\nmax_manifest_bytes = '5GB'\nallow_large_manifests = true\n", id="permitted"
        ),
        pytest.param("[storage]\nprovider = 's3'\n", id="s3-without-keys"),
        pytest.param(
            "[storage]\nprovider = 's3'\naccess_key = 'a'\nsecret_key = 'b'\n", id="s3-both-keys"
        ),
        pytest.param("[storage]\naccess_key = 'a'\n", id="local-with-a-stray-key"),
        pytest.param(
            "[broker]\nprovider = 'iggy'\n[iggy]\nclient_secret = 's'\n", id="iggy-with-secret"
        ),
        pytest.param(pools(a=["b", "c"], b=["d"], c=["d"], d=[]), id="diamond"),
        pytest.param(pools(a=["pools/b"], b=[]), id="prefixed-fallback"),
        pytest.param(
            pools(a=[]) + "[handlers.x]\nproxy_pool = 'proxies/a'\n", id="prefixed-reference"
        ),
        pytest.param("[handlers.x.options]\nmax_parallel_downloads = 8\n", id="cap"),
        pytest.param("[worker]\ndownload_timeout_ms = 0\nmax_resource_bytes = 0\n", id="no-limit"),
    ],
)
def test_sound_configuration_passes(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, text) == []


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        pytest.param(
            "[server]\nmax_manifest_bytes = 5242881\n",
            "server.max_manifest_bytes",
            "allow_large_manifests",
            id="large-manifest",
        ),
        pytest.param(
            "[storage]\nprovider = 's3'\naccess_key = 'a'\n",
            "storage.secret_key",
            "both keys, or neither",
            id="s3-one-key",
        ),
        pytest.param(
            "[broker]\nprovider = 'iggy'\n",
            "iggy.client_secret",
            "IGGY_CLIENT_SECRET",
            id="iggy-without-secret",
        ),
        pytest.param(
            "[broker]\nprovider = 'iggy'\n[iggy]\nclient_secret = 's'\nclient_id = 'a@b'\n",
            "iggy.client_id",
            "must not contain",
            id="iggy-reserved-character",
        ),
        pytest.param(
            pools(a=["b"]), "proxy.pools.a.fallbacks", "configured: a", id="unknown-fallback"
        ),
        pytest.param(
            pools(a=["b"], b=["a"]),
            "proxy.pools.a.fallbacks",
            "a -> b -> a",
            id="cycle-shows-its-path-once",
        ),
        pytest.param(
            pools(a=["a"]), "proxy.pools.a.fallbacks", "a -> a", id="pool-falls-back-to-itself"
        ),
        pytest.param(
            "[handlers.x]\nproxy_pool = 'a'\n",
            "handlers.x.proxy_pool",
            "configured: none",
            id="unknown-pool",
        ),
        pytest.param(
            "[handlers.x.options]\nmax_parallel_downloads = 0\n",
            "handlers.x.options.max_parallel_downloads",
            "at least 1",
            id="cap-of-zero",
        ),
        pytest.param(
            "[handlers.x.options]\nmax_parallel_downloads = true\n",
            "handlers.x.options.max_parallel_downloads",
            "at least 1",
            id="cap-that-is-no-number",
        ),
        pytest.param(
            "[handlers.x.default_headers]\nX = 'a\\nb'\n",
            "handlers.x.default_headers.X",
            "line breaks",
            id="header-with-line-break",
        ),
        pytest.param(
            "[worker]\nuser_agent = 'a\\r\\nX: b'\n",
            "worker.user_agent",
            "line breaks",
            id="user-agent-with-line-break",
        ),
        pytest.param(
            "[retention]\ndlq_ttl_days = 0\n", "retention.dlq_ttl_days", "equal to 1", id="no-days"
        ),
    ],
)
def test_broken_rule_is_one_problem(tmp_path: Path, text: str, key: str, says: str) -> None:
    (problem,) = found(tmp_path, text)
    assert problem.startswith((f"{key} ", f"{key}:"))
    assert says in problem


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        pytest.param(
            "[server]\nbind_addr = 'x'\nmax_manifest_bytes = '6MB'\n",
            ["server.bind_addr", "server.max_manifest_bytes"],
            id="same-section",
        ),
        pytest.param(
            "[proxy.pools.a]\nprimary = []\nfallbacks = ['b']\n[handlers.x]\nproxy_pool = 'a'\n",
            ["proxy.pools.a.fallbacks", "proxy.pools.a.primary"],
            id="a-pool-without-proxies-is-a-pool",
        ),
        pytest.param(
            "[proxy.pools.a]\nprimary = ['x', 'y']\nmax_retries = 0\n"
            "[handlers.x]\nproxy_pool = 'b'\n",
            [
                "handlers.x.proxy_pool",
                "proxy.pools.a.max_retries",
                "proxy.pools.a.primary",
            ],
            id="other-section",
        ),
        pytest.param(
            "server = 1\n[storage]\nprovider = 's3'\naccess_key = 'a'\nmultipart_threshold = 'x'\n",
            ["server", "storage.multipart_threshold", "storage.secret_key"],
            id="no-table",
        ),
    ],
)
def test_a_faulty_value_hides_no_broken_rule(tmp_path: Path, text: str, keys: list[str]) -> None:
    named = {problem.partition(" ")[0].rstrip(":") for problem in found(tmp_path, text)}
    assert sorted(named) == keys


def test_every_handler_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    file = tmp_path / "fetchbox.toml"
    text = '[handlers.{0}]\nhandler = "nowhere.{0}"\n'
    file.write_text(f"{text.format('a')}{text.format('b')}[worker]\nmax_inflight_tasks = 0\n")
    with pytest.raises(ConfigError) as caught:
        load_settings(file, {}, also=[check_handler_classes])
    starts = ["handlers.a.handler", "handlers.b.handler", "worker.max_inflight_tasks"]
    assert [problem.partition(" ")[0] for problem in caught.value.problems] == starts
    assert "name a class as package.module.Class" in caught.value.problems[0]
