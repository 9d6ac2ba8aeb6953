"""How far a campaign is: read from the store, which is all that is remembered of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from search.analysis import results
from search.analysis.conclusion import conclude
from search.analysis.findings import Conclusion
from search.analysis.results import Results
from search.campaigns.decision import Decision, decide
from search.errors import CampaignConflict, CampaignStopped
from search.store import studies
from search.store.records import StudyRow
from search.study import StudyDefinition
from search.study.campaign import Campaign, Step
from search.study.yaml_source import Scalar


@dataclass(frozen=True)
class StepProgress:
    """One step.

    definition: its study; None while steps before it are still to say what is fixed in it.
    found: what is known of its study; None before it is registered.
    conclusion: what the study has found so far. decision: what the campaign goes on with, once it is done.
    stopped: why the campaign can't go on from it.
    """

    step: Step
    definition: StudyDefinition | None = None
    found: Results | None = None
    conclusion: Conclusion | None = None
    decision: Decision | None = None
    stopped: str | None = None

    @property
    def state(self) -> str:
        """In one word: waiting, its study's stage or state, stuck where nothing came of it, or done."""
        if self.found is None:
            return "waiting"
        if self.found.row.is_done:
            return "done" if self.decision else "stuck" if self.stopped else "confirm"  # with more seeds
        return self.found.row.stage if self.found.row.state == "open" else self.found.row.state


@dataclass(frozen=True)
class Setting:
    """A value of the recipe. step: the one that found it; None where the campaign began with it."""

    value: Scalar
    step: Step | None


@dataclass(frozen=True)
class Progress:
    """A campaign and all of its steps. recipe: what is fixed by now, by name."""

    campaign: Campaign
    steps: tuple[StepProgress, ...]
    recipe: Mapping[str, Setting] = field(default_factory=dict)

    @property
    def next(self) -> StepProgress | None:
        """The first step without a decision."""
        return next((each for each in self.steps if each.decision is None), None)


def read(connection: Connection, campaign: Campaign) -> Progress:
    """How far the campaign is.

    Raises CampaignConflict where a step was registered as another study than the campaign now makes of it.
    """
    rows = {row.name: row for row in studies.everyone(connection)}
    recipe = {name: Setting(value, None) for name, value in campaign.values.items()}
    steps: list[StepProgress] = []
    for step in campaign.steps:
        if steps and steps[-1].decision is None:
            steps.append(StepProgress(step))
            continue
        steps.append(_step(connection, campaign, step, rows.get(step.study), recipe))
        if decision := steps[-1].decision:
            recipe |= {name: Setting(value, step) for name, value in decision.carried.items()}
    return Progress(campaign, tuple(steps), recipe)


def _step(
    connection: Connection,
    campaign: Campaign,
    step: Step,
    row: StudyRow | None,
    recipe: Mapping[str, Setting],
) -> StepProgress:
    values = {name: setting.value for name, setting in recipe.items()}
    definition = step.definition(values)
    if row is None:
        return StepProgress(step, definition)
    if row.definition.hash != definition.hash:
        raise CampaignConflict(_conflict(campaign, step, row.definition.differences(definition)))
    found = results.read(connection, row)
    conclusion = conclude(found)
    if not row.is_done or row.definition.confirm != definition.confirm:
        return StepProgress(step, definition, found, conclusion)
    try:
        decision = decide(step, definition, conclusion, values)
    except CampaignStopped as error:
        return StepProgress(step, definition, found, conclusion, stopped=str(error))
    return StepProgress(step, definition, found, conclusion, decision)


def _conflict(campaign: Campaign, step: Step, differences: list[str]) -> str:
    stem, _, version = campaign.name.partition("@")
    shown = "\n".join(f"  {line}" for line in differences)
    return (
        f"step {step.name} of campaign {campaign.name} is in the store as study {step.study}, and would now be "
        f"another:\n{shown}\nEither {campaign.file} or a study of it has changed, or what a step before it "
        "concludes. Take the change back, or begin anew under another name: "
        f"`--name {stem}@{int(version or 1) + 1}`."
    )
