"""Metrics, scraped over HTTP and read as Prometheus reads them."""

import socket
import time
from collections.abc import Iterator
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from search import __version__
from search.errors import SearchError
from search.worker.metrics import Metrics

HOSTILE = 'a"b\\c\nsearch_trials_ended_total{study="forged"} 99\n{}<script>é'

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    metrics = Metrics()
    yield metrics
    metrics.close()


def scrape(port: int) -> Samples:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_is_counted_is_scraped(metrics: Metrics) -> None:
    port = metrics.serve("127.0.0.1", 0)
    for state in ("complete", "complete", "pruned", "failed", "given_back", "lost"):
        metrics.trial_ended("lr", state)  # type: ignore[arg-type]
    metrics.epoch_done("lr", seconds=1.5, samples_per_second=100.0)
    metrics.epoch_done("lr", seconds=7.0, samples_per_second=80.0)
    found = scrape(port)
    ended = {labels: v for (name, labels), v in found.items() if name == "search_trials_ended_total"}
    assert {dict(labels)["state"]: value for labels, value in ended.items()} == {
        "complete": 2,
        "pruned": 1,
        "failed": 1,
        "given_back": 1,
        "lost": 1,
    }
    lr = (("study", "lr"),)
    assert found["search_epochs_total", lr] == 2
    assert found["search_epoch_seconds_count", lr] == 2
    assert found["search_epoch_seconds_sum", lr] == 8.5
    assert found["search_epoch_seconds_bucket", (("le", "2.0"), *lr)] == 1
    assert found["search_samples_per_second", lr] == 80
    assert found["search_build_info", (("version", __version__),)] == 1
    assert found["process_resident_memory_bytes", ()] > 0


def test_ages_and_database_errors_are_read_at_each_scrape(metrics: Metrics) -> None:
    port = metrics.serve("127.0.0.1", 0)
    names = ("search_lease_age_seconds", "search_progress_age_seconds", "search_database_errors_total")
    assert [scrape(port)[name, ()] for name in names] == [0, 0, 0]
    values = [1.0, 2.0, 3.0]
    metrics.read_ages_from(lease=lambda: values[0], progress=lambda: values[1])
    metrics.read_database_errors_from(lambda: values[2])
    assert [scrape(port)[name, ()] for name in names] == [1, 2, 3]
    values[:] = [4.0, 5.0, 6.0]
    assert [scrape(port)[name, ()] for name in names] == [4, 5, 6]


def test_a_hostile_name_stays_the_text_of_a_label(metrics: Metrics) -> None:
    port = metrics.serve("127.0.0.1", 0)
    metrics.trial_ended(HOSTILE, "failed")
    ended = {k: v for k, v in scrape(port).items() if k[0] == "search_trials_ended_total"}
    assert ended == {("search_trials_ended_total", (("state", "failed"), ("study", HOSTILE))): 1}


def test_two_in_one_process_share_nothing(metrics: Metrics) -> None:
    other = Metrics()
    other.trial_ended("lr", "complete")
    port = metrics.serve("127.0.0.1", 0)
    assert not [name for name, _ in scrape(port) if name == "search_trials_ended_total"]


def test_a_taken_port_is_one_clear_sentence(metrics: Metrics) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            SearchError, match=rf"port {port} of 127\.0\.0\.1 \(Address already in use\).*METRICS_PORT"
        ):
            metrics.serve("127.0.0.1", port)


def test_an_address_of_another_machine_is_one_clear_sentence(metrics: Metrics) -> None:
    with pytest.raises(SearchError, match=r"192\.0\.2\.1 \(Cannot assign.*SEARCH_METRICS_HOST"):
        metrics.serve("192.0.2.1", 9999)
    with pytest.raises(SearchError, match=r"no-such-host\.invalid"):
        metrics.serve("no-such-host.invalid", 9999)


def test_closed_nobody_answers_and_the_port_is_free(metrics: Metrics) -> None:
    port = metrics.serve("127.0.0.1", 0)
    metrics.close()
    with pytest.raises(URLError):
        scrape(port)
    assert metrics.serve("127.0.0.1", port) == port


def test_counting_takes_microseconds(metrics: Metrics) -> None:
    started = time.perf_counter()
    for _ in range(1000):
        metrics.epoch_done("lr", seconds=1.0, samples_per_second=1.0)
    assert time.perf_counter() - started < 0.5


def test_a_count_that_can_not_be_read_fails_the_scrape_alone(metrics: Metrics) -> None:
    port = metrics.serve("127.0.0.1", 0)
    metrics.read_database_errors_from(lambda: 1 / 0)
    with pytest.raises(HTTPError, match="500"):
        scrape(port)
    metrics.read_database_errors_from(lambda: 1)
    assert scrape(port)["search_database_errors_total", ()] == 1
