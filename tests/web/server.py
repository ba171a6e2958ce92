"""A stand-in for the console's server: the page's own files under the console's policy, and the query API from data."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.support.processes import ROOT
from tests.web import data

STATIC = ROOT / "pipeline" / "web" / "static"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
ACCOUNTS = {"operator-token": ("anna", ["operator"]), "privacy-token": ("per", ["operator", "privacy"])}

Json = dict[str, Any]


def refusal(status: int, error: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"error": error, "message": message}, status=status, headers=headers)


class Console:
    """The server in a thread of its own. Its fields are what a test may change while the page looks at it."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.clock = clock
        self.reset()
        self.address = ""
        self.routes: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def reset(self) -> None:
        """As at the start. All records stay as they are from now on."""
        self.now = self.clock()
        self.moving = False
        """Every record and list answers that its partition is moving."""
        self.broken = False
        """Everything answers 500 with a body that is no JSON."""
        self.silent = False
        """The Checkout sink does not answer."""
        self.balance: Json = {}
        """What differs in the balance of the ledger."""
        self.empty = False
        self.accounts = True
        self.reading_needs_account = False
        self.refuses_actions = False
        self.no_worker = False
        """Actions stand, and nobody carries them out."""
        self.looks = 0
        self.asked: list[str] = []
        self.acted: list[tuple[str, Json]] = []
        self.persons_seen: list[tuple[str, str]] = []

    def __enter__(self) -> Self:
        self._thread.start()
        self._runner = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(20)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()

    async def _start(self) -> web.AppRunner:
        app = web.Application(middlewares=[self._guard])
        api = "/api/v1"
        app.add_routes(
            [
                web.get(f"{api}/me", self._me),
                web.get(f"{api}/overview", self._overview),
                web.get(f"{api}/search", self._search),
                web.get(f"{api}/alerts", self._alerts),
                web.get(f"{api}/dead-letters", self._dead_letters),
                web.get(f"{api}/dead-letters/{{letter}}", self._dead_letter),
                web.post(f"{api}/dead-letters/{{letter}}/{{verb:release|drop}}", self._settle),
                web.get(f"{api}/quarantine", self._quarantine),
                web.get(f"{api}/quarantine/{{place}}", self._body),
                web.get(f"{api}/quarantine/{{place}}/body", self._reveal),
                web.post(f"{api}/quarantine/retry", self._retry),
                web.get(f"{api}/reconciliation", self._reports),
                web.get(f"{api}/drift", self._reports),
                web.get(f"{api}/orders/{{key}}/timeline", self._timeline),
                web.get(f"{api}/orders/{{key}}/person", self._person),
                web.get(f"{api}/{{kind}}", self._list),
                web.get(f"{api}/{{kind}}/{{key}}", self._record),
                web.get("/", self._page),
                web.static("/", STATIC),
            ]
        )
        app.on_response_prepare.append(self._police)
        self.routes = [resource.canonical for resource in app.router.resources()]
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.address = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        return runner

    async def _police(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if not request.path.startswith("/api/"):
            return await handler(request)
        self.asked.append(request.path_qs)
        place = request.path.removeprefix("/api/v1/")
        if self.broken:
            return web.Response(status=500, text="Internal Server Error")
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token not in ACCOUNTS:
            return refusal(401, "UnknownToken", "No account has this token.")
        if place != "me" and self.reading_needs_account and not token:
            return refusal(401, "NotSignedIn", "Reading needs an account.")
        if request.method == "POST" and "operator" not in self._roles(request):
            return refusal(403, "RoleNeeded", "This needs the role operator.")
        if self.moving and place not in ("me", "overview"):
            return refusal(503, "PartitionMoving", "Partition 3 has no owner at the moment.", {"Retry-After": "1"})
        return await handler(request)

    def _account(self, request: web.Request) -> tuple[str | None, list[str]]:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return ACCOUNTS.get(token, (None, []))

    def _roles(self, request: web.Request) -> list[str]:
        return self._account(request)[1]

    async def _page(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(STATIC / "index.html")

    async def _me(self, request: web.Request) -> web.Response:
        name, roles = self._account(request)
        needed = {"reading_needs_account": self.reading_needs_account, "accounts": self.accounts}
        return web.json_response({"name": name, "roles": roles, **needed})

    async def _overview(self, request: web.Request) -> web.Response:
        self.looks += 1
        return web.json_response(data.overview(self.clock(), self.looks, self.silent, self.balance))

    async def _search(self, request: web.Request) -> web.Response:
        wanted = request.query["q"]
        hits = [] if self.empty else self._hits(wanted)
        return web.json_response({"q": wanted, "results": hits, "complete": True})

    def _hits(self, wanted: str) -> list[Json]:
        def hit(key: str, matched: str, record: Json) -> Json:
            shown = {"title": record["order_no"], "status": record["status"], "changed_at": record["last_changed_at"]}
            return {"kind": "orders", "key": key, "matched": matched, **shown}

        now = self.now
        if wanted == "several":
            return [hit(data.order_key(number), "payment_code", data.order(number, now)) for number in (3, 4, 7)]
        if wanted == data.HOSTILE:
            hostile = hit(data.HOSTILE_KEY, "client_order_ref", data.hostile_order(now))
            return [hostile, hit(data.order_key(3), "order_no", data.order(3, now))]
        matched = "order_no" if wanted.startswith("SO") else "client_order_ref"
        number = data.number_of(f"{data.CLIENT}:{data.SHOP}:{wanted.removeprefix('SO')}")
        return [] if number is None else [hit(data.order_key(number), matched, data.order(number, now))]

    def _paged(self, request: web.Request, items: list[Json], **more_said: Any) -> web.Response:
        after, limit = int(request.query.get("after", 0)), int(request.query.get("limit", 50))
        page = [] if self.empty else items[after : after + limit]
        more = after + limit < len(items) and not self.empty
        following = str(after + limit) if more else None
        return web.json_response({"items": page, "next": following} | more_said)

    async def _list(self, request: web.Request) -> web.Response:
        kind, now = request.match_info["kind"], self.now
        if kind == "products":
            return self._paged(request, [{"key": f"{data.CLIENT}:LAMP-07", "record": data.product(now)}])
        if kind != "orders":
            return self._paged(request, [])
        after, limit = int(request.query.get("after", 0)), int(request.query.get("limit", 50))
        numbers = range(0) if self.empty else range(after, min(after + limit, data.ORDERS))
        items = [{"key": data.order_key(number), "record": data.order(number, now)} for number in numbers]
        last = after + limit >= data.ORDERS or self.empty
        return web.json_response({"items": items, "next": None if last else str(after + limit)})

    async def _record(self, request: web.Request) -> web.Response:
        kind, key, now = request.match_info["kind"], request.match_info["key"], self.now
        alerts = [alert for alert in data.alerts(now) if alert["subject_key"] == key]
        found = {"kind": kind, "key": key, "partition": 3, "alerts": alerts, "parked": None}
        if kind == "products" and key == f"{data.CLIENT}:LAMP-07":
            return web.json_response(found | {"record": data.product(now)})
        if key == data.HOSTILE_KEY:
            return web.json_response(found | {"record": data.hostile_order(now)})
        number = data.number_of(key)
        if kind != "orders" or number is None:
            return refusal(404, "UnknownKey", f"No {kind} record has the key {key}.")
        if number == data.NOTHING_YET:
            parked = data.parked(self.now)
            return web.json_response(found | {"record": None, "parked": parked})
        if number == data.PARKED:
            found["parked"] = data.parked(now)
        return web.json_response(found | {"record": data.order(number, now)})

    async def _timeline(self, request: web.Request) -> web.Response:
        number = data.number_of(request.match_info["key"]) or 50
        return web.json_response(data.timeline(number, self.now))

    async def _person(self, request: web.Request) -> web.Response:
        name, roles = self._account(request)
        if "privacy" not in roles:
            return refusal(403, "RoleNeeded", "This needs the role privacy.")
        self.persons_seen.append((str(name), request.match_info["key"]))
        values = {"name": "Maja Lindqvist", "email": "maja@example.com", "phone": "+46 70 000 00 00"}
        return web.json_response({"values": values})

    async def _alerts(self, request: web.Request) -> web.Response:
        wanted = [(name, request.query[name]) for name in ("kind", "severity") if name in request.query]
        found = [alert for alert in data.alerts(self.now) if all(alert[name] == value for name, value in wanted)]
        shown = [] if self.empty else found
        return self._paged(request, shown, total=len(shown))

    async def _dead_letters(self, request: web.Request) -> web.Response:
        settled = {place.rsplit("/", 1)[0] for place, _ in self.acted}
        left = [item for item in data.dead_letters(self.now) if item["letter"] not in settled]
        return self._paged(request, left, cut=False)

    async def _dead_letter(self, request: web.Request) -> web.Response:
        for place in range(4):
            if data.letter_id(place) == request.match_info["letter"]:
                return web.json_response(data.letter(place, self.now))
        return refusal(404, "UnknownLetter", "There is no such letter.")

    async def _settle(self, request: web.Request) -> web.Response:
        if self.refuses_actions:
            return refusal(409, "AlreadySettled", "Somebody released this letter before.")
        letter, verb = request.match_info["letter"], request.match_info["verb"]
        self.acted.append((f"{letter}/{verb}", await request.json()))
        if self.no_worker:
            message = "not done yet; a worker that runs carries it out"
            return web.json_response({"done": False, "outcome": "pending", "message": message})
        message = "Released: 4 events were joined." if verb == "release" else "Dropped; 3 events were joined."
        return web.json_response({"done": True, "outcome": f"{verb}d", "message": message})

    async def _quarantine(self, request: web.Request) -> web.Response:
        return self._paged(request, data.quarantine(self.now), cut=False)

    async def _body(self, request: web.Request) -> web.Response:
        for place, item in enumerate(data.quarantine(self.now)):
            if item["id"] == request.match_info["place"]:
                return web.json_response(data.body(place, self.now))
        return refusal(404, "NoSuchBody", "not in quarantine")

    async def _reveal(self, request: web.Request) -> web.Response:
        name, roles = self._account(request)
        if "privacy" not in roles:
            return refusal(403, "RoleMissing", "that needs the role privacy")
        self.persons_seen.append((str(name), request.match_info["place"]))
        return web.json_response({"body": data.BODY})

    async def _retry(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.acted.append(("quarantine/retry", body))
        return web.json_response(
            {"published": len(body["ids"]) - 1, "refused": 1, "message": "1 of 2 published as events"}
        )

    async def _reports(self, request: web.Request) -> web.Response:
        make = data.sweeps if request.path.endswith("reconciliation") else data.drift
        return web.json_response({"items": [] if self.empty else make(self.now), "next": None, "cut": False})
