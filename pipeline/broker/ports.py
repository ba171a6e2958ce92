"""TCP ports for a broker that may have to come back on them."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from collections import deque
from contextlib import ExitStack
from functools import cache

# Below the ports that Linux and macOS hand out for outgoing connections: otherwise a client that looks for a stopped
# node could be given the node's own port, or even be connected with itself.
_RANGE = range(20_000, 32_000)
_TRIES = 1000
_KEPT = 500
"""Ports that a process keeps from others; of more, nobody still waits to start on the oldest."""

_claimed: deque[int] = deque()


def free_ports(count: int, draw: random.Random | None = None) -> list[int]:
    """``count`` different ports of the loopback address that nobody listens on.

    They are free when this returns, and for as long as this process lives nobody else who asks here is given them.
    Whoever starts on them must be ready to lose them to somebody else.

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
            if _claim(port):
                ports.append(port)
    raise OSError(f"no {count} free ports between {_RANGE.start} and {_RANGE.stop} on 127.0.0.1")


def _claim(port: int) -> bool:
    """Keep a port from other processes of this user, by a lock that ends with this one: many start at the same time."""
    if port in _claimed:
        return False
    try:
        fcntl.lockf(_claims(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    _claimed.append(port)
    if len(_claimed) > _KEPT:
        fcntl.lockf(_claims(), fcntl.LOCK_UN, 1, _claimed.popleft())
    return True


@cache
def _claims() -> int:
    path = os.path.join(tempfile.gettempdir(), f"norce-pipeline-ports-{os.getuid()}")
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
