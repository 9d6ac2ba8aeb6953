"""A worker of stock Optuna at its most careful: heartbeat, retry of stale trials, pre-ping, every error caught.

python -m benchmarks.chaos.stock_worker        with STOCK_STORE, the URL, in the environment
"""

import os
import time
import warnings

import optuna
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback

from benchmarks.chaos.plan import LEASE_SECONDS

STUDY = "storm"
EPOCHS = 8
EPOCH_SECONDS = 0.7


def objective(trial: optuna.Trial) -> float:
    """As long as a training of the other side, reporting as often. Without a cell, the queue is empty: wait."""
    if "cell" not in trial.user_attrs:
        time.sleep(1.0)
        raise optuna.TrialPruned
    trial.set_user_attr("pid", os.getpid())
    trial.suggest_int("cell", 0, 10**6)
    for epoch in range(1, EPOCHS + 1):
        time.sleep(EPOCH_SECONDS)
        trial.report(epoch / EPOCHS, epoch)
    return 1.0


def storage(url: str) -> RDBStorage:
    """Optuna's storage with the means it has against lost workers."""
    return RDBStorage(
        url,
        engine_kwargs={"pool_pre_ping": True},
        heartbeat_interval=1,
        grace_period=int(LEASE_SECONDS),
        heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(),
    )


def main() -> None:
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    study = optuna.load_study(study_name=STUDY, storage=storage(os.environ["STOCK_STORE"]))
    study.optimize(objective, catch=(Exception,))


if __name__ == "__main__":
    main()
