"""`python -m gateway.providers.demo --role onprem|cloud (--port N | --socket PATH)`."""

import argparse

import uvicorn

from gateway.providers.demo.answers import Role
from gateway.providers.demo.app import DemoApp


def main() -> None:
    """Serve until stopped. Port 0 takes a free one."""
    parser = argparse.ArgumentParser(prog="gateway.providers.demo", description=__doc__)
    parser.add_argument("--role", choices=list(Role), type=Role, required=True)
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--port", type=int)
    place.add_argument("--socket")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--delay-ms", type=float, default=8.0, help="between two streamed pieces")
    arguments = parser.parse_args()
    uvicorn.run(
        DemoApp(arguments.role, delay_s=arguments.delay_ms / 1000),
        host=arguments.host,
        port=arguments.port or 0,
        uds=arguments.socket,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
