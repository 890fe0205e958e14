"""On what the figures were measured, and how busy it was besides."""

import os
import platform
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

import psutil


def describe_machine(folder: Path) -> dict[str, str]:
    """What a reader needs to judge the figures. `folder` is where the data folders are made."""
    return {
        "CPU": f"{_read_cpu_model()}, {os.cpu_count()} cores",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "disk": f"{_find_filesystem(folder)}; write + fdatasync of 600 bytes {_measure_sync_ms(folder):.2f} ms (median)",
        "Python": f"{platform.python_version()}, uvicorn {version('uvicorn')}, uvloop {version('uvloop')}, "
        f"msgspec {version('msgspec')}, chdb {version('chdb')}",
        "Trackway": f"{version('trackway')}, commit {_read_commit()}",
        "measured": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
        + f", {_measure_other_load():.0%} of the cores busy with other work at the start",
    }


def _read_cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _find_filesystem(folder: Path) -> str:
    mounts = [p for p in psutil.disk_partitions(all=True) if folder.resolve().is_relative_to(p.mountpoint)]
    return max(mounts, key=lambda p: len(p.mountpoint)).fstype if mounts else "unknown file system"


def _measure_sync_ms(folder: Path) -> float:
    times = []
    file = folder / "sync-probe"
    handle = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for _ in range(200):
            begin = time.perf_counter()
            os.write(handle, b"x" * 600)
            os.fdatasync(handle)
            times.append(time.perf_counter() - begin)
    finally:
        os.close(handle)
        file.unlink()
    return sorted(times)[100] * 1000


def _read_commit() -> str:
    root = Path(__file__).parent.parent
    try:
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=root, capture_output=True, text=True)
        changed = subprocess.run(["git", "status", "--porcelain"], cwd=root, capture_output=True, text=True)
    except FileNotFoundError:
        return "unknown"
    return (commit.stdout.strip() or "unknown") + (" with uncommitted changes" if changed.stdout else "")


def _measure_other_load() -> float:
    return float(psutil.cpu_percent(interval=1.0)) / 100
