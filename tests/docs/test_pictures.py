"""The pictures of the documentation show what the code says."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from pipeline.access import accesses
from pipeline.domain.records import OrderStatus
from pipeline.events import EVENT_TYPES
from pipeline.topics import PUBLIC
from tests.docs import pictures
from tests.web import pictures as console

SVG = "{http://www.w3.org/2000/svg}"


def texts(picture: str) -> set[str]:
    """What is written on a picture."""
    return {text.text or "" for text in ElementTree.fromstring(picture).iter(f"{SVG}text")}


@pytest.mark.parametrize("name", pictures.PICTURES)
def test_the_picture_is_the_one_that_the_code_draws(name: str) -> None:
    assert (pictures.FOLDER / name).read_text("utf-8") == pictures.PICTURES[name](), "'make pictures' was forgotten"


def test_the_pictures_of_the_console_are_of_the_page_as_it_is() -> None:
    changed = set(console.DIGESTS.read_text().splitlines()) ^ set(console.digests().splitlines())

    assert {line.split()[-1] for line in changed} == set(), "'make pictures' was forgotten"


def test_no_process_with_a_consumer_group_is_left_out_of_the_topology() -> None:
    shown = {access.user for access in pictures.shown_processes()}

    assert {access.user for access in accesses() if access.group and not access.remakes} <= shown


def test_the_matrix_has_every_public_topic_and_every_user_of_one() -> None:
    users = {access.user for access in accesses() if access.topics}

    assert {spec.name for spec in PUBLIC} | users <= texts(pictures.topics())


def test_the_life_cycle_has_every_status_and_no_event_that_does_not_exist() -> None:
    shown = texts(pictures.order())

    assert set(OrderStatus) <= shown
    assert {text for text in shown if text.endswith("Event") and " " not in text} < set(EVENT_TYPES)
    assert pictures.without_status() == ["OrderPaymentReceivedEvent", "SubscriptionFailedEvent"]
