"""What Optuna advises for one study: the next parameters, and whether a trial should be pruned."""

from typing import Any

import numpy as np
from optuna import Study, load_study
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.storages import _CachedStorage
from optuna.trial import TrialState, create_trial

from search.store.storage import PostgresStorage
from search.store.studies import distributions
from search.store.trials import Distributions, Parameters
from search.study.definition import Hyperband, Median, NoPruner, StudyDefinition

_DRAFT = create_trial(state=TrialState.RUNNING)  # stands for the trial whose parameters are being drawn


class _TrialCache(_CachedStorage):
    """Optuna's cache of trials, with the running trial that a pruner is asked about.

    running: kept up to date here, so that no decision has to read it.
    reads: whether to look for news in the database.
    """

    def __init__(self, storage: PostgresStorage) -> None:
        super().__init__(storage)
        self.running = _DRAFT
        self.reads = True

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        # TPE leaves the drawn parameters on a trial until it has them. Ours gets them when it is created.
        if trial_id == _DRAFT._trial_id:
            return
        super().set_trial_system_attr(trial_id, key, value)
        if trial_id == self.running._trial_id:
            self.running.system_attrs[key] = value  # the rungs that Hyperband has taken it to

    def _read_trials_from_remote_storage(self, study_id: int) -> None:
        if self.reads:
            super()._read_trials_from_remote_storage(study_id)


class Guide:
    """One study's sampler and pruner, over trials that are read once and then kept."""

    def __init__(self, storage: PostgresStorage, definition: StudyDefinition) -> None:
        self.distributions: Distributions = distributions(definition)
        self._definition = definition
        self._trials = _TrialCache(storage)
        self._pruner = make_pruner(definition.pruner)
        self._study = self._load(RandomSampler())
        self._ended: int | None = None

    def draw(self, *, seed: int, ticket: int) -> Parameters:
        """The sampler's next parameters, given every trial so far.

        The same history, seed and ticket draw the same parameters.
        """
        sampler = _sampler(self._definition, int(np.random.SeedSequence((seed, ticket)).generate_state(1)[0]))
        study = self._load(sampler)
        drawn = sampler.sample_relative(study, _DRAFT, self.distributions)
        for name, distribution in self.distributions.items():
            if name not in drawn:
                drawn[name] = sampler.sample_independent(study, _DRAFT, name, distribution)
        return drawn

    def follow(self, trial_id: int) -> None:
        """Makes this the trial that `should_prune` is asked about."""
        self._trials.running = self._trials.get_trial(trial_id)

    def should_prune(self, *, epoch: int, value: float, ended: int) -> bool:
        """Whether the pruner gives up on the followed trial, after one more epoch of it.

        ended: how many trials of the study have ended, as `tickets.report` says.
        """
        trial = self._trials.running
        trial.intermediate_values[epoch] = value
        # The median is one of complete trials: as long as none has ended there is nothing to read.
        self._trials.reads = not (isinstance(self._pruner, MedianPruner) and ended == self._ended)
        try:
            pruned = self._pruner.prune(self._study, trial)
        finally:
            self._trials.reads = True
        self._ended = ended
        return pruned

    def _load(self, sampler: BaseSampler) -> Study:
        name = self._definition.name
        return load_study(study_name=name, storage=self._trials, sampler=sampler, pruner=self._pruner)


def _sampler(definition: StudyDefinition, seed: int) -> BaseSampler:
    if definition.sampler == "gp":
        return GPSampler(seed=seed)
    return TPESampler(seed=seed)


def make_pruner(pruner: Hyperband | Median | NoPruner) -> BasePruner:
    """The pruner that a study names. Steps are epochs counted from 1, so resources are epochs too."""
    if isinstance(pruner, Hyperband):
        return HyperbandPruner(pruner.min_resource, pruner.max_resource, pruner.reduction_factor)
    if isinstance(pruner, Median):
        return MedianPruner(pruner.startup_trials, pruner.warmup_epochs, pruner.interval)
    return NopPruner()
