"""What `fetchbox config check` shows, and what it must not."""

from pathlib import Path

from fetchbox.settings.load import load_settings
from fetchbox.settings.summary import effective

SECRET = "do-not-show-me"


def test_every_key_is_shown_with_its_source(tmp_path: Path) -> None:
    file = tmp_path / "fetchbox.toml"
    file.write_text('[handlers.x.options]\nlevel = 3\n[proxy.pools.a]\nprimary = ["http://a:1"]\n')
    settings = load_settings(file, {"FETCHBOX__WORKER__MAX_INFLIGHT_TASKS": "5"})
    found = {entry.key: (entry.value, entry.origin) for entry in effective(settings)}
    assert found["worker.max_inflight_tasks"] == ("5", "FETCHBOX__WORKER__MAX_INFLIGHT_TASKS")
    assert found["server.bind_addr"] == ("0.0.0.0:8080", "")
    assert found["server.allow_large_manifests"] == ("false", "")
    assert found["storage.endpoint"] == ("none", "")
    assert found["handlers.x.options"] == ("{level = 3}", str(file))
    assert found["proxy.pools.a.primary"] == ("[http://a:1]", str(file))


def test_secrets_are_hidden_wherever_they_stand(tmp_path: Path) -> None:
    file = tmp_path / "fetchbox.toml"
    file.write_text(
        f'[server]\noperator_token = "{SECRET}"\n'
        f'[proxy.pools.a]\nprimary = ["http://user:{SECRET}@proxy:1"]\n'
        f'[handlers.x.default_headers]\nAuthorization = "{SECRET}"\nX-Api-Key = "{SECRET}"\n'
        f'[handlers.x.options]\npassword = "{SECRET}"\nnested = {{ token = "{SECRET}" }}\n'
    )
    env = {"S3_ACCESS_KEY": SECRET, "S3_SECRET_KEY": SECRET, "IGGY_CLIENT_SECRET": SECRET}
    settings = load_settings(file, env)
    shown = "\n".join(f"{entry.key} = {entry.value}" for entry in effective(settings))
    assert SECRET not in shown
    assert SECRET not in repr(settings.server) + repr(settings.storage) + repr(settings.iggy)
    assert "storage.access_key = ***" in shown
    assert "http://***@proxy:1" in shown
