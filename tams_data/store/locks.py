"""What writers in several processes must not decide at the same time.

Their transactions see snapshots, and conflict where they write one and the same row. A command whose rule rests on
rows that it only reads, or that are not there yet, therefore locks what the rule is about, by its name. Segments on
one flow need no lock: whoever adds or deletes some writes the flow's row of `flow_timelines`.
What takes longer than a transaction, as deleting bytes does, needs the right of `alone`.
"""

from __future__ import annotations


def of_flow(flow_id: str) -> str:
    """A flow: that it is there, what it collects, what is allocated for it."""
    return f"flow {flow_id}"


def of_source(source_id: str) -> str:
    """A source: that it is there, and whether it has flows."""
    return f"source {source_id}"


def of_object(object_id: str) -> str:
    """An object id: that it is taken, what refers to the object, and where its bytes are."""
    return f"object {object_id}"


def of_profile(profile_id: str) -> str:
    """A profile: that it is there."""
    return f"profile {profile_id}"


def of_job(name: str) -> str:
    """A job that walks through a table: whose turn the next step is."""
    return f"job {name}"


ACCESSES = "accesses"
"""How often objects were asked for: that an object has a row of `object_accesses` yet."""

SERVICE = "service"
"""What clients said of the service."""
