"""`search campaign report`: the campaign as a diary, on a web page and in Markdown."""

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from search import __version__
from search.analysis import markdown, quantities, web
from search.campaigns import diary, progress
from search.campaigns.progress import Progress
from search.places import open_place, written_into
from search.store.connection import Store
from search.study.campaign import Campaign

SUFFIX = ".campaign"  # of the folder; no study's name holds a dot


def write(store: Store, campaign: Campaign, place: str) -> list[str]:
    """Writes report.html and report.md to `place`/NAME.campaign, beside the reports of its studies.

    place: a folder or a URL. Returns the files written. Raises CampaignConflict, PlaceError.
    """
    now = store.run(lambda connection: progress.read(connection, campaign))
    return written_into(open_place(place) / f"{campaign.name}{SUFFIX}", partial(_write, now))


def _write(now: Progress, folder: Path) -> None:
    rest_of, rest = diary.rest(now)
    facts = {
        "name": now.campaign.name,
        "question": now.campaign.question,
        "summary": diary.summary(now),
        "caveats": diary.caveats(now),
        "steps": [diary.step(each) for each in now.steps],
        "recipe_title": "The recipe so far" if now.next else "The recipe",
        "recipe": diary.recipe(now),
        "rest": rest,
        "rest_of": rest_of,
        "recipe_yaml": diary.recipe_yaml(now),
        "spent": diary.spent(now),
        "command": diary.command(now),
        "now": quantities.moment(datetime.now(UTC)),
        "version": __version__,
    }
    (folder / "report.html").write_text(web.page("campaign.html.j2", facts, {}), encoding="utf-8")
    (folder / "report.md").write_text(markdown.page("campaign.md.j2", facts), encoding="utf-8")
