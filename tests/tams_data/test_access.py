"""What a caller may do follows from scopes and from classes, and nobody gives away what they do not have."""

from __future__ import annotations

import pytest

from tams_data.access import ANYONE, TAG, Caller, Scope, check, check_edit, group_names
from tams_data.errors import FlowNotFound, NotPermitted
from tams_data.schema import tag_term

ALL = frozenset({Scope.READ, Scope.WRITE, Scope.DELETE})
SPORT = Caller("sport", ALL, frozenset({"sport"}))
READER = Caller("reader", frozenset({Scope.READ, Scope.WRITE}), frozenset({"sport"}))
ADMIN = Caller("admin", frozenset({Scope.ADMIN}), frozenset({"sport"}))


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        pytest.param([], "", id="none"),
        pytest.param(["news"], "", id="another"),
        pytest.param(["sport_ro"], "r", id="to-read"),
        pytest.param(["sport_rw", "news"], "rw", id="to-write"),
        pytest.param(["sport"], "rwd", id="all"),
        pytest.param("sport", "rwd", id="a-text"),
        pytest.param(["sporting", "sport_", "Sport", "sport_rwx"], "", id="alike"),
    ],
)
def test_classes_let_members_of_a_group_read_write_and_delete(classes, expected):
    allowed = [one for one in (Scope.READ, Scope.WRITE, Scope.DELETE) if SPORT.may(one, {TAG: classes})]
    assert "".join(one.word[0] for one in allowed) == expected


@pytest.mark.parametrize("caller", [ANYONE, ADMIN, Caller("a", frozenset({Scope.READ}))])
def test_nothing_is_hidden_from_who_has_no_groups_or_is_an_admin(caller):
    assert not caller.is_restricted
    assert caller.may(Scope.READ, {})


def test_who_has_no_groups_left_sees_nothing():
    nobody = Caller("x", ALL, frozenset())
    assert nobody.is_restricted
    assert not nobody.may(Scope.READ, {TAG: [""]})
    assert nobody.terms(Scope.READ) == (0,)


def test_terms_are_those_that_rows_are_found_by():
    assert set(SPORT.terms(Scope.WRITE)) == {tag_term(TAG, "sport"), tag_term(TAG, "sport_rw")}
    many = Caller("x", ALL, frozenset(map(str, range(13))))
    assert isinstance(many.terms(Scope.DELETE), list)
    assert SPORT.seen_by == (SPORT.terms(Scope.READ), SPORT.terms(Scope.DELETE), "sport")


@pytest.mark.parametrize(
    ("tags", "error"),
    [({TAG: ["news"]}, FlowNotFound), ({}, FlowNotFound), ({TAG: ["sport_ro"]}, NotPermitted)],
)
def test_what_may_not_even_be_read_is_not_there(tags, error):
    with pytest.raises(error):
        check(SPORT, Scope.WRITE, tags, FlowNotFound("no flow x"))


@pytest.mark.parametrize(
    ("caller", "before", "after", "allowed"),
    [
        pytest.param(SPORT, ["sport"], ["sport", "news"], True, id="gives-what-it-has"),
        pytest.param(SPORT, ["sport"], [], True, id="takes-what-it-has"),
        pytest.param(SPORT, ["sport_rw"], ["sport_rw", "news_ro"], True, id="lets-read-what-it-reads"),
        pytest.param(SPORT, ["sport_rw"], ["sport_rw", "news"], False, id="lets-delete-what-it-does-not"),
        pytest.param(SPORT, ["sport_rw"], ["sport"], False, id="lets-itself-delete"),
        pytest.param(SPORT, ["sport_rw", "news"], ["sport_rw"], False, id="takes-what-it-has-not"),
        pytest.param(READER, ["sport"], ["sport", "news_rw"], True, id="as-far-as-its-scopes"),
        pytest.param(READER, ["sport"], ["sport", "news"], False, id="no-further-than-its-scopes"),
        pytest.param(SPORT, ["news"], ["news"], True, id="changes-nothing"),
        pytest.param(ADMIN, ["news"], ["drama"], True, id="admin"),
        pytest.param(Caller("w", frozenset({Scope.WRITE})), [], ["news_rw"], False, id="by-scope-alone"),
    ],
)
def test_classes_are_changed_by_who_has_the_permissions_they_give(caller, before, after, allowed):
    if allowed:
        check_edit(caller, {TAG: before}, {TAG: after})
    else:
        with pytest.raises(NotPermitted):
            check_edit(caller, {TAG: before}, {TAG: after})


def test_names_of_groups_are_never_those_of_classes_of_another():
    assert group_names(["sport", "sport_ro", "sport_rw", "", 7, None, "sport_rod"]) == {"sport", "sport_rod"}
