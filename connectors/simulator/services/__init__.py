"""The services of Norce that are simulated."""

from connectors.simulator.services.checkout import Checkout
from connectors.simulator.services.connect import Connect
from connectors.simulator.services.identity import Identity
from connectors.simulator.services.query import Query
from connectors.simulator.services.service import Answer, Service

__all__ = ["Answer", "Checkout", "Connect", "Identity", "Query", "Service"]
