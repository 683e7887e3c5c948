"""Links in a proxied answer lead through the proxy again: those that name a path of the server from its root.

Source: apimachinery pkg/util/proxy/transport.go (which attributes of which elements, and Location).
"""

from __future__ import annotations

import html
import re
from urllib.parse import urlsplit, urlunsplit

LARGEST = 4 << 20  # bytes of a page whose links are rewritten

_ATTRIBUTES = {
    "a": "href", "applet": "codebase", "area": "href", "audio": "src", "base": "href", "blockquote": "cite",
    "body": "background", "button": "formaction", "command": "icon", "del": "cite", "embed": "src", "form": "action",
    "frame": "longdesc src", "head": "profile", "html": "manifest", "iframe": "longdesc src",
    "img": "longdesc src usemap", "input": "src usemap formaction", "ins": "cite", "link": "href",
    "object": "classid codebase data usemap", "q": "cite", "script": "src", "source": "src", "video": "poster src",
}  # fmt: skip
_TAG = re.compile(r"<([A-Za-z]+)(\s[^<>]*)>")
_ATTRIBUTE = re.compile(r"""(\s)([A-Za-z]+)(\s*=\s*)("[^"]*"|'[^']*'|[^\s"'>]+)""")


def rewritten_url(url: str, host: str, prefix: str) -> str:
    """host: the server's own. prefix: the path under which the proxy serves it, without a slash at its end."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    if parts.scheme not in ("", "http", "https") or (parts.netloc and parts.netloc != host):
        return url
    if not parts.netloc and not parts.path.startswith("/"):
        return url
    if parts.path == prefix or parts.path.startswith(f"{prefix}/"):
        return url
    return urlunsplit(("", "", prefix + parts.path, parts.query, parts.fragment))


def rewritten_page(page: str, host: str, prefix: str) -> str:
    """Nothing but the links is touched."""

    def tag(found: re.Match[str]) -> str:
        names = _ATTRIBUTES.get(found[1].lower(), "").split()

        def attribute(row: re.Match[str]) -> str:
            if row[2].lower() not in names:
                return row[0]
            quote = row[4][0] if row[4][0] in "\"'" else ""
            url = html.unescape(row[4].strip(quote) if quote else row[4])
            changed = rewritten_url(url, host, prefix)
            if changed == url:
                return row[0]
            return f'{row[1]}{row[2]}{row[3]}"{html.escape(changed)}"'

        return f"<{found[1]}{_ATTRIBUTE.sub(attribute, found[2])}>" if names else found[0]

    return _TAG.sub(tag, page)
