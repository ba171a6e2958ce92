"""Every fault that must be survived, and the tests that put the pipeline to it.

``tests/conftest.py`` gives each of these tests the marker ``fault(number)``, ``make faults`` runs them all, and
``test_catalogue.py`` sees that no fault is without a test and that the README says the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Fault(NamedTuple):
    """A fault by what happens, and the tests as file (below ``tests/``) and function."""

    what: str
    tests: tuple[str, ...]


FAULTS: Mapping[int, Fault] = {
    1: Fault(
        "worker killed 20 times under load",
        (
            "faults/test_kills.py::test_a_worker_killed_twenty_times_under_load_loses_and_doubles_nothing",
            "pipeline/test_kills.py::test_a_worker_and_then_everything_killed_in_mid_flight_leave_the_state_that_the_raw_topics_give",
            "simulation/test_simulation.py::test_the_promises_hold_in_many_more_histories",
        ),
    ),
    2: Fault(
        "connector killed between Kafka's acknowledgement and the answer",
        (
            "webhook/test_kafka_trouble.py::test_a_connector_that_is_killed_between_kafkas_acknowledgement_and_its_answer_gets_the_retry_and_takes_it",
        ),
    ),
    3: Fault(
        "connector killed before Kafka's acknowledgement",
        (
            "webhook/test_kafka_trouble.py::test_a_connector_that_is_killed_before_kafka_has_the_event_has_answered_nothing_and_the_retry_lands",
            "pipeline/test_kills.py::test_a_connector_killed_before_the_acknowledgement_loses_no_event",
        ),
    ),
    4: Fault(
        "out-of-order acknowledgement in the stream engine",
        (
            "engine/test_delivery.py::test_no_offset_is_committed_past_an_unfinished_event",
            "engine/test_slices.py::test_nothing_is_committable_past_an_unfinished_slice",
        ),
    ),
    5: Fault(
        "the only broker restarted",
        (
            "webhook/test_kafka_trouble.py::test_while_the_only_broker_is_away_the_answer_is_503_and_what_was_taken_is_there_after_it",
        ),
    ),
    6: Fault(
        "one of three brokers lost, then two",
        (
            "webhook/test_kafka_trouble.py::test_with_one_of_three_brokers_lost_no_sender_notices_and_with_two_lost_nothing_is_promised",
            "pipeline/test_brokers.py::test_a_broker_killed_under_load_costs_nothing",
            "pipeline/test_brokers.py::test_without_a_majority_of_brokers_nothing_is_taken_and_afterwards_everything",
        ),
    ),
    7: Fault(
        "slow broker",
        (
            "webhook/test_kafka_trouble.py::test_with_a_broker_that_hangs_the_answer_is_503_before_norce_hangs_up_and_all_is_well_after_it",
        ),
    ),
    8: Fault(
        "rebalance storm",
        (
            "faults/test_rebalances.py::test_a_worker_that_joins_or_leaves_every_five_seconds_for_two_minutes_stalls_nothing",
            "engine/test_delivery.py::test_workers_that_come_and_go_lose_nothing",
        ),
    ),
    9: Fault(
        "Norce answers 500, 503, 429 with Retry-After, 408",
        (
            "clients/test_statuses.py::test_every_status_has_exactly_one_meaning",
            "clients/test_repeating.py::test_retry_after_holds_back_the_other_calls_too",
            "pipeline/test_norce_in_trouble.py::test_the_newest_state_wins_while_norce_is_away",
        ),
    ),
    10: Fault(
        "Norce hangs, trickles, resets in mid-body",
        (
            "clients/test_faults.py::test_a_call_survives_a_fault",
            "clients/test_faults.py::test_the_time_limit_is_for_the_whole_answer",
            "clients/test_breaker.py::test_it_opens_after_so_many_failures_in_a_row",
            "pipeline/test_norce_in_trouble.py::test_while_connect_is_away_checkout_goes_on_and_connect_gets_everything_later",
        ),
    ),
    11: Fault(
        "Norce took an update, its answer was lost",
        ("pipeline/test_norce_in_trouble.py::test_an_update_whose_answer_was_lost_stands_once",),
    ),
    12: Fault(
        "token expired, token endpoint at its limit, many workers start at once",
        (
            "clients/test_identity.py::test_thirty_workers_behind_one_address_get_through_norces_limit",
            "clients/test_identity.py::test_a_hundred_callers_at_once_cost_one_request",
            "pipeline/test_norce_in_trouble.py::test_an_expired_token_is_renewed_once_and_no_update_is_lost",
        ),
    ),
    13: Fault(
        "bad bodies",
        (
            "webhook/test_bad_bodies.py::test_a_bad_body_is_answered_200_and_kept_with_its_reason",
            "webhook/test_bad_bodies.py::test_any_bytes_are_answered_200_and_are_on_kafka",
            "events/test_parse.py::test_any_bytes_are_either_taken_or_refused_with_a_reason",
        ),
    ),
    14: Fault(
        "huge and compressed bodies, slow uploads, ten thousand headers",
        (
            "webhook/test_limits.py::test_a_larger_body_is_answered_413",
            "webhook/test_limits.py::test_a_body_that_trickles_is_answered_408_all_the_same",
            "webhook/test_limits.py::test_ten_thousand_headers_are_refused",
            "webhook/test_limits.py::test_abuse_does_not_make_the_connector_grow",
            "webhook/test_bad_bodies.py::test_a_compressed_body_is_kept_as_it_came_and_never_unpacked",
        ),
    ),
    15: Fault(
        "redeliveries, twins, a twin 22 hours later",
        (
            "simulator/test_posting.py::test_a_failing_event_is_posted_seventeen_times_over_22_hours_and_4_minutes_and_then_dies",
            "domain/test_occurrences.py::test_a_fact_that_happens_once_happened_once_whenever_it_is_delivered_again",
            "domain/test_occurrences.py::test_two_partial_deliveries_with_the_same_body_are_two",
        ),
    ),
    16: Fault(
        "every permutation of life-cycle events",
        ("domain/test_state.py::test_all_permutations_of_six_life_cycle_events_end_in_one_state",),
    ),
    17: Fault(
        "an event that makes a reducer raise: its key is parked",
        (
            "dead_letters/test_process.py::test_a_poison_event_parks_its_key_others_flow_and_release_replays_in_order",
            "dead_letters/test_process.py::test_a_worker_killed_in_the_middle_of_a_release_goes_on_where_it_was",
            "dead_letters/test_process.py::test_too_many_failures_stop_the_worker_with_nothing_committed_past_them",
            "agents/test_parking.py::test_the_events_before_the_poison_one_are_folded_and_those_after_it_wait_in_order",
        ),
    ),
    18: Fault(
        "state corrupted, volume lost, disk full",
        (
            "faults/test_state_lost.py::test_a_worker_rebuilds_state_that_was_corrupted_or_lost",
            "engine/test_store.py::test_a_table_file_that_was_cut_short_is_noticed_when_the_state_is_opened",
            "engine/test_store.py::test_damage_that_only_reading_shows_stops_the_worker_once_and_not_at_every_restart",
            "engine/test_store.py::test_a_disk_that_is_full_is_a_named_error_and_what_was_written_stays",
        ),
    ),
    19: Fault(
        "clocks jump ten minutes back and forth",
        (
            "faults/test_clocks.py::test_clocks_that_jump_ten_minutes_back_and_forth_change_nothing",
            "simulation/test_simulation.py::test_the_promises_hold_in_simulated_histories_with_deaths_and_rebalances",
        ),
    ),
    20: Fault(
        "ten times the load that can be sustained",
        ("faults/test_overload.py::test_ten_times_what_can_be_taken_is_told_503_in_time_and_the_rest_is_joined",),
    ),
    21: Fault(
        "Norce adds, retypes, drops a field",
        (
            "drift/test_process.py::test_drift_in_any_partition_and_in_quarantine_is_one_report_per_shape",
            "drift/test_deviations.py::test_a_retyped_field_is_drift_with_the_wider_type",
            "events/test_parse.py::test_an_unknown_field_is_kept",
        ),
    ),
    22: Fault(
        "ten rolling restarts under load",
        (
            "faults/test_rolling_restarts.py::test_a_rollout_under_load_fails_no_request_and_loses_nothing",
            "faults/test_rolling_restarts.py::test_ten_rollouts_under_load_fail_no_request_and_lose_nothing",
        ),
    ),
    23: Fault(
        "webhook secret rotated",
        (
            "webhook/test_authentication.py::test_rotating_the_secret_fails_no_request",
            "webhook/test_authentication.py::test_a_secret_is_compared_with_all_valid_ones_whatever_the_first_says",
        ),
    ),
    24: Fault(
        "a soak with random kills",
        ("faults/test_soak.py::test_a_short_soak_with_random_kills_ends_balanced_and_flat",),
    ),
    25: Fault(
        "Norce gave up on events: reconciliation repairs every order",
        (
            "reconciliation/test_sweep.py::test_one_per_cent_of_a_hundred_thousand_events_dropped_leaves_no_difference_after_a_sweep",
            "reconciliation/test_sweep.py::test_every_order_is_as_in_norce_after_one_sweep_and_a_second_one_finds_nothing",
            "reconciliation/test_compare.py::test_whatever_was_dropped_the_derived_events_lead_to_norces_state",
        ),
    ),
}


def numbers_of(path: str, function: str) -> list[int]:
    """The faults that a test is about; ``path`` is below ``tests/``."""
    return [number for number, fault in FAULTS.items() if f"{path}::{function}" in fault.tests]
