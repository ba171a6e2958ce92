"""A Norce to develop and test against: Identity, Connect, Query and Checkout to call, and webhooks that arrive."""

from connectors.simulator.clock import Clock, SystemClock, VirtualClock
from connectors.simulator.expectation import Expectation, ExpectedOrder
from connectors.simulator.goods import product_name
from connectors.simulator.process import serve
from connectors.simulator.scenario import Scenario
from connectors.simulator.shops import SHOPS, Shop, applications, checkout_channels
from connectors.simulator.simulator import AddressInUse, Simulator

__all__ = [
    "SHOPS",
    "AddressInUse",
    "Clock",
    "Expectation",
    "ExpectedOrder",
    "Scenario",
    "Shop",
    "Simulator",
    "SystemClock",
    "VirtualClock",
    "applications",
    "checkout_channels",
    "product_name",
    "serve",
]
