"""The port that the connector listens on, handed from one server to the next without a connection that is lost."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import sys

from connectors.webhook.errors import CannotListen, PortInUse

BACKLOG = 1024
"""Connections that the kernel keeps waiting to be taken."""

_ATTACH_REUSEPORT_CBPF = 51
"""Linux's SO_ATTACH_REUSEPORT_CBPF, which Python does not name."""

_RETURN_ONE = struct.pack("HBBI", 0x06, 0, 0, 1)
"""A program of the kernel's packet filter, ``return 1``: the second socket of those that share a port, the newest here.

Without a second one the kernel passes over the answer.
"""


class Port:
    """A port that is taken; each server that it is given to takes all connections from then on.

    On Linux each server has a socket of its own, and the kernel gives new connections to the newest: who was replaced
    has finished with those that came before, and can go. Elsewhere they share one socket.

    Raises:
        PortInUse: another process listens on the port.
        CannotListen: the address is not this machine's, or the port is not allowed.
    """

    def __init__(self, host: str, port: int) -> None:
        self._steered = sys.platform == "linux"
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            self._family, self._address = found[0][0], found[0][4]
            # Sockets that share a port share it with any other process that allows it. So first a look without.
            self._socket(shared=False).close()
            self._newest = self._socket(shared=self._steered)
            self._newest.listen(BACKLOG)
            if self._steered:
                program = ctypes.create_string_buffer(_RETURN_ONE)
                self._newest.setsockopt(
                    socket.SOL_SOCKET, _ATTACH_REUSEPORT_CBPF, struct.pack("HP", 1, ctypes.addressof(program))
                )
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(host, port) from error
            raise CannotListen(host, port, error.strerror or str(error)) from error
        self._given = False

    def give(self) -> int:
        """A descriptor to listen on, for the next server, which closes it. Raises ``OSError``."""
        if self._given and self._steered:
            following = self._socket(shared=True)
            following.listen(BACKLOG)
            self._newest.close()
            self._newest = following
        self._given = True
        return os.dup(self._newest.fileno())

    def close(self) -> None:
        """Give it up; the last server goes on until it closes its descriptor."""
        self._newest.close()

    def _socket(self, *, shared: bool) -> socket.socket:
        made = socket.socket(self._family, socket.SOCK_STREAM)
        try:
            # Without it the last minute's closed connections would count as in use.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            made.bind(self._address)
            made.setblocking(False)
        except OSError:
            made.close()
            raise
        return made
