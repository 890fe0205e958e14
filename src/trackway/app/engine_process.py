"""The embedded event store as a process: chDB behind ClickHouse's HTTP interface."""

from pathlib import Path
from urllib.parse import urlsplit

from trackway.app.children import start_child
from trackway.app.folder import Folder
from trackway.app.supervisor import find_store_url
from trackway.settings import Settings
from trackway.store.engine import run_engine

ENGINE_NICE = 5


def run_engine_process(data: Path, settings: Settings) -> None:
    start_child("engine", ENGINE_NICE)
    folder = Folder(data)
    url = urlsplit(find_store_url(folder, settings))
    run_engine(
        folder.engine,
        port=url.port or 0,
        secret=url.password or "",
        memory_bytes=settings.engine_memory_bytes,
        ready=lambda _: None,
        threads=settings.engine_threads,
        old_parts_seconds=settings.engine_old_parts_seconds,
    )
