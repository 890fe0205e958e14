"""What to paste into a site to have it tracked: one variant for each way in which sites are built.

Every variant loads the versioned file with its integrity hash, so that a page runs what was looked at and
nothing else; it is changed when Trackway is updated, by choice.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping

from msgspec import Struct

from trackway.dashboard.desk import ScriptPlaces

USUAL_SCRIPT_PATH, USUAL_COLLECT_PATH = "/js/trackway.js", "/v1/events"


class Code(Struct, frozen=True):
    """A piece to paste; `place` says where. Not every site needs an `optional` one."""

    place: str
    text: str
    optional: bool = False


class Variant(Struct, frozen=True):
    """`says` is what to know before pasting."""

    says: str
    codes: tuple[Code, ...]


class Tag(Struct, frozen=True):
    """The script's tag for one source: its attributes as a page writes them.

    `site` stands before our paths in a page: this server's own address, or "" where the site passes them on to `server`.
    """

    site: str
    server: str
    script: ScriptPlaces
    key: str

    @property
    def src(self) -> str:
        return self.site + self.script.pinned

    @property
    def endpoint(self) -> str:
        return self.site + self.script.collect

    @property
    def is_renamed(self) -> bool:
        return (self.script.stable, self.script.collect) != (USUAL_SCRIPT_PATH, USUAL_COLLECT_PATH)

    @property
    def options(self) -> dict[str, str]:
        """The data-* attributes; the script finds the usual endpoint by itself."""
        usual = self.script.collect == USUAL_COLLECT_PATH
        return {"data-key": self.key} | ({} if usual else {"data-endpoint": self.endpoint})

    @property
    def attributes(self) -> dict[str, str]:
        pinned = {"src": self.src, "integrity": self.script.integrity, "crossorigin": "anonymous"}
        return pinned | self.options

    @property
    def html(self) -> str:
        return f"<script async {write_attributes(self.attributes)}></script>"

    def image(self, more: str = "") -> str:
        return (
            f'<img src="{self.site}{self.script.pixel}?k={self.key}{more}" alt="" width="1" height="1" '
            'referrerpolicy="no-referrer-when-downgrade">'
        )


def write_attributes(attributes: Mapping[str, str], between: str = " ") -> str:
    return between.join(f'{name}="{value}"' for name, value in attributes.items())


def write_html(tag: Tag) -> Variant:
    stub = f"<script>{tag.script.stub}</script>"
    newest = write_attributes({"src": tag.site + tag.script.stable} | tag.options)
    return Variant(
        "For every site whose pages you can edit; with SvelteKit it goes into src/app.html, with Astro into the layout. Page views, clicks, "
        "forms, downloads and media are recorded from here on without more, changes of the route too.",
        (
            Code("Into <head> of every page", tag.html),
            Code("Above it, if pages call trackway before the script has loaded", stub, optional=True),
            Code(
                "Instead, to follow every update of this server without pasting again; no integrity hash",
                f"<script async {newest}></script>",
                optional=True,
            ),
        ),
    )


def write_tag_manager(tag: Tag) -> Variant:
    options = "\n".join(f'  tag.setAttribute("{name}", "{value}");' for name, value in tag.options.items())
    code = f"""<script>
(function () {{
  var tag = document.createElement("script");
  tag.async = true;
  tag.src = "{tag.src}";
  tag.integrity = "{tag.script.integrity}";
  tag.crossOrigin = "anonymous";
{options}
  document.head.appendChild(tag);
}})();
</script>"""
    return Variant(
        "The tag manager takes data-* attributes away from a tag that is pasted as such, so this one makes it. Where consent is asked "
        "for first, set the tag's consent settings there too.",
        (Code("New tag, Custom HTML, trigger Initialization - All Pages", code),),
    )


def write_wordpress(tag: Tag) -> Variant:
    code = f"""add_action( 'wp_head', function () {{
\t?>
\t{tag.html}
\t<?php
}}, 1 );"""
    return Variant(
        "In a child theme, so that an update of the theme keeps it; a new functions.php begins with <?php. A plugin for code in the header "
        "takes the plain tag of HTML instead. Empty the cache of a caching plugin afterwards.",
        (Code("At the end of functions.php of the child theme", code),),
    )


def write_react(tag: Tag) -> Variant:
    attributes = write_attributes(tag.attributes, "\n  ").replace("crossorigin", "crossOrigin")
    return Variant(
        "Changes of the route are page views by themselves. With the Pages Router both go into pages/_app.tsx, the second beside <Component>, with <>…</> around them.",
        (
            Code("At the top of app/layout.tsx", 'import Script from "next/script";'),
            Code("In its <body>, after {children}", f"<Script\n  {attributes}\n/>"),
            Code("React without Next.js: index.html, into <head>", tag.html, optional=True),
        ),
    )


def write_vue(tag: Tag) -> Variant:
    options = "\n".join(f'          "{name}": "{value}",' for name, value in tag.options.items())
    code = f"""export default defineNuxtConfig({{
  app: {{
    head: {{
      script: [
        {{
          src: "{tag.src}",
          integrity: "{tag.script.integrity}",
          crossorigin: "anonymous",
          async: true,
{options}
        }},
      ],
    }},
  }},
}});"""
    return Variant(
        "Changes of the route are page views by themselves. Where nuxt.config.ts says more, add app to what is there.",
        (
            Code("nuxt.config.ts", code),
            Code("Vue without Nuxt: index.html, into <head>", tag.html, optional=True),
        ),
    )


def write_shopify(tag: Tag) -> Variant:
    pixel = f"""analytics.subscribe("checkout_completed", async (event) => {{
  const {{ checkout }} = event.data;
  await fetch("{tag.endpoint}", {{
    method: "POST",
    keepalive: true,
    body: JSON.stringify({{
      write_key: "{tag.key}",
      events: [
        {{
          event_type: "purchase",
          dedupe_key: event.id,
          occurred_at: event.timestamp,
          anonymous_id: (await browser.cookie.get("tw_aid")) || undefined,
          url: event.context.document.location.href,
          properties: {{
            order_id: checkout.order?.id || checkout.token,
            revenue: checkout.totalPrice?.amount,
            currency: checkout.currencyCode,
          }},
        }},
      ],
    }}),
  }});
}});"""
    return Variant(
        "A theme's files do not run in the checkout, so a custom pixel tells the purchase. It runs in a sandbox that has no origin: where "
        "this source has a list of origins, put the key of another one into the pixel.",
        (
            Code("Online Store, Themes, Edit code: layout/theme.liquid, above </head>", tag.html),
            Code("Settings, Customer events, Add custom pixel", pixel),
        ),
    )


def write_pixel(tag: Tag) -> Variant:
    template = "&amp;t=page_view&amp;u={{ url | urlencode }}&amp;r={{ referrer | urlencode }}"
    return Variant(
        "An image for visitors without JavaScript, for mails, and for templates of your server, which know the page's address themselves.",
        (
            Code("Beside the script, for whoever runs none", f"<noscript>{tag.image()}</noscript>"),
            Code("In a template of your server; write the variables in its own way", tag.image(template)),
        ),
    )


def write_module(tag: Tag) -> Variant:
    module = tag.script.module
    types = module.removesuffix(".mjs") + ".d.ts"
    call = f"""init({{
  key: "{tag.key}",
  endpoint: "{tag.endpoint}",
}});"""
    served = f'import {{ init }} from "{tag.site}{module}";\n\n{call}'
    fetch = f"curl -fo trackway.mjs {tag.server}{module}\ncurl -fo trackway.d.mts {tag.server}{types}"
    return Variant(
        "The same script as an ES module with types, for Vite, webpack, esbuild and the like. Nothing happens before init is called, so a "
        "server may import it.",
        (
            Code("Once, in the folder of your code: the module and its types", fetch),
            Code("Where the site's own script starts", f'import {{ init }} from "./trackway.mjs";\n\n{call}'),
            Code(
                "Without a bundler: into <head> of every page",
                f'<script type="module">\n{served}\n</script>',
                optional=True,
            ),
        ),
    )


VARIANTS: Mapping[str, Callable[[Tag], Variant]] = {
    "html": write_html,
    "gtm": write_tag_manager,
    "wordpress": write_wordpress,
    "react": write_react,
    "vue": write_vue,
    "shopify": write_shopify,
    "pixel": write_pixel,
    "module": write_module,
}
# A shop of Shopify can pass none of our paths on.
FROM_SERVER_ONLY = ("shopify",)
NAMES: Mapping[str, str] = {
    "html": "HTML",
    "gtm": "Tag Manager",
    "wordpress": "WordPress",
    "react": "Next.js, React",
    "vue": "Nuxt, Vue",
    "shopify": "Shopify",
    "pixel": "Pixel",
    "module": "npm, module",
}


def write_policy(tag: Tag) -> str:
    """What a content security policy of the site has to allow, the stub by its hash."""
    digest = base64.b64encode(hashlib.sha256(tag.script.stub.encode()).digest()).decode()
    host = tag.site or "'self'"
    return f"script-src {host} 'sha256-{digest}'; connect-src {host}; img-src {host}"
