"""The dashboard, and commands that look after the database: all that the dashboard's image needs."""

from argparse import Namespace

from sqlalchemy import make_url

from search import console
from search.analysis import dashboard as dashboard_server
from search.settings import Settings
from search.store import embedded, schema
from search.store.connection import open_store, store_url


def dashboard(arguments: Namespace, settings: Settings) -> int:
    open_store(settings).close()  # an empty database gets its tables, which the dashboard needs
    file = arguments.password_file or settings.dashboard_password_file
    dashboard_server.serve(
        store_url(settings),
        settings.results,
        host=arguments.host,
        port=arguments.port,
        password=dashboard_server.read_password(file) if file else None,
        names=settings.dashboard_names,
    )
    return 0


def store_migrate(arguments: Namespace, settings: Settings) -> int:
    url = store_url(settings)
    schema.migrate(url)
    print(f"the store's schema is version {schema.versions(url)[1]}")
    return 0


def store_status(arguments: Namespace, settings: Settings) -> int:
    url = store_url(settings)
    installed, wanted = schema.versions(url)
    facts = {
        "server": "named by SEARCH_STORE" if settings.store else f"embedded, in {settings.home / 'postgres'}",
        "url": make_url(url).render_as_string(hide_password=True),
        "schema": installed,
        "wanted_schema": wanted,
    }
    if arguments.json:
        console.show_json(facts)
    else:
        console.show(console.fact_table(facts))
    return 0


def store_stop(arguments: Namespace, settings: Settings) -> int:
    stopped = embedded.stop(settings.home / "postgres")
    print("the embedded server is stopped" if stopped else "no embedded server runs")
    return 0
