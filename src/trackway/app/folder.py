"""The data folder: where everything of one installation lies, and who may open it."""

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

LOCK_PATIENCE_S = 10.0


class FolderInUse(Exception):
    """Another Trackway runs on this data folder."""


class RunningServer(Struct, frozen=True):
    """How to reach the server of a data folder. `token` opens its API to whoever may read the file."""

    host: str
    port: int
    pid: int
    token: str

    @property
    def url(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)
        return f"http://{host}:{self.port}"


class Folder:
    """Paths inside a data folder; making one creates the folder itself."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.run = root / "run"
        self.run.mkdir(exist_ok=True, mode=0o700)
        self.log = root / "log"
        self.keys = root / "keys"
        self.engine = root / "engine"

    @contextlib.contextmanager
    def lock(self) -> Iterator[int]:
        """Own the folder. The handle is passed to child processes, so it stays owned until all are gone.

        FolderInUse when another Trackway keeps it for longer than ten seconds.
        """
        handle = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            deadline = time.monotonic() + LOCK_PATIENCE_S
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    running = self.read_server()
                    if running is not None or time.monotonic() > deadline:
                        whose = f" (process {running.pid}, {running.url})" if running else ""
                        raise FolderInUse(
                            f"another Trackway runs on {self.root}{whose}: stop it, or give this one another --data folder"
                        ) from None
                    time.sleep(0.1)
            yield handle
        finally:
            os.close(handle)

    def read_secret(self) -> bytes:
        """The installation's secret key, made on first use."""
        file = self.root / "secret.key"
        if not file.exists():
            write_private(file, secrets.token_bytes(32))
        return file.read_bytes()

    def read_signing_key(self) -> bytes:
        """The private key that signs certificates of erasure, made on first use."""
        file = self.root / "privacy.key"
        if not file.exists():
            write_private(file, secrets.token_bytes(32))
        return file.read_bytes()

    def read_server(self) -> RunningServer | None:
        """The server that says it runs here; None when there is none or its process is gone."""
        try:
            running = msgspec.json.decode((self.run / "server.json").read_bytes(), type=RunningServer)
            os.kill(running.pid, 0)
        except (FileNotFoundError, ProcessLookupError, msgspec.DecodeError):
            return None
        except PermissionError:
            pass
        return running

    def announce_server(self, running: RunningServer) -> None:
        write_private(self.run / "server.json", msgspec.json.encode(running))

    def forget_server(self) -> None:
        (self.run / "server.json").unlink(missing_ok=True)


def write_private(file: Path, content: bytes) -> None:
    """Whole or not at all, readable by its owner only, and on disk when it returns."""
    temporary = file.with_suffix(file.suffix + f".{os.getpid()}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(file)
    # Without it a power cut may take the file's name back.
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
