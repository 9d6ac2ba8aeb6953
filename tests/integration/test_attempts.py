"""Attempts at tickets, as the store tells them."""

import uuid
from functools import partial

from search.store import studies, tickets
from search.store.attempts import attempts
from search.store.connection import Store
from search.store.studies import distributions
from search.store.tickets import Lease
from tests.make_figure_results import study


def test_every_attempt_has_its_worker_its_times_and_its_outcome(store: Store) -> None:
    definition = study(budget={"trials": 2})
    study_id = store.run(
        lambda c: studies.register(
            c, definition, data_fingerprint="pixels", validation_items=100, code_version="0.1.0"
        )
    )

    def claim(worker: str) -> Lease:
        key = uuid.uuid4().hex
        lease = store.run(partial(tickets.claim, worker=worker, claim=key, lease=60.0, release=(0, 1, 0)))
        assert lease is not None
        parameters = lease.parameters
        assert parameters is not None
        store.run(lambda c: tickets.begin(c, lease, parameters, distributions(definition)))
        return lease

    first = claim("host-1")
    store.run(lambda c: tickets.finish(c, first, "pruned", value=None, reason="the loss is not finite"))
    claim("host-2")
    ended, running = store.run(lambda c: attempts(c, study_id))
    assert (ended.ticket, ended.stage, ended.number, ended.worker) == (0, "search", 1, "host-1")
    assert ended.ended_at is not None
    assert ended.started_at <= ended.ended_at <= running.started_at
    assert (ended.outcome, ended.is_infeasible) == ("pruned", True)
    assert (running.ticket, running.worker, running.ended_at, running.outcome) == (1, "host-2", None, None)
    assert not running.is_infeasible
