"""What a reader of a conclusion must know, as sentences."""

from collections import Counter
from collections.abc import Sequence

from search.analysis import wording
from search.analysis.entrants import Judged
from search.analysis.findings import Level
from search.analysis.results import Results
from search.analysis.standing import is_settled

_FEW_GROUPS = 10


def caveats(results: Results, levels: Sequence[Level], judged: Judged) -> tuple[str, ...]:
    """The weightiest first."""
    if results.row.context.origin:
        return tuple(_of_an_import(results, levels, judged))
    return (
        *_of_the_judge(results, judged),
        *_of_the_runs(results, levels),
        *_of_the_choice(results, levels),
        *_of_the_readings(results, judged),
    )


def _of_an_import(results: Results, levels: Sequence[Level], judged: Judged) -> list[str]:
    origin = results.row.context.origin
    assert origin is not None
    found = list(origin.notes)
    runs = [len(run.tickets) for level in levels for run in level.configurations]
    if runs and min(runs) == 1:
        how_many = "Every value is" if max(runs) == 1 else f"{runs.count(1)} of {len(runs)} values are"
        found.append(f"{how_many} of a single run, so that nothing is known of the luck of the seed.")
    found.append(f"These results were not made here; they come from {origin.source}.")
    if judged.split == "test":
        found.append("They were chosen and judged on the test split, so the best of them is too high.")
    if judged.items is None:
        found.append("How many images judged them is not known, so nothing is known of the luck of the images.")
    return found


def _of_the_judge(results: Results, judged: Judged) -> list[str]:
    found = []
    if judged.split == "validation":
        found.append(
            "The data set has no test split: the validation split, which chose epochs and configurations, judges "
            "them too, so the values are too high; differences suffer less."
        )
    if judged.groups is not None and judged.groups < _FEW_GROUPS:
        found.append(f"The images are of {judged.groups} subjects or sequences only, who may not be like others.")
    if not results.confirmed and results.definition.confirm.seeds == 0 and is_settled(results):
        found.append("No configuration was run again with fresh seeds: confirm.seeds is 0.")
    return found


def _of_the_runs(results: Results, levels: Sequence[Level]) -> list[str]:
    found = []
    confirmed = [run for level in levels for run in level.configurations]
    if any(len(run.tickets) == 1 for run in confirmed) and is_settled(results):
        found.append("Of single runs nothing is known of the luck of the seed: no difference is claimed of them.")
    if failed := sum(run.failed for run in confirmed):
        found.append(
            f"{failed} of {len(results.confirmed)} fresh runs diverged or failed, and the means are without them."
        )
    unseen = sum(ticket not in results.predictions for run in confirmed for ticket in run.tickets)
    if unseen and is_settled(results):
        found.append(
            f"{unseen} of the models never read the split that judges: their runs count for the choice alone."
        )
    if results.row.state == "stopped" and not results.row.is_done:
        found.append("The study was stopped before its end; this is what there was.")
    if _looked_twice(results):
        found.append(
            "Some fresh runs began after the test split had been read: whoever adds seeds until a difference "
            "shows finds one too often, and the p-values do not know of it."
        )
    return found


def _looked_twice(results: Results) -> bool:
    first = min((reading.at for reading in results.readings), default=None)
    starts = [record.started_at for record in results.confirmed if record.started_at is not None]
    return first is not None and any(start > first for start in starts)


def _of_the_choice(results: Results, levels: Sequence[Level]) -> list[str]:
    found = []
    pruned = {record.ticket for record in results.searched if record.state == "pruned"}
    sources = {record.ticket: record.source for record in results.confirmed}
    if any(level.configurations for level in levels):
        unconfirmed = [level for level in levels if not level.configurations]
        left = [wording.spoken(level.values) for level in unconfirmed if level.best is not None]
        if left:
            best = len(levels) - len(unconfirmed)
            found.append(
                f"Only the best {best} values were run again (confirm.values); nothing is established of "
                f"{wording.listed(left)}."
            )
        if hopeless := [wording.spoken(level.values) for level in unconfirmed if level.best is None]:
            found.append(f"No trial of {wording.listed(hopeless)} came to the end of an epoch.")
    for level in levels:
        if level.confirmed and any(sources.get(ticket) in pruned for ticket in level.confirmed.tickets):
            name = wording.spoken(level.values) or level.name
            found.append(f"Every search trial of {name} was stopped early, so its best one is less sure.")
    return found


def _of_the_readings(results: Results, judged: Judged) -> list[str]:
    if not results.readings:
        return []
    times = Counter(reading.ticket for reading in results.readings)
    read = f"The {judged.split} split was read {len(results.readings)} times"
    if len(times) == len(results.readings):
        return [f"{read}, once by each of {len(times)} models."]
    return [f"{read} by {len(times)} models: an attempt that was lost, or is under way, counts too."]
