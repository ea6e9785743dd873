"""Flags that users bring along from elsewhere: those of timm's scripts that are not here, and other words for ours."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Dropped:
    """A flag that a script of timm's has, or had since its version 0.1, and none here.

    Attributes:
        neutral: its default there, at which it changes nothing; a file may have it so.
        reason: why it is not here, or how the same is said.
        now: the flag that takes the same value.
    """

    neutral: Any
    reason: str = ""
    now: str = ""


_AMP = "mixed precision is PyTorch's own, by amp and amp_dtype"
_COMPILE = "superseded in PyTorch by torchcompile"
_WANDB = "it is report_to: [tensorboard, wandb] now"
_NAFLEX = "NaFlex models have their own loader, which serves no views and no test sets"
_KD = "the objective decides what is compared, and how"
_LOGITS = "objectives compare logits"
_WEIGHTS = "task_loss_weight and distill_loss_weight say what counts how much"
_DEVICES = "one device per process; torchrun starts several"

DROPPED = {
    # of timm's scripts today
    "data": Dropped(None, now="data_dir"),
    "fuser": Dropped("", _COMPILE),
    "torchscript": Dropped(False, _COMPILE),
    "aot_autograd": Dropped(False, _COMPILE),
    "log_wandb": Dropped(False, _WANDB),
    "wandb_project": Dropped(None, now="report_project"),
    "wandb_tags": Dropped([], "wandb itself reads them from WANDB_TAGS"),
    "wandb_resume_id": Dropped("", "a run that is taken up goes on under its own id"),
    "naflex_loader": Dropped(False, _NAFLEX),
    "naflex_train_seq_lens": Dropped([128, 256, 576, 784, 1024], _NAFLEX),
    "naflex_max_seq_len": Dropped(576, _NAFLEX),
    "naflex_patch_sizes": Dropped(None, _NAFLEX),
    "naflex_patch_size_probs": Dropped(None, _NAFLEX),
    "naflex_loss_scale": Dropped("linear", _NAFLEX),
    "naflex_patchify_channels_first": Dropped(False, _NAFLEX),
    "kd_model_name": Dropped(None, now="teacher"),
    "kd_distill_type": Dropped("logit", _KD),
    "kd_loss_type": Dropped("kl", _KD),
    "kd_student_feature_dim": Dropped(None, _LOGITS),
    "kd_teacher_feature_dim": Dropped(None, _LOGITS),
    "kd_token_distill_type": Dropped("soft", _LOGITS),
    "num_gpu": Dropped(1, _DEVICES),
    "tf_preprocessing": Dropped(False, "it needs TensorFlow, for ports of TensorFlow models alone"),
    "real_labels": Dropped("", "imagenet-real is a test set of its own, scored with the labels that timm carries"),
    # of its versions before 1.0.23
    "amp_impl": Dropped("native", _AMP),
    "apex_amp": Dropped(False, _AMP),
    "native_amp": Dropped(False, now="amp"),
    "fp16": Dropped(False, now="amp"),
    "dynamo": Dropped(False, _COMPILE),
    "dynamo_backend": Dropped(None, _COMPILE),
    "legacy_jit": Dropped(False, _COMPILE),
    "use_wandb": Dropped(False, _WANDB),
    "wandb_project_name": Dropped(None, now="report_project"),
    "alpha_kd": Dropped(5, _WEIGHTS),
    "use_kd_only_loss": Dropped(False, _WEIGHTS),
    "iters_to_accum": Dropped(1, now="grad_accum_steps"),
    "milestones": Dropped([30, 60], now="decay_milestones"),
    "aug_repeat": Dropped(0, now="aug_repeats"),
    "jsd": Dropped(False, now="jsd_loss"),
    "mixup_elem": Dropped(False, "it is mixup_mode: elem now"),
    "reduce_bn": Dropped(False, "it is dist_bn: reduce now"),
    "bn_tf": Dropped(False, "bn_momentum: 0.01 and bn_eps: 0.001 say the same"),
    "validation_batch_size_multiplier": Dropped(1, "it is validation_batch_size now, in images"),
    "initial_batch_size": Dropped(0, "batches have one size all along, batch_size"),
    "repp": Dropped(False, "random erasing by pixels is remode: pixel"),
    "no_test_pool": Dropped(False, "pooling over larger images is off unless test_pool is on"),
    "print_freq": Dropped(10, now="log_freq"),
    "restore_checkpoint": Dropped("", now="checkpoint"),
    "multi_gpu": Dropped(False, _DEVICES),
}

_MEANT = {
    "data_path": "data_dir", "data_root": "data_dir", "dataset_dir": "data_dir", "root": "data_dir",
    "arch": "model", "architecture": "model", "student": "model", "model_name": "model", "ckpt": "checkpoint",
    "weights": "checkpoint", "clip": "teacher", "teacher_model": "teacher", "method": "objective", "loss": "objective",
    "temperature": "kd_temperature", "alpha": "distill_loss_weight", "eps": "attack_eps", "epsilon": "attack_eps",
    "step_size": "attack_step_size", "bs": "batch_size", "num_workers": "workers", "image_size": "img_size",
    "resolution": "img_size", "num_epochs": "epochs", "learning_rate": "lr", "wd": "weight_decay", "optimizer": "opt",
    "scheduler": "sched", "lr_scheduler": "sched", "label_smoothing": "smoothing", "dropout": "drop",
    "ema": "model_ema", "ema_decay": "model_ema_decay", "bf16": "amp", "half": "amp", "mixed_precision": "amp",
    "gpu": "device", "cuda": "device", "compile": "torchcompile", "out": "output", "output_dir": "output",
    "run_name": "experiment", "grad_clip": "clip_grad",
}  # fmt: skip


def other_name(word: str) -> str:
    """Return the destination of the flag that a word from elsewhere means, or nothing if it is no such word."""
    return _MEANT[word] if word in _MEANT else DROPPED.get(word, Dropped(None)).now
