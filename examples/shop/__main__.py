"""`python -m examples.shop`: run the demo."""

from pathlib import Path

import click
from examples.shop.demo import run_demo


@click.command()
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), default=Path("demo-data"), show_default=True)
@click.option("--port", default=8000, show_default=True, help="Port of the Trackway server.")
@click.option("--shop-port", default=8001, show_default=True, help="Port of the shop.")
@click.option("--days", type=click.IntRange(0, 365), default=30, show_default=True, help="Days of history.")
def main(data: Path, port: int, shop_port: int, days: int) -> None:
    """Run a sample shop and the Trackway server that watches it."""
    run_demo(data, port, shop_port, days)


if __name__ == "__main__":
    main()
