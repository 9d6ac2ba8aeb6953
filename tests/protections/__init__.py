"""The protections of the service, by subject."""

from tests.protections import data, files, leases, processes, tickets

PROTECTIONS = [
    *tickets.PROTECTIONS,
    *leases.PROTECTIONS,
    *processes.PROTECTIONS,
    *files.PROTECTIONS,
    *data.PROTECTIONS,
]
