"""Templates to HTML. Everything put into a page is escaped; nothing switches that off."""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from trackway.dashboard import formats
from trackway.dashboard.assets import make_asset_url

TEMPLATES = Path(__file__).parent / "templates"


@cache
def open_templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals |= {"asset": make_asset_url, "share": formats.format_share, "range": range}
    environment.filters |= {
        "count": formats.format_count,
        "compact": formats.format_compact,
        "clock": formats.format_clock,
        "minute": formats.format_minute,
        "day": formats.format_day,
        "date": formats.format_date,
        "ms": formats.read_ms,
        "age": formats.format_age,
        "shorten": formats.shorten,
        "link": formats.find_link,
        "visitor": formats.name_visitor,
        "summary": formats.summarize_event,
        "pretty_json": formats.format_json,
        "money": formats.format_money,
        "duration": formats.format_duration,
        "value": formats.format_value,
    }
    return environment


def render_page(template: str, **context: Any) -> str:
    return open_templates().get_template(template).render(context)
