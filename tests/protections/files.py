"""What files and definitions are held against."""

from tests.protections.protection import Edit, Protection, protection

_TICKETS = "tests/integration/test_tickets.py"
_CHECKPOINT = "tests/unit/test_checkpoint.py"
_DISK = "tests/acceptance/test_fault_table_disk.py"
_VERSIONS = "tests/acceptance/test_fault_table_versions.py"
_SECRETS = "tests/acceptance/test_fault_table_secrets.py"

PROTECTIONS: list[Protection] = [
    Protection(
        "writing a checkpoint aside",
        (
            Edit(
                "search/training/checkpoint.py", 'with aside.open("wb") as file:', 'with path.open("wb") as file:'
            ),
            Edit("search/training/checkpoint.py", "            aside.replace(path)\n", ""),
        ),
        (f"{_CHECKPOINT}::test_a_full_disk_leaves_no_trace_and_the_old_ones_stand", f"{_DISK}::test_a_full_disk"),
    ),
    protection(
        "the checksums of a checkpoint",
        "search/training/checkpoint.py",
        "damaged = archive.testzip()",
        "damaged = None",
        f"{_CHECKPOINT}::test_a_flipped_bit_in_the_weights_falls_back",
        f"{_DISK}::test_a_damaged_checkpoint_falls_back_to_the_one_before[flipped]",
    ),
    protection(
        "the checkpoint before the newest",
        "search/training/checkpoint.py",
        "KEPT = 2",
        "KEPT = 1",
        f"{_DISK}::test_a_damaged_checkpoint_falls_back_to_the_one_before[torn]",
    ),
    protection(
        "going on where a checkpoint can't be saved",
        "search/training/checkpoint.py",
        "if self._failures == FAILURES:",
        "if True:",
        f"{_DISK}::test_a_full_disk",
    ),
    protection(
        "giving up where none can be saved",
        "search/training/checkpoint.py",
        "if self._failures == FAILURES:",
        "if False:",
        f"{_DISK}::test_a_full_disk",
    ),
    protection(
        "preparing damaged data again",
        "search/worker/data.py",
        "            _discard_damaged(source.cache, record)\n",
        "            raise\n",
        f"{_DISK}::test_damaged_prepared_data_are_prepared_again",
    ),
    protection(
        "the checksums of prepared data",
        "search/training/sealed.py",
        "if found.st_size != expected.bytes or _checksum(file) != expected.crc32:",
        "if False:",
        f"{_DISK}::test_damaged_prepared_data_are_prepared_again",
    ),
    protection(
        "missing data as a fault of the machine",
        "search/worker/attempt.py",
        'if failure.kind == "data":',
        "if False:",
        f"{_DISK}::test_a_machine_without_the_data_serves_other_studies",
    ),
    protection(
        "the version that a claim asks for",
        "search/store/tickets.py",
        "      AND ({NEWER}) IS NOT TRUE\n",
        "      AND (({NEWER}) IS NOT TRUE OR true)\n",
        f"{_VERSIONS}::test_a_worker_of_an_older_version",
    ),
    protection(
        "the version that a worker of one study asks for",
        "search/worker/service.py",
        "            studies.refuse_old_version(row, __version__)\n",
        "            pass\n",
        f"{_VERSIONS}::test_a_worker_of_an_older_version",
    ),
    protection(
        "the refusal of another definition",
        "search/store/studies.py",
        "if differences := StudyDefinition.from_json(row.definition).differences(definition):",
        "if False:",
        f"{_TICKETS}::test_another_definition_under_that_name_is_refused",
        f"{_VERSIONS}::test_two_definitions_launched_under_one_name_at_once",
    ),
    protection(
        "one creator of a study",
        "search/store/studies.py",
        " ON CONFLICT (study_name) DO NOTHING RETURNING study_id",
        " RETURNING study_id",
        f"{_VERSIONS}::test_two_definitions_launched_under_one_name_at_once",
    ),
    protection(
        "a child's environment without secrets",
        "search/worker/child_process.py",
        "_set_environment(dict.fromkeys(secrets) | dict(changes))",
        "_set_environment(dict(changes))",
        f"{_SECRETS}::test_a_password_appears_nowhere",
    ),
    protection(
        "logs without secrets",
        "search/logs.py",
        "hide = redaction(secrets)",
        "hide = str",
        "tests/unit/test_logs.py::test_a_secret_appears_nowhere",
    ),
    protection(
        "the address of a store without its password",
        "search/commands/serving.py",
        "make_url(url).render_as_string(hide_password=True)",
        "url",
        f"{_SECRETS}::test_a_password_appears_nowhere",
    ),
]
