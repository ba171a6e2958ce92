"""Taking a port before anything else starts."""

from __future__ import annotations

import errno
import socket


class PortUnavailable(Exception):
    """The address cannot be listened on."""

    def __init__(self, host: str, port: int, cause: OSError) -> None:
        self.host, self.port = host, port
        taken = cause.errno == errno.EADDRINUSE
        reason = "another process listens there" if taken else (cause.strerror or str(cause))
        super().__init__(f"cannot listen on {host} port {port}: {reason}")


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on the address.

    Raises:
        PortUnavailable: naming host, port and reason.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise PortUnavailable(host, port, error) from error
    listener.setblocking(False)
    return listener
