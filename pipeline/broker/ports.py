"""TCP ports for a broker that may have to come back on them."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack

# Below the ports that Linux and macOS hand out for outgoing connections: otherwise a client that looks for a stopped
# node could be given the node's own port, or even be connected with itself.
_RANGE = range(20_000, 32_000)
_TRIES = 1000


def free_ports(count: int, draw: random.Random | None = None) -> list[int]:
    """``count`` different ports of the loopback address that nobody listens on.

    They are free when this returns; whoever starts on them must be ready to lose them to somebody else.

    Raises:
        OSError: none was found.
    """
    draw = draw or random.Random()  # noqa: S311 - not a secret
    ports: list[int] = []
    with ExitStack() as held:
        for _ in range(_TRIES):
            if len(ports) == count:
                return ports
            listener = held.enter_context(socket.socket())
            port = draw.choice(_RANGE)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            ports.append(port)
    raise OSError(f"no {count} free ports between {_RANGE.start} and {_RANGE.stop} on 127.0.0.1")
