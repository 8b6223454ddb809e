"""`python -m gateway.providers.translator --socket PATH`; started by `LiteLLMCloud` only.

Writes `ready` to its standard output once it serves; ends when its standard input does, which
happens when its parent dies, however that dies. Prints nothing else: whatever litellm might say
about a request goes nowhere.
"""

import argparse
import asyncio
import logging
import os
import threading

from gateway.providers.translator import guard


def main() -> None:
    """Serve until the parent is gone."""
    parser = argparse.ArgumentParser(prog="gateway.providers.translator", description=__doc__)
    parser.add_argument("--socket", required=True)
    arguments = parser.parse_args()
    ready = _silence()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    guard.install()
    # The guard stands before litellm is imported, and the output is closed.
    from gateway.providers.translator.server import serve  # noqa: PLC0415

    asyncio.run(serve(arguments.socket, ready=ready))


def _silence() -> int:
    """Send both outputs nowhere; returns a descriptor of the real standard output."""
    ready = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    logging.disable(logging.CRITICAL)
    return ready


def _end_with_parent() -> None:
    """Wait for the end of standard input; works while the main thread is busy importing."""
    while os.read(0, 1024):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
