import pytest
from types import SimpleNamespace
@pytest.fixture(scope="session")
def kafka():
    return SimpleNamespace(bootstrap_servers="127.0.0.1:29092")
