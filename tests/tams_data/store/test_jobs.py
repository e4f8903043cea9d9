"""Jobs take their steps until nothing is left, wait longer after each failure, and end when they are told to."""

from __future__ import annotations

import threading
import time

import pytest

from tams_data.store.jobs import LONGEST_S, LOOK_S, Job, Jobs, wait_s
from tests.api.process import wait_until


def soon(condition) -> None:
    """Wait for what another thread does."""
    wait_until(condition, within_s=20, failing=lambda: "it does not happen")


def test_a_step_is_taken_until_it_has_no_more():
    left = [True, True, False, True]
    Job("test", lambda: left.pop(0)).run()
    assert left == [True]


def test_jobs_are_run_in_their_order():
    taken = []
    jobs = Jobs(Job("a", lambda: bool(taken.append("a"))), Job("b", lambda: bool(taken.append("b"))))
    jobs.run_due()
    assert taken == ["a", "b"]


def test_a_step_that_fails_is_logged_and_taken_again_later(caplog):
    outcomes = [ValueError("no"), ValueError("no"), None]

    def step() -> bool:
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome
        return False

    job = Job("test", step)
    job.run()
    job.run()
    assert job.failures == 2
    assert [record.message for record in caplog.records] == [
        "test failed, for the 1. time in a row",
        "test failed, for the 2. time in a row",
    ]
    job.run()
    assert job.failures == 0


def test_the_wait_grows_with_failures_up_to_a_limit():
    waits = [wait_s(failures) for failures in range(1, 40)]
    assert waits == sorted(waits)
    assert (wait_s(0), waits[0], waits[-1]) == (LOOK_S, 1, LONGEST_S)


def test_a_job_that_is_woken_does_not_wait():
    taken = threading.Semaphore(0)
    job = Job("test", lambda: bool(taken.release()), wait_s=lambda _: 60.0)
    job.start()
    assert taken.acquire(timeout=10)
    for _ in range(3):
        job.wake()
        assert taken.acquire(timeout=10)
    job.close()


def test_a_job_looks_by_itself():
    taken = threading.Semaphore(0)
    job = Job("test", lambda: bool(taken.release()), wait_s=lambda _: 0.01)
    job.start()
    for _ in range(3):
        assert taken.acquire(timeout=10)
    job.close()


def test_waking_does_not_cut_the_wait_after_a_failure_short():
    attempts = []

    def step() -> bool:
        attempts.append(time.monotonic())
        raise ValueError("no")

    job = Job("test", step, wait_s=lambda _: 60.0)
    job.start()
    soon(lambda: len(attempts) == 1)
    for _ in range(20):
        job.wake()
        time.sleep(0.005)
    assert len(attempts) == 1
    job.close()


@pytest.mark.parametrize("failing", [False, True])
def test_closing_ends_the_wait(failing):
    def step() -> bool:
        if failing:
            raise ValueError("no")
        return False

    job = Job("test", step, wait_s=lambda _: 60.0)
    job.start()
    began = time.monotonic()
    job.close()
    job.close()
    assert time.monotonic() - began < 10
    job.run()


def test_a_step_is_not_taken_twice_at_once():
    inside, most = [], []

    def step() -> bool:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.002)
        inside.pop()
        return len(most) < 20

    job = Job("test", step, wait_s=lambda _: 0.001)
    job.start()
    job.run()
    job.close()
    assert max(most) == 1


def test_a_job_tells_how_it_fares():
    outcomes = [None, ValueError("no"), ValueError("no way")]
    states = []

    def step() -> bool:
        states.append(job.state())
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome
        return False

    job = Job("test", step)
    assert (job.state().started, job.state().steps, job.state().done_ns) == (False, 0, None)
    job.run()
    assert states[0].since_ns is not None
    succeeded = job.state()
    assert (succeeded.steps, succeeded.failures, succeeded.error, succeeded.since_ns) == (1, 0, None, None)
    job.run()
    job.run()
    failed = job.state()
    assert (failed.steps, failed.failed_steps, failed.failures, failed.error) == (3, 2, 2, "ValueError: no way")
    assert failed.done_ns == succeeded.done_ns


def test_only_the_jobs_that_are_named_are_started():
    jobs = Jobs(*(Job(name, lambda: False, wait_s=lambda _: 60.0) for name in ("a", "b")))
    jobs.start("b")
    assert [(one.name, one.started) for one in jobs.states()] == [("a", False), ("b", True)]
    jobs.close()
