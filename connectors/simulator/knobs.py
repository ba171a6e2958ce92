"""The knobs that can be turned while the simulator runs, and the answers that were scripted by hand."""

import asyncio
from collections import deque
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.settings import SimulatorSettings

MAX_SCRIPTED = 10_000
"""Scripted answers that may wait for their call."""


class Knobs(BaseModel):
    """Failures of Norce, as shares of what happens. They begin as the settings say."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    rate: float = Field(gt=0, description="Events a second at most")
    duplicates: float = Field(ge=0, le=1, description="Share of events posted again after they were taken")
    reordering: float = Field(ge=0, le=1, description="Share of events held back behind later ones")
    drops: float = Field(ge=0, le=1, description="Share of events that Norce creates and never posts")
    failures: float = Field(
        ge=0, le=1, description="Share of Connect, Checkout and Query calls answered 500, 503 or 429"
    )
    lost_answers: float = Field(ge=0, le=1, description="Share of those calls that take effect without an answer")
    latency: float = Field(ge=0, description="Mean seconds until an answer")
    identity_down: bool = Field(default=False, description="Identity answers 503")
    paused: bool = Field(default=False, description="No event is created; retries go on")

    @classmethod
    def of(cls, settings: SimulatorSettings) -> "Knobs":
        """The knobs as they stand at the start."""
        named = {name: getattr(settings, name) for name in cls.model_fields if hasattr(settings, name)}
        return cls.model_validate(named)


class ScriptedAnswer(BaseModel):
    """What happens to the next calls that fit, before anything is left to chance."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["answer", "hang", "drop", "lost", "cut", "trickle"] = Field(
        description="answer: only this status, no effect. hang: no answer, no effect, until the caller hangs up. "
        "drop: connection reset, no effect. lost: effect, then connection reset. cut: effect, half the answer, then "
        "connection reset. trickle: effect, the answer a byte a second"
    )
    service: Literal["identity", "connect", "query", "checkout"]
    operation: str | None = Field(default=None, description="operationId of the contract; any when left out")
    order: str | None = Field(default=None, description="ClientOrderRef the call is about; any when left out")
    times: int = Field(default=1, ge=1, le=1_000_000, description="Calls it holds for")
    status: int = Field(default=503, ge=200, le=599, description="For kind answer")
    retry_after: int | None = Field(default=None, ge=0, description="For kind answer, seconds")
    body: str = Field(default="", max_length=65_536, description="For kind answer")

    def fits(self, service: str, operation: str, order: str | None) -> bool:
        """Whether it is meant for such a call."""
        return self.service == service and self.operation in (None, operation) and self.order in (None, order)


class _Change(BaseModel):
    """What is not a knob but can be asked for along with them."""

    model_config = ConfigDict(extra="forbid")

    script: list[ScriptedAnswer] = Field(default=[], description="Scripted answers, added behind those that wait")
    clear_script: bool = Field(default=False, description="Forget the scripted answers that wait, first")
    forget_tokens: bool = Field(default=False, description="No token that Identity gave so far is valid any more")


class UnknownKnob(Exception):
    """A change of knobs that cannot be made. The message says why, for each of them."""


class Controls:
    """The knobs as they are, the scripted answers that wait, and a way to wait for a change."""

    def __init__(self, knobs: Knobs) -> None:
        self.knobs = knobs
        self.tokens_forgotten = 0
        """How often all tokens were to be forgotten."""
        self._script: deque[ScriptedAnswer] = deque()
        self._changed = asyncio.Event()

    def change(self, changes: dict[str, Any]) -> None:
        """Set what is named and leave the rest, all or nothing.

        Raises:
            UnknownKnob: a name or a value does not fit.
        """
        more = {name: value for name, value in changes.items() if name in _Change.model_fields}
        knobs = {name: value for name, value in changes.items() if name not in more}
        try:
            asked = _Change.model_validate(more)
            turned = Knobs.model_validate({**self.knobs.model_dump(), **knobs})
        except ValidationError as error:
            raise UnknownKnob(_said(error)) from None
        if (0 if asked.clear_script else len(self._script)) + len(asked.script) > MAX_SCRIPTED:
            raise UnknownKnob(f"script: more than {MAX_SCRIPTED} answers would wait")
        self._apply(asked, turned)

    def scripted(self, service: str, operation: str, order: str | None) -> ScriptedAnswer | None:
        """The first scripted answer that fits this call; it is used up by one."""
        for place, answer in enumerate(self._script):
            if answer.fits(service, operation, order):
                if answer.times > 1:
                    self._script[place] = answer.model_copy(update={"times": answer.times - 1})
                else:
                    del self._script[place]
                return answer
        return None

    async def resumed(self) -> None:
        """Wait until events may be created."""
        while self.knobs.paused:
            await self._changed.wait()

    def as_json(self) -> dict[str, Any]:
        """The knobs, and the scripted answers that wait."""
        return {**self.knobs.model_dump(), "script": [answer.model_dump() for answer in self._script]}

    def _apply(self, asked: _Change, turned: Knobs) -> None:
        self.knobs = turned
        if asked.clear_script:
            self._script.clear()
        self._script.extend(asked.script)
        self.tokens_forgotten += asked.forget_tokens
        self._changed.set()
        self._changed = asyncio.Event()


def _said(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in problems)
