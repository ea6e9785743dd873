"""Flags of the three scripts, composed from one file a concern.

A timm flag keeps timm's name, default, nargs and type (`tests/unit/args` compares them all).
"""

from argparse import ArgumentParser

from dad.args.adversarial import add_adversarial_args
from dad.args.augment import add_augment_args, add_label_args, add_mixup_args
from dad.args.command_line import create_parser
from dad.args.data import (
    add_channel_args,
    add_data_args,
    add_input_args,
    add_loader_args,
    add_split_args,
    add_train_loader_args,
    add_unlabelled_args,
)
from dad.args.distill import add_distill_args, add_objective_args, add_teacher_args
from dad.args.evaluate import add_evaluate_args, add_preprocessing_args, add_results_args
from dad.args.generate import add_attack_args, add_discretizer_args, add_generate_args, add_stable_diffusion_args
from dad.args.hparams import add_config_args
from dad.args.log import add_log_args, add_output_args, add_tracking_args
from dad.args.model import add_model_args, add_network_args, add_train_model_args
from dad.args.optim import add_ema_args, add_optim_args
from dad.args.runtime import add_compile_args, add_dtype_args, add_runtime_args, add_train_runtime_args
from dad.args.schedule import add_learning_rate_args, add_schedule_args
from dad.args.sizing import MADE, TRAINED, add_sizing_args
from dad.args.soft_targets import add_build_args, add_soft_target_args
from dad.args.threats import add_threat_args
from dad.args.timm_datasets import add_dataset_args, add_size_args, add_train_dataset_args


def create_train_parser() -> ArgumentParser:
    """Return the parser of train.py."""
    parser = _create_parser("Train a timm model, with or without a teacher and a DAD set.")
    add_data_args(parser)
    add_unlabelled_args(parser)
    add_split_args(parser)
    add_input_args(parser)
    add_channel_args(parser)
    add_loader_args(parser, batch_size=128)
    add_train_loader_args(parser)
    add_dataset_args(parser)
    add_train_dataset_args(parser)
    add_size_args(parser)
    add_model_args(parser, default="resnet50")
    add_network_args(parser)
    add_train_model_args(parser)
    add_teacher_args(parser)
    add_distill_args(parser)
    add_soft_target_args(parser)
    add_adversarial_args(parser)
    add_objective_args(parser)
    add_discretizer_args(parser)
    add_attack_args(parser)
    add_augment_args(parser)
    add_mixup_args(parser)
    add_label_args(parser)
    add_optim_args(parser)
    add_ema_args(parser)
    add_learning_rate_args(parser)
    add_schedule_args(parser)
    add_runtime_args(parser)
    add_dtype_args(parser)
    add_compile_args(parser)
    add_train_runtime_args(parser)
    add_sizing_args(parser, TRAINED)
    add_log_args(parser)
    add_output_args(parser)
    add_tracking_args(parser)
    return parser


def create_ask_parser() -> ArgumentParser:
    """Return the parser of `python -m dad.soft_targets build`: the flags of train.py, and how answers are stored."""
    parser = create_train_parser()
    parser.description = "Ask the teacher about every view that a training run with the same flags will see."
    add_build_args(parser)
    return parser


def create_generate_parser() -> ArgumentParser:
    """Return the parser of generate.py."""
    parser = _create_parser("Make a DAD set: the teacher's adversarial images, discretised.")
    add_data_args(parser)
    add_unlabelled_args(parser)
    add_generate_args(parser)
    add_teacher_args(parser)
    add_discretizer_args(parser)
    add_stable_diffusion_args(parser)
    add_attack_args(parser)
    add_sizing_args(parser, MADE)
    add_runtime_args(parser)
    add_compile_args(parser)
    return parser


def create_validate_parser() -> ArgumentParser:
    """Return the parser of validate.py."""
    parser = _create_parser("Score checkpoints, a published model or a teacher on ImageNet's variants.")
    add_data_args(parser)
    add_evaluate_args(parser)
    add_results_args(parser)
    add_dataset_args(parser)
    add_threat_args(parser)
    add_model_args(parser, "-m", default="dpn92")
    add_network_args(parser)
    add_input_args(parser)
    add_channel_args(parser)
    add_preprocessing_args(parser)
    add_loader_args(parser, batch_size=256)
    add_teacher_args(parser)
    add_runtime_args(parser)
    add_dtype_args(parser)
    add_compile_args(parser)
    return parser


def _create_parser(description: str) -> ArgumentParser:
    parser = create_parser(description)
    add_config_args(parser)
    return parser
