"""How a campaign looks on a terminal, and to scripts."""

from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from search.analysis.axes import shown
from search.campaigns.progress import Progress, StepProgress


def table(progress: Progress) -> RenderableType:
    """Each step with its study, its state, what it has found and what was decided; then what is fixed by now."""
    steps = Table("step", "state", "study, answer, decision", box=None, pad_edge=False)
    for each in progress.steps:
        lines = [each.step.study, *_said(each)]
        steps.add_row(Text(f"{each.step.number} {each.step.name}"), each.state, Text("\n".join(lines)))
    recipe = Table("fixed by now", "value", "since", box=None, pad_edge=False)
    for name, setting in progress.recipe.items():
        recipe.add_row(
            Text(name), Text(shown(setting.value)), Text(setting.step.name if setting.step else "the start")
        )
    return Group(Text(f"{progress.campaign.name}: {progress.campaign.question}\n"), steps, Text(), recipe)


def plain(progress: Progress) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "campaign": progress.campaign.name,
        "question": progress.campaign.question,
        "steps": [
            {
                "step": each.step.name,
                "study": each.step.study,
                "state": each.state,
                "question": each.definition and each.definition.question,
                "answer": each.conclusion and each.conclusion.answer,
                "decision": each.decision and asdict(each.decision),
                "stopped": each.stopped,
            }
            for each in progress.steps
        ],
        "recipe": {
            name: {"value": setting.value, "step": setting.step and setting.step.name}
            for name, setting in progress.recipe.items()
        },
    }


def _said(each: StepProgress) -> list[str]:
    answer = [each.conclusion.answer] if each.conclusion else []
    return [
        *answer,
        *([each.decision.sentence] if each.decision else []),
        *([each.stopped] if each.stopped else []),
    ]
