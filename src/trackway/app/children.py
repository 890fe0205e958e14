"""What every child process does: log in one form, stop when told to, stop when the parent is gone."""

import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

LAST_RESORT_S = 20
# Requests and events make no cycles; Python's default looks for some every 700 objects, which took 17 %
# of the collector's time (benchmarks, 64 connections).
COLLECT_GARBAGE_EVERY = (10_000, 20, 20)


def start_child(name: str, nice: int = 0) -> None:
    """Set up logging and priority, and end this process when the supervisor's end of stdin closes."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format=f"%(asctime)s {name} %(levelname)s %(message)s",
        datefmt="%H:%M:%S",
    )
    # A store that is away is told of by whoever waits for it, once.
    for noisy in ("urllib3", "clickhouse_connect"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    gc.set_threshold(*COLLECT_GARBAGE_EVERY)
    os.nice(nice)
    threading.Thread(target=_follow_parent, name="follow-parent", daemon=True).start()


def _follow_parent() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(LAST_RESORT_S)
    os._exit(1)


def stop_on_signal() -> Callable[[], bool]:
    """A question that answers True once SIGTERM or SIGINT has come."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    return stopped.is_set
