"""All that decides one training run: the knobs, the model and what is predicted. Imports no torch."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from search.tasks import TRAINABLE

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]
Factor = Annotated[float, Field(gt=0, lt=1)]


def _tasks(joined: str) -> str:
    names = joined.split("+")
    if unknown := [name for name in names if name not in TRAINABLE]:
        raise ValueError(f"{unknown[0]!r} is no task; join some of {', '.join(TRAINABLE)} with +")
    if len(set(names)) < len(names):
        raise ValueError(f"{joined!r} names a task twice")
    return joined


class Knobs(BaseModel):
    """The training knobs a study may fix or search.

    Defaults follow common practice for fine-tuning on faces: AdamW, a linear warm-up into a cosine, no decay on
    norms, biases and tokens.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    epochs: int = Field(30, ge=1, description="Passes over the training split.")
    early_stopping: int = Field(
        0, ge=0, description="Epochs in a row without a better one after which a run ends; 0 is never."
    )
    batch_size: int = Field(
        64,
        ge=2,
        description="Images (or windows of a sequence) a step; the last short batch of an epoch is dropped.",
    )
    tasks: Annotated[str, AfterValidator(_tasks)] | None = Field(
        None,
        description=f"What is trained: some of {', '.join(TRAINABLE)}, joined with +; by default what the "
        "objective judges.",
    )
    optimizer: Literal["adam", "adamw", "sgd"] = Field(
        "adamw", description="adam couples weight decay into the gradient; adamw does not."
    )
    lr: Positive = Field(3e-4, description="Peak learning rate.")
    eps: Positive = Field(1e-8, description="Adam's epsilon.")
    beta1: Share = Field(0.9, description="Adam's first decay rate; the momentum of sgd.")
    beta2: Share = Field(0.999, description="Adam's second decay rate.")
    sam_rho: NonNegative = Field(
        0.0,
        description="How far uphill sharpness-aware minimization (SAM) looks, at twice the time a step; 0 is off.",
    )
    ema_decay: Share = Field(
        0.0,
        description="Decay of a moving average of the weights, which is then validated and kept; 0 is off.",
    )
    backbone_lr_ratio: NonNegative = Field(
        1.0,
        description="Learning rate of the model's backbone over that of the rest; 0 freezes it.",
    )
    projection_lr_ratio: NonNegative = Field(1.0, description="The same of the model's projection.")
    weight_decay: NonNegative = Field(0.0, description="Weight decay; 0 is none.")
    decay_norms: bool = Field(False, description="Also decay norms, biases and tokens.")
    schedule: Literal["constant", "cosine", "exponential", "step", "plateau"] = Field(
        "cosine", description="Shape of the learning rate after warm-up."
    )
    final_lr_ratio: Annotated[float, Field(gt=0, le=1)] = Field(
        0.01,
        description="Learning rate at the end over its peak, whatever the number of epochs; of plateau, at least.",
    )
    step_epochs: int = Field(10, ge=1, description="Of the schedule step: epochs from one factor to the next.")
    step_factor: Factor = Field(0.5, description="Of the schedule step: what the learning rate is multiplied by.")
    plateau_patience: int = Field(
        5, ge=0, description="Of the schedule plateau: epochs in a row that may be no better than the best one."
    )
    plateau_factor: Factor = Field(0.1, description="Of the schedule plateau: what it is then multiplied by.")
    warmup_epochs: NonNegative = Field(1.0, description="Epochs of linear warm-up; fractions are allowed.")
    clip_norm: NonNegative = Field(1.0, description="Largest gradient norm; 0 is no clipping.")
    mixup_alpha: NonNegative = Field(0.0, description="Beta(a, a) of MixUp; 0 is off.")
    cutmix_alpha: NonNegative = Field(
        0.0, description="Beta(a, a) of CutMix; 0 is off. With both on, each batch draws one."
    )
    label_smoothing: Share = Field(0.0, description="Share of the target spread over all classes.")
    class_weights: Literal["none", "balanced", "effective"] = Field(
        "none",
        description="What weighs the loss of class c, with n_c of N images: balanced, N / (K n_c); effective, in "
        "proportion to (1 - b) / (1 - b^n_c) with b = effective_beta.",
    )
    effective_beta: Share = Field(
        0.9999, description="b of effective class weights; the nearer to 1, the nearer to balanced."
    )
    class_sampling: Literal["natural", "balanced", "subset"] = Field(
        "natural",
        description="balanced draws every class as often, with replacement; subset cuts every class to as many "
        "images as the rarest has, the same ones all run.",
    )
    valence_arousal_loss: Literal["ccc", "mse", "ccc+mse"] = Field(
        "ccc", description="ccc: 1 - CCC of each over all labelled items of the batch."
    )
    action_unit_loss: Literal["bce", "weighted_bce", "focal"] = Field(
        "bce",
        description="weighted_bce: positives weigh as absent / present for each unit; focal: alpha 0.95, gamma 1.",
    )
    expression_weight: NonNegative = Field(1.0, description="Weight of the expressions' loss in the sum.")
    valence_arousal_weight: NonNegative = Field(
        1.0, description="Weight of valence's and arousal's loss in the sum."
    )
    action_unit_weight: NonNegative = Field(1.0, description="Weight of the action units' loss in the sum.")
    train_on: Literal["all", "own"] = Field(
        "all", description="Of several data sets: whether those beside the study's own are trained on, too."
    )
    output_heads: Literal["shared", "per_space", "per_dataset"] = Field(
        "shared",
        description="Of several data sets. shared: all are held against the classes of the study's own, by name; "
        "per_space: those with other classes have an output of their own; per_dataset: every data set has.",
    )
    batches: Literal["pooled", "alternating"] = Field(
        "pooled", description="Of several data sets: images of all in a batch, or batches of one after another."
    )
    accumulate: int = Field(1, ge=1, description="Batches whose gradients make one step.")
    window: int = Field(300, ge=2, description="Of sequences: frames a window; shorter sequences are padded.")
    hop: int = Field(200, ge=1, description="Of sequences: frames from one window's start to the next one's.")
    augmentation: Literal["none", "light", "erase", "standard", "strong"] = Field(
        "standard", description="Strength of the random image changes; erase only flips, and erases rectangles."
    )
    normalization: Literal["none", "half", "imagenet"] = Field(
        "half", description="none: [0, 1]; half: (x - 0.5) / 0.5; imagenet: ImageNet mean and deviation."
    )
    precision: Literal["fp32", "bf16"] = Field("fp32", description="Arithmetic of the forward pass.")


class Recipe(BaseModel):
    """One run, whole: handed to the child process as JSON.

    seed moves initialisation, order and augmentation; the data split has a seed of its own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    model_arguments: dict[str, Any]
    knobs: Knobs
    objective: str
    seed: int = Field(ge=0)
