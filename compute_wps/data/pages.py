"""The frame of the pages that people see when they open the address of a result."""

from django.utils.html import format_html
from django.utils.safestring import SafeString

# Plain on purpose: it must look right without any other file.
STYLE = SafeString(
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#1f2933;background:#fff}h1{font-size:1.3rem;overflow-wrap:anywhere}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.4rem .8rem .4rem 0;"
    "border-bottom:1px solid #d9dee3;overflow-wrap:anywhere}.number{text-align:right;"
    "white-space:nowrap}pre,code{font-size:.9rem;background:#f3f5f7;overflow-wrap:anywhere}"
    "pre{padding:1rem;overflow-x:auto}a{color:#1a5fb4}"
)


def page(title: str, body: SafeString) -> str:
    """Return a whole page; the body is HTML."""
    return format_html(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width"><style>{style}</style></head>'
        "<body><h1>{title}</h1>{body}</body></html>\n",
        title=title,
        style=STYLE,
        body=body,
    )
