"""Identity: OAuth2 client credentials, with Norce's limit on asking."""

import hmac
import math
from typing import Any
from urllib.parse import parse_qsl

from connectors.simulator.clock import Clock
from connectors.simulator.contract import Incoming, Operation
from connectors.simulator.draws import generator
from connectors.simulator.journal import Call, Journal
from connectors.simulator.knobs import Controls
from connectors.simulator.services.service import Answer, Refused, Service
from pipeline.settings import SimulatorSettings

SCOPES = frozenset({"playground", "stage", "prod"})
"""Norce docs: a scope names an environment."""

MAX_ADDRESSES = 10_000
"""Addresses whose allowance is remembered."""


class Allowance:
    """A token bucket per address: ``burst`` requests at once, and ``per_minute`` more each minute."""

    def __init__(self, clock: Clock, per_minute: float, burst: int) -> None:
        self._clock = clock
        self._per_second = per_minute / 60
        self._burst = burst
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, address: str) -> float:
        """Use one request: 0 if there was one, else the seconds until there is."""
        now = self._clock.now()
        left, since = self._left.pop(address, (float(self._burst), now))
        left = min(float(self._burst), left + (now - since) * self._per_second)
        wait = 0.0 if left >= 1 else (1 - left) / self._per_second
        if len(self._left) >= MAX_ADDRESSES:
            del self._left[next(iter(self._left))]
        self._left[address] = (left if wait else left - 1, now)
        return wait


class Identity(Service):
    """Gives tokens and knows which ones are good."""

    name = "identity"

    def __init__(self, settings: SimulatorSettings, clock: Clock, controls: Controls, journal: Journal) -> None:
        super().__init__(journal)
        self._settings = settings
        self._clock = clock
        self._controls = controls
        self._allowance = Allowance(clock, settings.token_requests_per_minute, settings.token_burst)
        self._rng = generator(settings.seed, "tokens")
        self._tokens: dict[str, float] = {}
        self._forgotten = 0

    def accepts(self, token: str) -> bool:
        """Whether a token was given here, has not expired and was not forgotten."""
        self._forget_when_told()
        return self._tokens.get(token, -math.inf) > self._clock.now()

    def admit(self, incoming: Incoming) -> None:
        if self._controls.knobs.identity_down:
            raise Refused(Answer(503, headers={"Retry-After": "1"}))
        if wait := self._allowance.take(incoming.address):
            raise Refused(Answer(429, headers={"Retry-After": str(math.ceil(wait))}))

    def answer(self, operation: Operation | None, incoming: Incoming, call: Call) -> Answer:
        answer = super().answer(operation, incoming, call)
        if answer.status == 200:
            return Answer(200, answer.content, {"Cache-Control": "no-store"})
        return answer

    def handle(self, operation: Operation, incoming: Incoming, content: Any, call: Call) -> Answer:
        if content["grant_type"] != "client_credentials":
            raise Refused(self.error(400, "only client_credentials", code="unsupported_grant_type"))
        secret = self._settings.client_secret.get_secret_value()
        right = hmac.compare_digest(content["client_id"].encode(), self._settings.client_id.encode())
        right &= hmac.compare_digest(content["client_secret"].encode(), secret.encode())
        if not right:
            raise Refused(self.error(401, "wrong credentials", code="invalid_client"))
        if not set(content["scope"].split()) <= SCOPES:
            raise Refused(self.error(400, f"scopes are {', '.join(sorted(SCOPES))}", code="invalid_scope"))
        return Answer(200, self._new_token())

    def error(self, status: int, message: str, *, code: str = "invalid_request") -> Answer:
        known = code if code in ("invalid_client", "invalid_scope", "unsupported_grant_type") else "invalid_request"
        return Answer(status, {"error": known, "error_description": message})

    def shown_body(self, incoming: Incoming) -> str:
        fields = parse_qsl(incoming.body.decode("utf-8", "replace"), keep_blank_values=True)
        return "&".join(f"{name}={value}" for name, value in fields if name in ("grant_type", "client_id", "scope"))

    def shown_answer(self, answer: Answer) -> str:
        return "" if answer.status == 200 else super().shown_answer(answer)

    def _new_token(self) -> dict[str, Any]:
        self._forget_when_told()
        now, lifetime = self._clock.now(), self._settings.token_lifetime
        self._tokens = {token: end for token, end in self._tokens.items() if end > now}
        token = f"simulated.{self._rng.getrandbits(128):032x}"
        self._tokens[token] = now + lifetime
        return {"access_token": token, "token_type": "Bearer", "expires_in": lifetime}

    def _forget_when_told(self) -> None:
        if self._forgotten != self._controls.tokens_forgotten:
            self._forgotten = self._controls.tokens_forgotten
            self._tokens.clear()
