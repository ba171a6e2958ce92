"""What all simulated services have in common. They are plain functions of a request: sockets, faults and the journal
are the server's matter, and nothing that takes effect can be interrupted."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from connectors.simulator.contract import DoesNotFit, Incoming, Operation, contract
from connectors.simulator.journal import Call, Journal


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back. ``content`` is sent as JSON, bytes as they are; None means an empty body."""

    status: int
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """The bytes to send."""
        if isinstance(self.content, bytes):
            return self.content
        return b"" if self.content is None else json.dumps(self.content).encode()


class Refused(Exception):
    """Ends a call with an error answer."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        super().__init__(answer.status)


class Tokens(Protocol):
    """Who knows which bearer tokens are good."""

    def accepts(self, token: str) -> bool:
        """Whether a call with this token may go on."""
        ...


class Service(ABC):
    """One simulated service: a contract, and what its operations do."""

    name: ClassVar[str]

    def __init__(self, journal: Journal) -> None:
        self.contract = contract(self.name)
        self.journal = journal

    def answer(self, operation: Operation | None, incoming: Incoming, call: Call) -> Answer:
        """Handle one call; ``operation`` is None where the contract knows no such path."""
        try:
            self.admit(incoming)
            if operation is None:
                return self.error(404, "no such operation, or not a simulated one", code="not-simulated")
            content = operation.read(incoming)
            return self.handle(operation, incoming, content, call)
        except DoesNotFit as error:
            self.journal.remarks["refused"] += 1
            return self.error(400, str(error), code="does-not-fit")
        except Refused as refused:
            return refused.answer

    def order_of(self, operation: Operation, incoming: Incoming) -> str | None:
        """ClientOrderRef of the order that a call is about, found without judging it."""
        return None

    def shown_body(self, incoming: Incoming) -> str:
        """The request's body as the journal keeps it: without secrets."""
        return incoming.body.decode("utf-8", "replace")

    def shown_answer(self, answer: Answer) -> str:
        """The answer's body as the journal keeps it: without secrets."""
        return answer.body.decode("utf-8", "replace")

    @abstractmethod
    def admit(self, incoming: Incoming) -> None:
        """Let the caller in.

        Raises:
            Refused: it may not come in.
        """

    @abstractmethod
    def handle(self, operation: Operation, incoming: Incoming, content: Any, call: Call) -> Answer:
        """Do what is asked; ``content`` is the decoded body, which fits the contract.

        Raises:
            Refused: what is asked cannot be done.
        """

    @abstractmethod
    def error(self, status: int, message: str, *, code: str = "error") -> Answer:
        """An error in this service's form."""


def bearer_token(incoming: Incoming) -> str | None:
    """The token of the Authorization header."""
    scheme, _, token = incoming.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def json_of(body: bytes) -> Any:
    """A body that may be anything; None where it is not JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
