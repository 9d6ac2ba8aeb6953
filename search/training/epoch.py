"""What a run yields after every epoch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """One finished epoch.

    number: counts from 1.
    metrics: on the validation split: accuracy, balanced_accuracy, macro_f1, each in [0, 1], validation_loss and
        largest_class_share;
        on the training batches as augmented: train_loss; and lr, the learning rate of the last step.
    seconds: wall time of training and validation.
    samples_per_second: training images handled a second.
    """

    number: int
    metrics: dict[str, float]
    seconds: float
    samples_per_second: float
