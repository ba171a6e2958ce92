from collections.abc import AsyncIterator

import pytest

from tests.clients.peer import Peer
from tests.clients.support import PatientClock


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    """Norce, as a server that does as it is told."""
    async with Peer() as peer:
        yield peer


@pytest.fixture
def clock() -> PatientClock:
    return PatientClock()
