"""What the machine's own files say of it."""

from pathlib import Path

from runner.host import PROC, Host, look_at_host


def test_files_of_proc_become_figures(tmp_path: Path) -> None:
    (tmp_path / "pressure").mkdir()
    (tmp_path / "pressure/cpu").write_text("some avg10=91.25 avg60=1.00 avg300=1.00 total=1\n")
    (tmp_path / "loadavg").write_text("3.50 1.00 1.00 2/300 77\n")
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    2048 kB\n")
    host = look_at_host({PROC: str(tmp_path)}, tmp_path)
    assert (host.cpu_pressure, host.load, host.memory_free_bytes) == (91.25, 3.5, 2048 * 1024)
    assert host.disk_free_bytes
    assert host.shown()["CPU pressure"] == "91 %"
    assert "I/O pressure" not in host.shown()


def test_a_system_that_tells_nothing_is_no_error(tmp_path: Path) -> None:
    nothing = look_at_host({PROC: str(tmp_path / "none")}, tmp_path / "none")
    assert nothing == Host()
    assert nothing.shown() == {}
