"""`search campaign launch`: trains the steps of a campaign one after the other."""

from search.campaigns import progress, report
from search.campaigns.progress import StepProgress
from search.errors import CampaignStopped
from search.launch import launch as launch_study
from search.settings import Settings
from search.store.connection import open_store
from search.study.campaign import Campaign


def launch(campaign: Campaign, settings: Settings, *, workers: int | None) -> int:
    """Goes on with the campaign where it is, and returns the exit code.

    workers: as in `search.launch.launch`; with 0 only the next step is registered, for workers that are elsewhere.

    Raises CampaignConflict where a step was registered as another study, CampaignStopped where one has found
    nothing to go on from, and what launching a study raises.
    """
    store = open_store(settings)
    told = 0
    now = store.run(lambda connection: progress.read(connection, campaign))
    while True:
        for each in now.steps[told:]:
            if each.decision:
                print(_decided(each, of=len(now.steps)), flush=True)
                told = each.step.number
        pending = now.next
        if pending is None:
            print(f"all steps are done; the report: {report.write(store, campaign, settings.results)[0]}")
            return 0
        if pending.stopped:
            raise CampaignStopped(pending.stopped)
        assert pending.definition is not None  # every step before it is decided
        print(f"{_numbered(pending, of=len(now.steps))}: {pending.definition.question}", flush=True)
        code = launch_study(pending.definition, settings, workers=workers, ray=None)
        if code:
            return code
        now = store.run(lambda connection: progress.read(connection, campaign))
        after = now.steps[pending.step.number - 1]
        if not (after.decision or after.stopped):
            print(f"step {pending.step.name} is to be done first; then the same command goes on")
            return 0


def _decided(each: StepProgress, *, of: int) -> str:
    assert each.definition and each.conclusion and each.decision
    lines = [
        f"{_numbered(each, of=of)}: {each.definition.question}",
        f"  answer    {each.conclusion.answer}",
        f"  decision  {each.decision.sentence}",
    ]
    return "\n".join(lines)


def _numbered(each: StepProgress, *, of: int) -> str:
    return f"step {each.step.number} of {of}, {each.step.name}"
