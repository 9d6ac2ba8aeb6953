"""What must hold after a storm, whatever it did."""

from collections import Counter
from dataclasses import dataclass, field

from optuna.trial import FrozenTrial, TrialState

from benchmarks.chaos.plan import Kind
from benchmarks.chaos.service import Service
from benchmarks.chaos.side import Strike
from search.store.records import TrialRecord
from search.training.checkpoint import FAILURES

Key = tuple[str, int]

# Reported epochs that a fault may cost beside: that of the damaged checkpoint; those that found no room.
MAY_COST = {Kind.DAMAGE: 1, Kind.DISK_FULL: FAILURES}


ATTEMPTS = """
SELECT s.name, t.number, extract(epoch FROM a.claimed_at)::float8, a.resumed_from,
       coalesce((SELECT max(v.step) FROM trial_intermediate_values v
                 JOIN trials USING (trial_id)
                 JOIN trial_user_attributes ticket ON ticket.trial_id = v.trial_id AND ticket.key = 'ticket'
                 JOIN trial_user_attributes attempt ON attempt.trial_id = v.trial_id AND attempt.key = 'attempt'
                 WHERE trials.study_id = s.study_id AND ticket.value_json = t.number::text
                   AND attempt.value_json = a.attempt::text), 0)
FROM search_attempts a JOIN search_tickets t USING (ticket_id) JOIN search_studies s USING (study_id)
ORDER BY s.name, t.number, a.attempt
"""


@dataclass(frozen=True)
class Attempt:
    """One attempt at a ticket. resumed_from: the epochs it took over, None where it did not come to train."""

    claimed_at: float  # Unix time
    resumed_from: int | None
    reported: int  # its last epoch


@dataclass
class Finding:
    """One invariant, and what breaks it: configurations, or sentences where it is about none."""

    law: str
    broken_by: set[Key] = field(default_factory=set)
    sentences: list[str] = field(default_factory=list)

    @property
    def violations(self) -> int:
        return len(self.broken_by) + len(self.sentences)


def findings(service: Service, strikes: list[Strike]) -> list[Finding]:
    """Every invariant of the service, with its violations."""
    calm = service.calm()
    done = Finding("every ticket is done")
    equal = Finding("results equal those of a calm run")
    left = Finding("no lease and no running trial is left")
    once = Finding("no result is there twice")
    numbers = Finding("trial numbers have no gap")
    for name, records in service.stormy().items():
        trials = service.store.storage.get_all_trials(service.study(name).study_id)
        for record, expected in zip(records, calm, strict=True):
            key = (name, record.ticket)
            if record.state != "complete":
                done.broken_by.add(key)
            elif _result(record) != _result(expected):
                equal.broken_by.add(key)
            if record.state == "running":
                left.broken_by.add(key)
        left.broken_by |= {(name, _ticket(trial)) for trial in trials if not trial.state.is_finished()}
        complete = Counter(_ticket(trial) for trial in trials if trial.state == TrialState.COMPLETE)
        once.broken_by |= {(name, ticket) for ticket, times in complete.items() if times > 1}
        if [trial.number for trial in trials] != [*range(len(trials))]:
            numbers.sentences.append(f"{name}: {[trial.number for trial in trials]}")
    repeated = Finding("at most the epoch under way is trained again after a kill", _repeated(service, strikes))
    died = Finding(
        "no worker dies by itself", sentences=[str(death) for death in service.fleet.deaths_by_themselves]
    )
    return [done, left, once, repeated, equal, numbers, died]


def _result(record: TrialRecord) -> object:
    return record.ticket, record.parameters, record.value, record.epochs


def _ticket(trial: FrozenTrial) -> int:
    ticket: int = trial.user_attrs["ticket"]
    return ticket


def _repeated(service: Service, strikes: list[Strike]) -> set[Key]:
    """Tickets of which a reported epoch was trained again, beside those that their faults may cost.

    By the service's own account of where each attempt resumed, and by the durations of epochs: one that is trained
    again never takes the same time to the last digit.
    """
    costs: dict[Key, list[tuple[float, int]]] = {}
    for strike in strikes:
        for task in strike.tasks:
            costs.setdefault(task.key, []).append((strike.began, MAY_COST.get(strike.fault.kind, 0)))
    durations = _durations(service)
    broken = {key for key, attempts in _attempts(service).items() if _fell_back(attempts, costs.get(key, []))}
    for strike in strikes:
        for task in strike.tasks:
            now = durations.get(task.key, {})
            again = sum(now.get(epoch) != seconds for epoch, seconds in task.epochs.items())
            if again > sum(cost for _, cost in costs[task.key]):
                broken.add(task.key)
    return broken


def _fell_back(attempts: list[Attempt], costs: list[tuple[float, int]]) -> bool:
    """Whether an attempt resumed before the last epoch that one before it had reported."""
    had, since = 0, 0.0
    for attempt in attempts:
        if attempt.resumed_from is not None:
            allowed = sum(cost for at, cost in costs if since <= at <= attempt.claimed_at)
            if attempt.resumed_from < had - allowed:
                return True
            had, since = attempt.resumed_from, attempt.claimed_at
        had = max(had, attempt.reported)
    return False


def _attempts(service: Service) -> dict[Key, list[Attempt]]:
    """Each ticket's attempts, in their order."""
    attempts: dict[Key, list[Attempt]] = {}
    for name, number, *rest in service.postgres.execute(ATTEMPTS, database="search"):
        attempts.setdefault((name, number), []).append(Attempt(*rest))
    return attempts


def _durations(service: Service) -> dict[Key, dict[int, float]]:
    rows = service.postgres.execute(
        "SELECT s.name, t.number, e.epoch, e.seconds FROM search_epochs e "
        "JOIN search_tickets t USING (ticket_id) JOIN search_studies s USING (study_id)",
        database="search",
    )
    durations: dict[Key, dict[int, float]] = {}
    for name, number, epoch, seconds in rows:
        durations.setdefault((name, number), {})[epoch] = seconds
    return durations
