"""What to paste into a site to have it tracked: one variant for each way in which sites are built.

Every variant loads the versioned file with its integrity hash, so that a page runs what was looked at and
nothing else; it is changed when Trackway is updated, by choice.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping

from msgspec import Struct

from trackway.dashboard.desk import ScriptPlaces

USUAL_COLLECT_PATH = "/v1/events"


class Code(Struct, frozen=True):
    """A piece to paste; `place` says where."""

    place: str
    text: str


class Variant(Struct, frozen=True):
    """`says` is what to know before pasting."""

    says: str
    codes: tuple[Code, ...]


class Tag(Struct, frozen=True):
    """The script's tag for one source: its attributes as a page writes them."""

    site: str
    script: ScriptPlaces
    key: str

    @property
    def src(self) -> str:
        return self.site + self.script.pinned

    @property
    def endpoint(self) -> str:
        return self.site + self.script.collect

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
        "For every site whose pages you can edit. Page views, clicks, forms, downloads and media are recorded from here on without more.",
        (
            Code("Into <head> of every page", tag.html),
            Code("Above it, if pages call trackway before the script has loaded", stub),
            Code(
                "Or without a version: follows every update of this server, and is bound by no hash",
                f"<script async {newest}></script>",
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
        "In a child theme, so that an update of the theme keeps it. A plugin for code in the header takes the plain tag of HTML instead. "
        "Empty the cache of a caching plugin afterwards.",
        (Code("functions.php of the child theme", code),),
    )


def write_react(tag: Tag) -> Variant:
    attributes = write_attributes({"strategy": "afterInteractive"} | tag.attributes, "\n          ")
    code = f"""import Script from "next/script";

export default function RootLayout({{ children }}) {{
  return (
    <html lang="en">
      <body>
        {{children}}
        <Script
          {attributes.replace("crossorigin", "crossOrigin")}
        />
      </body>
    </html>
  );
}}"""
    return Variant(
        "Changes of the route are page views by themselves. React without Next.js: the tag of HTML in index.html, or the module.",
        (Code("app/layout.jsx", code),),
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
        "Changes of the route are page views by themselves. Vue without Nuxt: the tag of HTML in index.html, or the module.",
        (Code("nuxt.config.ts", code),),
    )


def write_shopify(tag: Tag) -> Variant:
    return Variant(
        "A theme's files do not run in the checkout: let your back end send the purchase, with its order_id, by a source of the channel server.",
        (Code("Online Store, Themes, Edit code: layout/theme.liquid, above </head>", tag.html),),
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
    call = f"""init({{
  key: "{tag.key}",
  endpoint: "{tag.endpoint}",
}});"""
    served = f'import {{ init }} from "{tag.site}{tag.script.module}";\n\n{call}'
    return Variant(
        "The same script as an ES module. The package is in sdk/browser of Trackway's sources; nothing happens before init is called, so a server may import it.",
        (
            Code(
                "With a bundler, after npm install PATH/sdk/browser",
                f'import {{ init }} from "@trackway/browser";\n\n{call}',
            ),
            Code("Without one", f'<script type="module">\n{served}\n</script>'),
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
    return f"script-src {tag.site} 'sha256-{digest}'; connect-src {tag.site}; img-src {tag.site}"
