"""A small Norce behind a peer: Identity, Connect, Query and Checkout, as far as the client tests need them."""

from __future__ import annotations

from typing import Any

from tests.clients.peer import Behaviour, Peer, Received, Reply


class Norce:
    """Issues tokens, takes those that are ``valid``, and remembers what each service was sent."""

    def __init__(self, peer: Peer) -> None:
        self.valid: set[str] = set()
        self.lifetime: Any = 3600
        self.identity: list[Received] = []
        self.connect: list[Received] = []
        self.query: list[Received] = []
        self.orders: list[dict[str, Any]] = []
        self.identity_answers: list[Behaviour] = []
        self.connect_answers: list[Behaviour] = []
        peer.handler = self._answer

    def issue(self) -> str:
        """A new token, which is valid."""
        token = f"jwt-{len(self.identity)}"
        self.valid.add(token)
        return token

    def _answer(self, received: Received) -> Behaviour:
        if received.path == "/identity/1.0/connect/token":
            self.identity.append(received)
            if self.identity_answers:
                return self.identity_answers.pop(0)
            return Reply(body={"access_token": self.issue(), "expires_in": self.lifetime, "token_type": "Bearer"})
        if received.headers.get("authorization", "").removeprefix("Bearer ") not in self.valid:
            return Reply(401)
        if received.path == "/commerce/connect/4.0/Order/SendOrderStatus":
            self.connect.append(received)
            return self.connect_answers.pop(0) if self.connect_answers else Reply()
        if received.path == "/commerce/query/3.0/Orders/Orders":
            self.query.append(received)
            return Reply(body={"@odata.context": "...", "value": self.orders[:1]})
        return Reply(404)
