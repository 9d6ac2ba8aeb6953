"""What must hold after a storm, whatever it did."""

from collections import Counter
from dataclasses import dataclass, field

from optuna.trial import FrozenTrial, TrialState

from benchmarks.chaos.plan import Kind
from benchmarks.chaos.service import Service
from benchmarks.chaos.storm import Strike
from search.store.studies import TrialRecord

Key = tuple[str, int]

MAY_COST_AN_EPOCH = (Kind.DAMAGE, Kind.DISK_FULL)


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
    """Tickets of which an epoch was trained again that had been reported when a fault struck.

    An epoch trained again never takes the same time to the last digit, so its duration tells. A damaged or unsaved
    checkpoint costs the epoch that it was of.
    """
    broken = set()
    durations = _durations(service)
    for place, strike in enumerate(strikes):
        for task in strike.tasks:
            now = durations.get(task.key, {})
            again = sum(now.get(epoch) != seconds for epoch, seconds in task.epochs.items())
            allowed = sum(
                other.fault.kind in MAY_COST_AN_EPOCH and task.key in {each.key for each in other.tasks}
                for other in strikes[place:]
            )
            if again > allowed:
                broken.add(task.key)
    return broken


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
