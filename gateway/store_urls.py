"""The store's address in the two spellings that its clients want."""

from urllib.parse import parse_qs, quote, urlsplit, urlunsplit


def with_password(url: str, password: str) -> str:
    """The same address with a password in it. A unix socket's user is left as it is."""
    parts = urlsplit(url)
    user, _, rest = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{name}:{quote(password, safe='')}@{rest}"))


def broker_url(url: str) -> str:
    """Celery's spelling: it calls a unix socket `redis+socket` and its database `virtual_host`."""
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return url
    query = parse_qs(parts.query)
    database = f"?virtual_host={query['db'][0]}" if "db" in query else ""
    return f"redis+socket://{parts.netloc}{parts.path}{database}"
