"""The `fetchbox` command as a script uses it: output, and exit codes."""

import json
import socket
from pathlib import Path

import pytest

from tests.common.cli import fetchbox_command, run_fetchbox
from tests.common.context import SubmittedJob, TestContext
from tests.common.manifests import manifest, resource
from tests.common.wiremock import Reply

pytestmark = pytest.mark.skipif(fetchbox_command() is None, reason="no fetchbox command here")


def env_of(context: TestContext) -> dict[str, str]:
    env = {"FETCHBOX_SERVER": context.api_addr}
    if token := context.stack.addresses.operator_token:
        env["FETCHBOX_OPERATOR_TOKEN"] = token
    return env


def written(folder: Path, url: str) -> str:
    path = folder / "manifest.json"
    path.write_text(json.dumps(manifest(resource("a", url))), encoding="utf-8")
    return str(path)


def test_submit_and_wait(context: TestContext, tmp_path: Path) -> None:
    url = context.serve("a")
    done = run_fetchbox(
        *("submit", written(tmp_path, url), "--job-type", "it", "--tenant", context.tenant),
        *("--wait", "--json"),
        env=env_of(context),
    )

    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["status"] == "completed"
    job = SubmittedJob(
        job_id=shown["job_id"],
        job_type="it",
        manifest_key=shown["manifest_key"],
        resource_count=1,
        urls={"a": url},
    )
    context.adopt(job)
    assert context.object(job.key("a")).body == context.served[url]


def test_submit_and_wait_tells_of_a_failure(context: TestContext, tmp_path: Path) -> None:
    file = written(tmp_path, context.answer("a", Reply(status=404)))
    done = run_fetchbox(
        *("submit", file, "--job-type", "it", "--tenant", context.tenant, "--wait"),
        env=env_of(context),
    )

    assert done.returncode == 1
    assert "DOWNLOAD_HTTP_4XX" in done.stdout + done.stderr


def test_jobs_are_listed_as_json(context: TestContext) -> None:
    job, _ = context.run({"a": context.serve("a")})
    done = run_fetchbox("jobs", "list", "--json", "--tenant", context.tenant, env=env_of(context))

    assert done.returncode == 0, done.stderr
    assert [shown["job_id"] for shown in json.loads(done.stdout)["jobs"]] == [job.job_id]


def test_a_job_that_does_not_exist(context: TestContext) -> None:
    done = run_fetchbox("jobs", "show", "no-such-job", env=env_of(context))

    assert done.returncode == 4
    assert "no-such-job" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_that_is_down() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        server = f"http://127.0.0.1:{taken.getsockname()[1]}"
        done = run_fetchbox("jobs", "list", env={"FETCHBOX_SERVER": server})

    assert done.returncode == 3
    assert server.removeprefix("http://") in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_a_refused_manifest(context: TestContext, tmp_path: Path) -> None:
    done = run_fetchbox(
        "submit", written(tmp_path, "ftp://host/a"), "--job-type", "it", env=env_of(context)
    )

    assert done.returncode == 1
    assert "resources[0].url" in done.stderr
