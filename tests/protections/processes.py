"""What workers and their children do when they are told to stop, killed or stuck."""

from tests.protections.protection import Protection, protection

_PROCESSES = "tests/acceptance/test_fault_table_processes.py"
_TRAINING = "tests/acceptance/test_fault_table_training.py"

PROTECTIONS: list[Protection] = [
    protection(
        "the child's death with its supervisor",
        "search/worker/child.py",
        "ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)",
        "pass",
        f"{_PROCESSES}::test_a_child_that_hangs_dies_with_its_supervisor",
    ),
    protection(
        "the kill of a process that hangs",
        "search/worker/attempt.py",
        "if silent > self._settings.stall_seconds:",
        "if False:",
        f"{_TRAINING}::test_hung_training_is_killed_with_its_stack_and_fails_in_the_end",
    ),
    protection(
        "the stacks of a process that hangs",
        "search/worker/attempt.py",
        "stacks = self._child.stacks()",
        'stacks = ""',
        f"{_TRAINING}::test_hung_data_loading_is_killed_with_its_stack_and_fails_in_the_end",
    ),
    protection(
        "stacks that need no turn of Python's own",
        "search/worker/child.py",
        "faulthandler.register(STACKS, file, all_threads=True)",
        "signal.signal(STACKS, lambda *_: faulthandler.dump_traceback(file))",
        f"{_TRAINING}::test_hung_training_is_killed_with_its_stack_and_fails_in_the_end",
    ),
    protection(
        "the second signal",
        "search/worker/service.py",
        "os._exit(128 + number)",
        "pass",
        f"{_PROCESSES}::test_a_second_ctrl_c_ends_a_worker_at_once",
    ),
    protection(
        "the child's deafness to what its supervisor hears",
        "search/worker/child_process.py",
        "signal.SIG_BLOCK, STOP_SIGNALS",
        "signal.SIG_BLOCK, []",
        f"{_PROCESSES}::test_a_worker_told_to_leave_gives_its_ticket_back[SIGTERM]",
    ),
    protection(
        "the lock of a slot",
        "search/worker/slots.py",
        "fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "pass",
        f"{_PROCESSES}::test_a_spare_worker_takes_over_the_slot_of_a_dead_one",
    ),
    protection(
        "a zombie's tidying up",
        "search/worker/attempt.py",
        "self._checkpoints.remove()  # saved since; before that, the other worker may resume from them",
        "pass",
        f"{_PROCESSES}::test_a_frozen_worker_wakes_up_after_another_has_done_its_ticket",
    ),
    protection(
        "the word that epochs are trained again",
        "search/worker/attempt.py",
        "if resumed_from < self._lease.epochs:",
        "if False:",
        f"{_PROCESSES}::test_without_shared_checkpoints_a_retry_elsewhere_says_so",
    ),
    protection(
        "the look at the training loss",
        "search/training/run.py",
        "if not finite.all():",
        "if False:",
        "tests/unit/test_run.py::test_a_loss_that_is_not_finite_is_divergence",
        f"{_TRAINING}::test_a_loss_that_is_never_finite_prunes_without_a_value",
    ),
    protection(
        "out of memory as a kind of its own",
        "search/worker/child.py",
        "except torch.OutOfMemoryError as error:",
        "except ZeroDivisionError as error:",
        f"{_TRAINING}::test_out_of_memory_fails_once_with_the_batch_size",
    ),
    protection(
        "a broken device as a kind of its own",
        "search/worker/child.py",
        "except torch.AcceleratorError as error:",
        "except ZeroDivisionError as error:",
        f"{_TRAINING}::test_a_broken_device_costs_its_worker_and_no_trial",
    ),
]
