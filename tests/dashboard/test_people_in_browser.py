"""The pages about people in a real browser: live, by keyboard, narrow, dark, and with texts that try to be markup."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from trackway.testing.server import TestServer

from .conftest import Screen, Sender, Visitor, open_screen
from .naughty import NAUGHTY

pytestmark = pytest.mark.browser

NARROW = {"width": 390, "height": 844}


@pytest.fixture
def tag() -> str:
    return f"{time.time_ns():x}"


@pytest.fixture
def profile(browsing: Sender, tag: str) -> str:
    """Somebody with a history, a login, a chat and an account."""
    device, user = f"device-{tag}", f"user-{tag}"
    visit = {"anonymous_id": device, "session_id": f"visit-{tag}"}
    browsing.store(
        {"event_type": "page_view", "url": "https://shop.example/boots", "title": "Boots", **visit},
        {"event_type": "message_sent", "instance_id": f"chat-{tag}", "properties": {"text": "Hello?"}, **visit},
        {"event_type": "identify", "user_id": user, "account_id": f"acme-{tag}", **visit,
         "traits": {"name": f"Jane {tag}", "email": f"jane.{tag}@mail.example"}},
    )  # fmt: skip
    found: str = browsing.server.api("profiles/lookup", kind="user_id", value=user)["profile_id"]
    return found


def test_what_a_person_does_appears_in_their_session_while_the_page_is_open(
    screen: Screen, browsing: Sender, member: Visitor, profile: str, tag: str
) -> None:
    page = screen.page
    page.goto(f"{browsing.server.url}/app/profiles/{profile}")
    expect(page.locator("[data-live-state]")).to_have_attribute("data-live-state", "live")
    fold = page.locator("[data-folds] .fold").first
    expect(fold.locator("[data-fold-count]")).to_have_text("3")
    browsing.send(
        {
            "event_type": "added_live",
            "anonymous_id": f"device-{tag}",
            "session_id": f"visit-{tag}",
            "title": "Just now",
        },
        {"event_type": "of_nobody_here", "anonymous_id": f"stranger-{tag}"},
    )
    expect(fold.locator("tbody tr").first).to_contain_text("added_live")
    expect(fold.locator("[data-fold-count]")).to_have_text("4")
    browsing.send({"event_type": "began_anew", "user_id": f"user-{tag}", "session_id": f"next-{tag}"})
    expect(page.locator("[data-folds] .fold").first).to_contain_text("began_anew")
    expect(page.locator("[data-folds] .fold")).to_have_count(2)
    expect(page.locator("[data-folds]")).not_to_contain_text("of_nobody_here")
    assert screen.complain() == []


def test_a_link_is_undone_by_keyboard_alone(screen: Screen, server: TestServer, profile: str, tag: str) -> None:
    page = screen.page
    page.goto(f"{server.url}/app/profiles/{profile}")
    page.locator(".identity", has_text=f"device-{tag}").get_by_role("button", name="Undo").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Undo a link")).to_be_visible()
    button = page.get_by_role("button", name="Undo the link")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="Done.")).to_be_visible()
    expect(page.get_by_role("heading", name="Kept apart")).to_be_visible()
    assert screen.complain() == []


@pytest.fixture
def plain(chromium: Browser, member: Visitor) -> Iterator[Screen]:
    """A browser that runs no script of ours."""
    yield from open_screen(chromium, member, java_script_enabled=False)


def test_without_scripts_the_profile_is_whole_and_a_merge_goes_through(
    plain: Screen, server: TestServer, browsing: Sender, profile: str, tag: str
) -> None:
    browsing.store({"event_type": "page_view", "anonymous_id": f"other-{tag}", "title": "Elsewhere"})
    other = server.api("profiles/lookup", kind="anonymous_id", value=f"other-{tag}")["profile_id"]
    page = plain.page
    page.goto(f"{server.url}/app/profiles/{profile}")
    page.get_by_label("Merge with").fill(other)
    page.get_by_role("button", name="Preview", exact=True).click()
    expect(page.get_by_text("moves here").first).to_be_visible()
    page.get_by_role("button", name="Merge them").click()
    expect(page.get_by_text("Done.")).to_be_visible()
    expect(page.locator("[data-folds]")).to_contain_text("Elsewhere")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("place", ["visitors", "profile", "preview", "search", "accounts", "account", "nobody"])
def test_no_page_about_people_is_wider_than_the_screen_or_pale(
    chromium: Browser, member: Visitor, profile: str, tag: str, scheme: str, place: str
) -> None:
    path = {
        "visitors": "visitors",
        "profile": f"profiles/{profile}",
        "preview": f"profiles/{profile}/preview?action=merge&other=nonsense",
        "search": "visitors/search?q=nobody",
        "accounts": "accounts",
        "account": f"accounts/acme-{tag}",
        "nobody": "profiles/none",
    }[place]
    widest = {"account_id": "W" * 300, "account_traits": {"name": "W" * 300}, "user_id": f"of-a-wide-one-{tag}"}
    member.server.post(
        "/v1/events", {"event_type": "x", **widest}, member.server.add_source(f"wide-{tag}")["credentials"]["write_key"]
    )
    member.server.wait_until_settled()
    for screen in open_screen(chromium, member, color_scheme=scheme):
        screen.page.set_viewport_size(NARROW)  # type: ignore[arg-type]
        screen.page.goto(f"{member.server.url}/app/{path}")
        for width in (390, 720, 820, 1000, 1280):
            screen.page.set_viewport_size({"width": width, "height": 844})
            assert screen.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
        assert screen.page.evaluate(FIND_PALE) == []
        assert screen.complain() == []


# Texts whose contrast with what is behind them is below AA: 4.5, or 3 where they are large.
FIND_PALE = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (text) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const light = (rgb) => rgb.slice(0, 3).map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = rgba(getComputedStyle(each).backgroundColor);
      if (colour[3] > 0.99) return colour;
    }
    return [255, 255, 255, 1];
  };
  const pale = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(rgba(style.color)), light(behind(element))].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < (large ? 3 : 4.5)) pale.add(`${contrast.toFixed(2)} ${element.className} ${walker.currentNode.textContent.trim().slice(0, 40)}`);
  }
  return [...pale];
}"""


def test_texts_that_try_to_be_markup_stay_texts_on_a_profile_that_is_open(
    screen: Screen, browsing: Sender, tag: str
) -> None:
    device = f"naughty-{tag}"
    shown = [text for text in NAUGHTY if len(text) < 400]
    browsing.store(
        *(
            {"event_type": "message_sent", "anonymous_id": device, "session_id": text[:100], "title": text,
             "instance_id": f"{text[:80]}", "properties": {"text": text}, "traits": {text[:100]: text}}
            for text in shown
        )
    )  # fmt: skip
    found = browsing.server.api("profiles/lookup", kind="anonymous_id", value=device)["profile_id"]
    page = screen.page
    page.goto(f"{browsing.server.url}/app/profiles/{found}")
    expect(page.locator("[data-live-state]")).to_have_attribute("data-live-state", "live")
    browsing.send(
        *({"event_type": text[:100], "anonymous_id": device, "session_id": text[:90], "title": text} for text in shown)
    )
    expect(page.locator("[data-folds] tr", has_text="{{ 7 * 7 }}")).not_to_have_count(1)
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    page.wait_for_timeout(300)
    assert page.evaluate("window.__xss") is None
    assert screen.complain() == []
