"""What prepared data are held against, and what keeps a label that is missing out of the training."""

from tests.protections.protection import Protection, protection

_RESUMED = "tests/unit/test_resumed_cache.py"
_FEATURES = "tests/unit/test_features.py"
_LOSSES = "tests/unit/test_losses.py"
_NO_GRADIENT = f"{_LOSSES}::test_a_missing_label_has_a_gradient_of_exactly_0_and_the_others_have_one"

PROTECTIONS: list[Protection] = [
    protection(
        "filling prepared data aside",
        "search/training/aside.py",
        'aside = folder.parent / f".{folder.name}.filling"',
        "aside = folder",
        f"{_RESUMED}::test_killed_at_every_touch_of_the_disk_it_ends_with_the_same_files",
    ),
    protection(
        "filling by one process at a time",
        "search/training/aside.py",
        "fcntl.flock(file, fcntl.LOCK_EX)",
        "pass",
        "tests/unit/test_cache.py::test_of_two_processes_at_once_one_fills_and_both_find_the_same",
    ),
    protection(
        "going on with what a killed process has decoded",
        "search/training/fill.py",
        'done = journal.notes[-1]["end"] if journal.notes else 0',
        "done = 0",
        f"{_RESUMED}::test_killed_again_and_again_it_goes_on_where_it_was",
    ),
    protection(
        "the checksums of what a killed process has left",
        "search/training/journal.py",
        "or self._checksum(entry) != entry.crc32",
        "or self._checksum(entry) == -1",
        f"{_RESUMED}::test_damaged_partial_work_is_done_again",
    ),
    protection(
        "cutting off what a killed process has not noted",
        "search/training/journal.py",
        "            file.truncate(end)\n            file.seek(end)\n",
        "            file.seek(0, 2)\n",
        f"{_RESUMED}::test_damaged_partial_work_is_done_again",
    ),
    protection(
        "reading a sealed folder whole before it takes its name",
        "search/training/sealed.py",
        "        verify(folder, manifest, trusting=False)\n",
        "",
        f"{_RESUMED}::test_a_folder_damaged_between_its_seal_and_its_name_is_filled_anew",
    ),
    protection(
        "reading a large file whole that was touched",
        "search/training/sealed.py",
        "if trusting and untouched and expected.bytes > SMALL:",
        "if trusting and expected.bytes > SMALL:",
        f"{_RESUMED}::test_only_a_touched_file_is_read_whole_at_opening",
    ),
    protection(
        "going on with the vectors that a killed process has computed",
        "search/training/features.py",
        'first = journal.notes[-1]["end"] if journal.notes else 0',
        "first = 0",
        f"{_FEATURES}::test_killed_it_goes_on_where_it_was",
    ),
    protection(
        "the checksums of vectors",
        "search/training/features.py",
        "    sealed.verify(folder, manifest)\n",
        "",
        f"{_FEATURES}::test_damage_is_found_on_open",
    ),
    protection(
        "the content of weights in the fingerprint of vectors",
        "search/training/features.py",
        'arguments["weights"] = _content(Path(weights))',
        "pass",
        f"{_FEATURES}::test_they_are_computed_once_and_follow_all_they_hang_on",
    ),
    protection(
        "the mask of labels that are missing",
        "search/training/losses.py",
        "return (each * mask).sum() / mask.sum().clamp(min=1)",
        "return each.mean()",
        _NO_GRADIENT,
    ),
    protection(
        "the mask of valence and arousal that are missing",
        "search/training/losses.py",
        "present = mask.float()",
        "present = torch.ones_like(outputs)",
        _NO_GRADIENT,
    ),
    protection(
        "the mask of padding",
        "search/training/batches.py",
        "self.mask[at] & torch.from_numpy(there).to(self._device),",
        "self.mask[at],",
        "tests/unit/test_batches.py::test_frames_without_a_label_and_padding_are_masked",
    ),
]
