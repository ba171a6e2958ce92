"""Which call goes wrong, and how: by hand first, then by chance."""

import math
from dataclasses import dataclass

from connectors.simulator.draws import generator
from connectors.simulator.knobs import Controls, ScriptedAnswer
from connectors.simulator.services import Answer, Service

_RETRY_AFTER = 1  # seconds, with a 503 or 429 that came by chance


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one call; ``kind`` is one of ``ScriptedAnswer``'s."""

    kind: str
    answer: Answer | None = None
    """For kind answer; the others send the real one or none."""

    @property
    def takes_effect(self) -> bool:
        """Whether the call does what it asks for, whatever its caller sees."""
        return self.kind in ("lost", "cut", "trickle")


class Faults:
    """Draws a fault for each call. Each service has numbers of its own, in the order of its calls."""

    def __init__(self, seed: int, controls: Controls) -> None:
        self._controls = controls
        self._rng = {name: generator(seed, "faults", name) for name in ("identity", "connect", "query", "checkout")}

    def latency(self, service: Service) -> float:
        """Seconds until the call is looked at, around the mean that the knob says."""
        mean = self._controls.knobs.latency
        return self._rng[service.name].expovariate(1 / mean) if mean > 0 and math.isfinite(1 / mean) else 0.0

    def choose(self, service: Service, operation: str, order: str | None) -> Fault | None:
        """The fault of this call, or None."""
        scripted = self._controls.scripted(service.name, operation, order)
        if scripted is not None:
            return _as_scripted(scripted)
        if service.name == "identity":
            return None
        rng, knobs = self._rng[service.name], self._controls.knobs
        chance, status = rng.random(), rng.choice((500, 503, 429))
        if chance < knobs.failures:
            error = service.error(status, "a simulated failure")
            headers = {} if status == 500 else {"Retry-After": str(_RETRY_AFTER)}
            return Fault("answer", Answer(status, error.content, headers))
        return Fault("lost") if rng.random() < knobs.lost_answers else None


def _as_scripted(scripted: ScriptedAnswer) -> Fault:
    if scripted.kind != "answer":
        return Fault(scripted.kind)
    headers = {} if scripted.retry_after is None else {"Retry-After": str(scripted.retry_after)}
    return Fault("answer", Answer(scripted.status, scripted.body.encode() or None, headers))
