"""What a campaign's report says: question, answer and decision of each step, the recipe, and what it took."""

from collections.abc import Sequence
from typing import Any

import yaml

from search.analysis import account, evidence, quantities, wording
from search.analysis.axes import words
from search.analysis.evidence import Table
from search.analysis.note import progress as study_progress
from search.analysis.searched import written
from search.analysis.standing import judged_by
from search.campaigns.progress import Progress, StepProgress
from search.store.records import TrialRecord
from search.study import StudyDefinition
from search.study.campaign import Step, section_of


def summary(now: Progress) -> list[str]:
    """How far the campaign is, what it has established, and what its last configuration reaches."""
    decided = [each for each in now.steps if each.decision]
    steps = quantities.counted(len(now.steps), "step")
    lead = f"All {steps} are done" if len(decided) == len(now.steps) else f"{len(decided)} of {steps} are done"
    return [f"{lead}. {_found(decided)}".strip(), *_state(now), *_reached(decided)]


def caveats(now: Progress) -> list[str]:
    """What a reader must know of the recipe as a whole."""
    found = [each.found for each in now.steps if each.found]
    read = [results for results in found if results.readings]
    sentences = []
    if read:
        times = sum(len(results.readings) for results in read)
        split = judged_by(read[0]).split
        sentences.append(
            f"The {split} split was read {times:,} times, in {quantities.counted(len(read), 'step')}, and the "
            "campaign went on by what it showed. So what the last steps reach on it is too high, and nobody knows "
            "by how much: judge the recipe on data that no step has read."
        )
    if len(now.steps) > 1:
        sentences.append(
            "Each step holds the others' values fixed: what only two values together would gain is not found, "
            "unless one step searches both."
        )
    return sentences


def step(each: StepProgress) -> dict[str, Any]:
    """One entry of the diary."""
    return {
        "number": each.step.number,
        "name": each.step.name,
        "study": each.step.study,
        "question": each.definition.question if each.definition else each.step.sections["question"],
        "progress": study_progress(each.found) if each.found else "It has not begun.",
        "answer": each.conclusion and each.conclusion.answer,
        "decision": each.decision.sentence if each.decision else each.stopped,
        "levels": evidence.levels(each.found, each.conclusion) if each.found and each.conclusion else None,
        "link": f"../{each.step.study}/report" if each.found else None,
    }


def recipe(now: Progress) -> Table:
    """Every value that the campaign has fixed, and where it comes from."""
    rows = [
        (words(name), written(setting.value), setting.step.name if setting.step else "the campaign's start", why)
        for name, setting in now.recipe.items()
        for why in [_why(now, name, setting.step)]
    ]
    return Table(("setting", "value", "from step", "because"), tuple(rows))


def rest(now: Progress) -> tuple[str, Table]:
    """The name of the last step with a study, and the settings of it that the campaign does not fix."""
    last = _last_study(now)
    if last is None:
        return "", Table(("setting", "value"), ())
    name, study = last
    rows = [(words(key), written(value)) for key, value in _settings(study).items() if key not in now.recipe]
    return name, Table(("setting", "value"), tuple(rows))


def recipe_yaml(now: Progress) -> str:
    """The recipe as the sections model and training of a study file."""
    values = {name: setting.value for name, setting in now.recipe.items()}
    last = _last_study(now)
    settings = (_settings(last[1]) if last else {}) | values
    model = {"name": settings.pop("model", None)}
    sections: dict[str, dict[str, Any]] = {"model": model, "training": {}}
    for name, value in settings.items():
        sections[section_of(name)][name] = value
    text: str = yaml.safe_dump(sections, sort_keys=False, allow_unicode=True, width=110)
    return text


def spent(now: Progress) -> Table:
    """What each step took, and all of them together."""
    begun = [(each.step.name, each.found) for each in now.steps if each.found]
    rows = [_spent(name, results.records, len(results.readings)) for name, results in begun]
    records = [record for _, results in begun for record in results.records]
    rows.append(_spent("all", records, sum(len(results.readings) for _, results in begun)))
    return Table(
        ("step", "trials", "fresh runs", "epochs", "device time", "readings of the test split"), tuple(rows)
    )


def command(now: Progress) -> str:
    """The command that launches the campaign."""
    campaign = now.campaign
    preset = f" --preset {campaign.preset}" if campaign.preset else ""
    name = f" --name {campaign.name}" if campaign.is_renamed else ""
    return f"search campaign launch {campaign.source}{preset}{name}"


def _found(decided: Sequence[StepProgress]) -> str:
    shown = [each.step.name for each in decided if each.decision and each.decision.reason == "established"]
    not_shown = [
        each.step.name for each in decided if each.decision and each.decision.reason in ("kept", "simplest")
    ]
    sentences = []
    if shown:
        sentences.append(f"A difference was established in {wording.listed(shown)}.")
    if not_shown:
        sentences.append(
            f"None was in {wording.listed(not_shown)}." if shown else "No difference was established."
        )
    return " ".join(sentences)


def _state(now: Progress) -> list[str]:
    pending = now.next
    if pending is None:
        return []
    if pending.stopped:
        return [f"It can't go on: {pending.stopped}"]
    state = "has not begun" if pending.found is None else f"is in its stage {pending.found.row.stage}"
    return [f"The next step, {pending.step.name}, {state}."]


def _reached(decided: Sequence[StepProgress]) -> list[str]:
    for each in reversed(decided):
        assert each.found and each.conclusion and each.decision
        taken = next(level for level in each.conclusion.levels if level.name == each.decision.level)
        if taken.confirmed and taken.confirmed.judged:
            result = wording.result(judged_by(each.found), taken.confirmed.judged)
            return [f"The configuration that step {each.step.name} took has {result}."]
    return []


def _why(now: Progress, name: str, step: Step | None) -> str:
    if step is None:
        asking = [each.step.name for each in now.steps if each.decision is None and name in each.step.carry]
        return f"step {asking[0]} is to ask about it" if asking else "no step asks about it"
    each = now.steps[step.number - 1]
    assert each.definition and each.decision
    if each.definition.space[name].role == "nuisance":
        return "tuned along"
    return {
        "established": "established",
        "kept": "no difference: the value it had",
        "simplest": "no difference: the simplest",
        "only": "the only one with fresh runs",
    }[each.decision.reason]


def _last_study(now: Progress) -> tuple[str, StudyDefinition] | None:
    return next(
        ((each.step.name, each.definition) for each in reversed(now.steps) if each.definition and each.found), None
    )


def _settings(study: StudyDefinition) -> dict[str, Any]:
    return {"model": study.model.name, **study.model.arguments, **study.training.model_dump(mode="json")}


def _spent(name: str, records: Sequence[TrialRecord], readings: int) -> tuple[str, ...]:
    return (
        name,
        f"{sum(record.stage == 'search' for record in records):,}",
        f"{sum(record.stage == 'confirm' for record in records):,}",
        f"{sum(len(record.curve) for record in records):,}",
        quantities.hours(account.seconds(records)),
        f"{readings:,}",
    )
