"""Every command of a store has a guard, or is refused to who sees a part of it."""

from __future__ import annotations

import inspect

import pytest

from tams_data.access import Caller, Scope
from tams_data.errors import NotPermitted
from tams_data.store import seen
from tams_data.store.guards import GUARDS
from tams_data.store.seen import seen_by
from tams_data.store.service import DescribeService
from tams_data.store.store import Store

ADMIN = Caller("admin", frozenset({Scope.ADMIN}), frozenset({"a"}))
MEMBER = Caller("member", frozenset({Scope.WRITE}), frozenset({"a"}))


def test_who_may_do_everything_has_the_store_itself(store):
    assert seen_by(store, ADMIN) is store


def test_a_command_without_a_guard_is_refused(store):
    assert DescribeService not in GUARDS
    with pytest.raises(NotPermitted, match="of the whole store"):
        seen_by(store, MEMBER).describe_service({"name": "x"})
    store.describe_service({"name": "x"})


def test_a_store_that_is_seen_in_part_has_every_command_and_no_other_way_to_write():
    assert {name for name, _ in inspect.getmembers(seen.SeenStore, inspect.isfunction)} == {
        name for name, _ in inspect.getmembers(Store, inspect.isfunction)
    }


def test_closing_what_a_caller_sees_closes_nothing(store):
    seen_by(store, MEMBER).close()
    assert set(store.check().values()) == {None}
    assert set(seen_by(store, MEMBER).check().values()) == {None}
