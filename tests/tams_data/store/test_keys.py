"""The keys of objects."""

from __future__ import annotations

import pytest

from tams_data.errors import StoreUnavailable
from tams_data.store.keys import BLOCK, KeySequence
from tests import vast_engine
from tests.vast_emulator.faults import Fault


def test_keys_go_on_after_a_block_of_them_could_not_be_taken():
    database, emulator = vast_engine.database(), vast_engine.emulator()
    database.create_tables()
    new_key = KeySequence.of(database)
    emulator.faults.add(Fault("lost_answer", on="begin"))
    with pytest.raises(StoreUnavailable):
        new_key()
    assert [new_key() for _ in range(BLOCK + 2)] == list(range(1, BLOCK + 3))
    database.close()
