"""Commands of `trackway`, each in a process of its own that a warm one forks: a start takes milliseconds, not half a second.

    done = run_command("sources", "list", "--data", "data")

The warm process has loaded the modules of the commands and does nothing else. What it forks goes through the same
`main` as `python -m trackway` and ends as that does. It ends with the process that started it.
"""

import atexit
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NoReturn

from trackway.cli import COMMANDS, main

PROGRAM = "trackway"


class Commands:
    """The warm process, started by the first command. Commands run one after the other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._warm: subprocess.Popen[str] | None = None

    def run(self, arguments: tuple[str, ...], patience_s: float) -> "subprocess.CompletedProcess[str]":
        command = [PROGRAM, *arguments]
        with self._lock, tempfile.TemporaryDirectory(prefix="trackway-command-") as folder:
            out, errors = Path(folder, "out"), Path(folder, "errors")
            overdue = threading.Event()
            status = self._order(
                {
                    "arguments": arguments,
                    "out": str(out),
                    "errors": str(errors),
                    "environment": dict(os.environ),
                    "folder": os.getcwd(),
                },
                patience_s,
                overdue,
            )
            if overdue.is_set():
                raise subprocess.TimeoutExpired(command, patience_s, out.read_bytes(), errors.read_bytes())
            return subprocess.CompletedProcess(command, status, out.read_text(), errors.read_text())

    def _order(self, order: Mapping[str, Any], patience_s: float, overdue: threading.Event) -> int:
        warm = self._start()
        orders, answers = _pipe(warm.stdin), _pipe(warm.stdout)
        orders.write(json.dumps(order) + "\n")
        orders.flush()
        process = _read_number(answers)

        def kill() -> None:
            overdue.set()
            os.kill(process, signal.SIGKILL)

        timer = threading.Timer(patience_s, kill)
        timer.start()
        try:
            return _read_number(answers)
        finally:
            timer.cancel()

    def _start(self) -> "subprocess.Popen[str]":
        if self._warm is None:
            self._warm = subprocess.Popen(
                [sys.executable, "-m", "trackway.testing.commands"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            atexit.register(self._stop)
        return self._warm

    def _stop(self) -> None:
        if self._warm is not None:
            self._warm.communicate(timeout=10)


_COMMANDS = Commands()


def run_command(*arguments: str, patience_s: float = 300.0) -> "subprocess.CompletedProcess[str]":
    """What `trackway ARGUMENTS` printed and returned. TimeoutExpired after `patience_s`; it is killed then."""
    return _COMMANDS.run(arguments, patience_s)


def _read_number(answers: IO[str]) -> int:
    if not (line := answers.readline()):
        raise RuntimeError("the process that forks the commands has ended; what it wrote to stderr says why")
    return int(line)


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


def _answer(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def _become(order: Mapping[str, Any]) -> NoReturn:
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    for number, path, how in ((0, os.devnull, os.O_RDONLY), (1, order["out"], flags), (2, order["errors"], flags)):
        opened = os.open(path, how, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.argv = [PROGRAM, *order["arguments"]]
    main(order["arguments"], prog_name=PROGRAM)
    raise AssertionError("click ends the process")


def _serve() -> None:
    for module, _ in COMMANDS.values():
        # A thread would be lost in the fork; none of these starts one.
        importlib.import_module(f"trackway.cli.{module}")
    assert threading.active_count() == 1
    # What a forked one never looks at stays shared: its garbage collector does not touch it.
    gc.freeze()
    # readline and not iteration: what is read ahead would be read again by the forked one.
    while line := sys.stdin.readline():
        process = os.fork()
        if process == 0:
            _become(json.loads(line))
        _answer(process)
        _answer(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))


if __name__ == "__main__":
    _serve()
