"""Who makes a request: by the token in its header, never by a cookie, so no other site can act for anybody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from pipeline.web.accounts import NOBODY, Accounts, Caller, Role
from pipeline.web.errors import NotSignedIn, RoleMissing

_bearer = HTTPBearer(auto_error=False, description="Token of an account of NORCE_CONSOLE_ACCOUNTS_FILE")
Given = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def caller(request: Request, given: Given) -> Caller:
    """Who asks; nobody if no token is given. Raises ``NotSignedIn`` for a token that is nobody's."""
    if given is None:
        return NOBODY
    accounts: Accounts = request.app.state.accounts
    found = accounts.caller(given.credentials)
    if found is None:
        raise NotSignedIn("the token is nobody's")
    return found


def reader(request: Request, found: Annotated[Caller, Depends(caller)]) -> Caller:
    """Who may read. Raises ``NotSignedIn`` where that needs an account."""
    if found.name is None and request.app.state.reading_needs_account:
        raise NotSignedIn("reading needs an account")
    return found


def needs(role: Role) -> Callable[..., Caller]:
    """Who may do what a role allows. Raises ``NotSignedIn``, ``RoleMissing``."""

    def able(found: Annotated[Caller, Depends(reader)]) -> Caller:
        if found.name is None:
            raise NotSignedIn(f"that needs an account with the role {role.value}")
        if role not in found.roles:
            raise RoleMissing(role.value)
        return found

    return able
