"""Where a visit came from: addresses split, referrers classified."""

import hashlib
import json
import socket
from importlib import resources

import pytest

from trackway.pipeline.campaigns import read_campaign
from trackway.pipeline.knowledge.web_addresses import Suffixes
from trackway.pipeline.referrers import classify_referrer

SHOP = "https://www.shop.example.co.uk/shoes"

CLASSES = {"direct", "internal", "search", "social", "email", "ai_assistant", "paid", "campaign", "other"}


def classify(make_event, make_desk, url: str, referrer: str) -> tuple[str, str]:
    event = classify_referrer(read_campaign(make_event(url=url, referrer=referrer), make_desk()), make_desk())
    return event.referrer_class, event.referrer_name


@pytest.mark.parametrize(
    ("referrer", "kind", "name"),
    [
        pytest.param("", "direct", "", id="none"),
        pytest.param("https://www.shop.example.co.uk/hats", "internal", "", id="the same host"),
        pytest.param("https://blog.example.co.uk/", "internal", "", id="another host of the same domain"),
        pytest.param("https://example.co.uk.evil.test/", "other", "", id="a host that only looks like it"),
        pytest.param("https://other.co.uk/", "other", "", id="a neighbour under the same suffix"),
        pytest.param("https://www.google.com/", "search", "Google", id="Google"),
        pytest.param("https://www.google.co.uk/search?q=x", "search", "Google", id="Google of a country"),
        pytest.param("https://google.de", "search", "Google", id="Google without www"),
        pytest.param("https://images.google.fr/", "search", "Google Images", id="Google Images"),
        pytest.param("https://docs.google.com/document/d/1", "other", "", id="Google Docs is no search"),
        pytest.param("https://accounts.google.com/", "other", "", id="signing in is no search"),
        pytest.param("https://www.bing.com/", "search", "Bing", id="Bing"),
        pytest.param("https://cn.bing.com/", "search", "Bing", id="Bing of a country"),
        pytest.param("https://duckduckgo.com/", "search", "DuckDuckGo", id="DuckDuckGo"),
        pytest.param("https://fr.search.yahoo.com/", "search", "Yahoo!", id="Yahoo of a country"),
        pytest.param("https://search.brave.com/", "search", "Brave", id="Brave"),
        pytest.param("https://www.ecosia.org/", "search", "Ecosia", id="Ecosia"),
        pytest.param("https://kagi.com/", "search", "Kagi", id="Kagi"),
        pytest.param("https://yandex.ru/", "search", "Yandex", id="Yandex"),
        pytest.param("https://www.baidu.com/link?url=x", "search", "Baidu", id="Baidu"),
        pytest.param("https://l.facebook.com/", "social", "Facebook", id="Facebook's link shim"),
        pytest.param("https://lm.facebook.com/l.php", "social", "Facebook", id="a subdomain nobody listed"),
        pytest.param("https://t.co/abc", "social", "Twitter", id="Twitter's shortener"),
        pytest.param("https://x.com/", "social", "Twitter", id="its new host"),
        pytest.param("https://old.reddit.com/r/python", "social", "reddit", id="Reddit"),
        pytest.param("https://news.ycombinator.com/item?id=1", "social", "Hacker News", id="Hacker News"),
        pytest.param("https://bsky.app/", "social", "Bluesky", id="Bluesky"),
        pytest.param("https://www.linkedin.com/feed", "social", "LinkedIn", id="LinkedIn"),
        pytest.param("https://www.youtube.com/watch?v=1", "social", "YouTube", id="YouTube"),
        pytest.param("https://mail.google.com/mail/u/0", "email", "Gmail", id="Gmail"),
        pytest.param("https://outlook.live.com/", "email", "Outlook", id="Outlook"),
        pytest.param("https://e.mail.ru/", "email", "Mail.ru", id="Mail.ru"),
        pytest.param("https://chatgpt.com/", "ai_assistant", "ChatGPT", id="ChatGPT"),
        pytest.param("https://chat.openai.com/c/1", "ai_assistant", "ChatGPT", id="its older host"),
        pytest.param("https://www.perplexity.ai/search/x", "ai_assistant", "Perplexity", id="Perplexity"),
        pytest.param("https://claude.ai/", "ai_assistant", "Claude", id="Claude"),
        pytest.param("https://gemini.google.com/", "ai_assistant", "Gemini", id="Gemini"),
        pytest.param("https://copilot.microsoft.com/", "ai_assistant", "Copilot", id="Copilot"),
        pytest.param("https://chat.deepseek.com/", "ai_assistant", "DeepSeek", id="DeepSeek"),
        pytest.param("https://chat.mistral.ai/", "ai_assistant", "Le Chat", id="Mistral"),
        pytest.param("https://www.meta.ai/", "ai_assistant", "Meta AI", id="Meta AI"),
        pytest.param("https://grok.com/", "ai_assistant", "Grok", id="Grok"),
        pytest.param("https://you.com/", "ai_assistant", "You.com", id="You.com"),
        pytest.param("https://thank-you.com/", "other", "", id="a host that ends like You.com"),
        pytest.param("https://www.phind.com/", "ai_assistant", "Phind", id="Phind"),
        pytest.param("android-app://com.google.android.gm/", "email", "Gmail", id="the Gmail app"),
        pytest.param("android-app://com.google.android.googlequicksearchbox", "search", "Google", id="the Google app"),
        pytest.param("android-app://org.telegram.messenger/", "social", "Telegram", id="the Telegram app"),
        pytest.param("android-app://com.example.reader/", "other", "", id="an unknown app"),
        pytest.param("https://someones.blog/", "other", "", id="somebody's page"),
        pytest.param("www.google.com", "search", "Google", id="a host without a scheme"),
        pytest.param("//www.google.com/", "search", "Google", id="an address without a scheme"),
        pytest.param("HTTPS://WWW.GOOGLE.COM:443/", "search", "Google", id="capitals and a port"),
        pytest.param("https://www.google.com@evil.test/", "other", "", id="a user name that looks like a host"),
        pytest.param("https://evil.test\\@www.google.com/", "other", "", id="a backslash, as browsers read it"),
        pytest.param("about:blank", "direct", "", id="no address"),
        pytest.param("javascript:alert(1)", "direct", "", id="a script"),
        pytest.param("nonsense", "direct", "", id="a word"),
        pytest.param("https://[::1", "direct", "", id="a broken address"),
    ],
)
def test_which_kind_of_place_a_referrer_is(make_event, make_desk, referrer, kind, name):
    assert classify(make_event, make_desk, SHOP, referrer) == (kind, name)


@pytest.mark.parametrize(
    ("query", "referrer", "kind", "name"),
    [
        pytest.param("utm_source=news&utm_medium=email", "", "campaign", "", id="a newsletter"),
        pytest.param("utm_source=x", "https://t.co/a", "campaign", "Twitter", id="a campaign keeps the service's name"),
        pytest.param("utm_source=x", "https://blog.example.co.uk/", "campaign", "", id="a campaign on the own blog"),
        pytest.param("gclid=1", "https://www.google.com/", "paid", "Google", id="a Google advertisement"),
        pytest.param("gclid=1", "", "paid", "Google Ads", id="the same without a referrer"),
        pytest.param("msclkid=1", "https://www.bing.com/", "paid", "Bing", id="a Bing advertisement"),
        pytest.param("utm_medium=cpc", "https://www.google.com/", "paid", "Google", id="medium cpc"),
        pytest.param("utm_medium=PPC", "", "paid", "", id="medium ppc in capitals"),
        pytest.param(
            "utm_medium=paid_social&fbclid=1", "https://l.facebook.com/", "paid", "Facebook", id="paid social"
        ),
        pytest.param("utm_medium=display", "", "paid", "", id="display"),
        pytest.param("utm_medium=cpx-no", "", "campaign", "", id="a medium that only begins like one"),
        pytest.param("fbclid=1", "https://l.facebook.com/", "social", "Facebook", id="fbclid proves no advertisement"),
        pytest.param("fbclid=1", "", "social", "Meta", id="fbclid tells the network where no referrer does"),
        pytest.param("utm_source=chatgpt.com", "", "ai_assistant", "ChatGPT", id="how ChatGPT tags its links"),
        pytest.param("utm_source=chatgpt.com&utm_medium=cpc", "", "paid", "", id="an advertisement there"),
        pytest.param("utm_source=chatgpt.com&utm_campaign=x", "", "campaign", "", id="a campaign there"),
        pytest.param("q=1", "", "direct", "", id="a query of the site's own"),
    ],
)
def test_what_a_campaign_makes_of_a_visit(make_event, make_desk, query, referrer, kind, name):
    assert classify(make_event, make_desk, f"{SHOP}?{query}", referrer) == (kind, name)


def test_what_was_no_visit_has_no_class(make_event, make_desk):
    assert classify(make_event, make_desk, "", "") == ("", "")


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        pytest.param("https://Shop.Example.com/Shoes?a=1#top", "shop.example.com", "/Shoes", id="an ordinary address"),
        pytest.param("https://shop.example.com", "shop.example.com", "/", id="no path is the root"),
        pytest.param("https://shop.example.com?x=/a", "shop.example.com", "/", id="a query right after the host"),
        pytest.param("https://u:p@shop.example.com:8443/a", "shop.example.com", "/a", id="user, password and port"),
        pytest.param("https://shop.example.com./a", "shop.example.com", "/a", id="a final dot"),
        pytest.param("https://bücher.example/a%20b", "xn--bcher-kva.example", "/a%20b", id="an umlaut host"),
        pytest.param("http://localhost:3000/a", "localhost", "/a", id="a developer's machine"),
        pytest.param("localhost:3000/a", "", "", id="the same without a scheme"),
        pytest.param("http://127.0.0.1/a", "127.0.0.1", "/a", id="an address of numbers"),
        pytest.param("http://[2001:DB8::1]:80/a", "[2001:db8::1]", "/a", id="an IPv6 address"),
        pytest.param("/shoes?a=1", "", "/shoes", id="a path"),
        pytest.param("shop.example.com/shoes", "shop.example.com", "/shoes", id="no scheme"),
        pytest.param("index.html", "", "", id="a file name"),
        pytest.param("myapp://checkout/step/2", "", "/step/2", id="a screen of an app"),
        pytest.param("file:///android_asset/www/index.html", "", "/android_asset/www/index.html", id="a packed page"),
        pytest.param("mailto:a@b.example", "", "", id="a mail address"),
        pytest.param(" \t\nhttps://shop.example.com/a\u0000b ", "shop.example.com", "/ab", id="control characters"),
        pytest.param("https://<script>/a", "", "/a", id="a host that is none"),
        pytest.param("https://" + "a" * 300 + ".com/a", "", "/a", id="a host that is too long"),
        pytest.param("https://-bad-.com/a", "", "/a", id="a host with a hyphen in front"),
        pytest.param("", "", "", id="nothing"),
    ],
)
def test_how_an_address_is_split(make_event, make_desk, url, host, path):
    event = classify_referrer(make_event(url=url), make_desk())

    assert (event.host, event.path) == (host, path)


def test_strangers_on_one_hosting_service_are_not_internal(make_event, make_desk):
    assert classify(make_event, make_desk, "https://alice.github.io/", "https://bob.github.io/")[0] != "internal"
    assert classify(make_event, make_desk, "https://alice.github.io/", "https://alice.github.io/b")[0] == "internal"


def test_the_suffix_list_comes_from_the_package_and_never_from_the_network(monkeypatch):
    def refuse_network(*_: object, **__: object) -> None:
        raise AssertionError("a look-up opened a socket")

    monkeypatch.setattr(socket, "socket", refuse_network)
    monkeypatch.setattr(socket, "getaddrinfo", refuse_network)

    assert Suffixes().find_domain("a.b.example.co.uk") == "example.co.uk"


def test_the_vendored_list_is_the_one_its_readme_names():
    folder = resources.files("trackway.pipeline") / "reference"
    digest = hashlib.sha256((folder / "matomo.json").read_bytes()).hexdigest()

    assert f"`{digest}`" in (folder / "README.md").read_text("utf-8")


def test_our_own_table_names_only_classes_that_exist_and_each_host_once():
    folder = resources.files("trackway.pipeline") / "reference"
    groups = json.loads((folder / "additions.json").read_text("utf-8"))
    hosts = [host for group in groups for host in group["hosts"]]

    assert {group["class"] for group in groups} <= CLASSES
    assert len(hosts) == len(set(hosts))
    assert all(group["why"] for group in groups)


def test_in_a_real_log_most_outside_referrers_are_known(make_event, make_desk, log_lines):
    found: dict[str, int] = {}
    for line in log_lines:
        referrer = line.rsplit('"', 4)[1]
        url = "http://www.semicomplete.com/"
        kind, _ = classify(make_event, make_desk, url, "" if referrer == "-" else referrer)
        found[kind] = found.get(kind, 0) + 1

    assert set(found) <= CLASSES
    assert sum(found.values()) == len(log_lines)
    assert found["internal"] > found["search"] > 100
