"""What no browser may say in any test: errors, warnings, reports of the content security policy.

One place for every page of every context: tabs, windows, the pages of an identity provider, those
that fixtures open.
"""

from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Response

_OUR_HOSTS = {"127.0.0.1", "localhost"}
_PARTS = {"script", "stylesheet", "image", "font"}
# The console's own line says it as well; this one also names what was refused, and where.
_REPORT = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`content security policy: ${event.violatedDirective} ${event.blockedURI}`));
"""


def watch(browser: Browser, complaints: list[str]) -> None:
    """Add to `complaints` whatever a page of any context of `browser`'s, from now on, says."""
    new_context = browser.new_context

    def watched(**options: object) -> BrowserContext:
        context = new_context(**options)  # type: ignore[arg-type]
        if options.get("java_script_enabled", True):
            context.add_init_script(_REPORT)
        context.on("console", lambda message: _said(message, complaints))
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        context.on("response", lambda response: _answered(response, complaints))
        context.on("request", lambda request: _asked(request.url, complaints))
        return context

    browser.new_context = watched  # type: ignore[method-assign]


def _said(message: ConsoleMessage, complaints: list[str]) -> None:
    # The network log of answers that a test asks for (a refusal is a 403) is no complaint; what is
    # wrong with an answer `_answered` says.
    if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
        complaints.append(f"{message.page.url if message.page else ''}: {message.text}")


def _answered(response: Response, complaints: list[str]) -> None:
    part = response.request.resource_type in _PARTS
    if response.status >= 500 or (part and response.status >= 400):
        complaints.append(f"{response.status} for {response.url}")


def _asked(url: str, complaints: list[str]) -> None:
    parts = urlsplit(url)
    if parts.scheme in {"http", "https"} and parts.hostname not in _OUR_HOSTS:
        complaints.append(f"a request to another host: {url}")
