"""The commands of campaigns."""

from argparse import Namespace

from search import console
from search.campaigns import progress, run
from search.campaigns import report as reporting
from search.campaigns import status as telling
from search.settings import Settings
from search.store.connection import open_store
from search.study.campaign import Campaign, renamed
from search.study.campaign_file import load_campaign


def launch(arguments: Namespace, settings: Settings) -> int:
    return run.launch(_campaign(arguments, root=arguments.root), settings, workers=arguments.workers)


def status(arguments: Namespace, settings: Settings) -> int:
    campaign = _campaign(arguments)
    now = open_store(settings).run(lambda connection: progress.read(connection, campaign))
    if arguments.json:
        console.show_json(telling.plain(now))
    else:
        console.show(telling.table(now))
    return 0


def report(arguments: Namespace, settings: Settings) -> int:
    for file in reporting.write(open_store(settings), _campaign(arguments), settings.results):
        print(file)
    return 0


def _campaign(arguments: Namespace, root: str | None = None) -> Campaign:
    campaign = load_campaign(arguments.campaign, preset=arguments.preset, root=root)
    return renamed(campaign, arguments.name) if arguments.name else campaign
