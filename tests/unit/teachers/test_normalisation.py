"""Images as a teacher wants them: as timm makes them of a student's, without asking the device for every batch."""

import torch
from timm.task import DistillationTeacher
from torch import nn

from dad.teachers import Teacher


def test_images_are_normalised_as_timm_does_it_for_each_student() -> None:
    teacher = Teacher(nn.Identity(), {"mean": (0.5, 0.4, 0.3), "std": (0.2,) * 3}, {})
    images, mean, std = torch.randn(2, 3, 4, 4), teacher.mean_kd.clone(), teacher.std_kd.clone()
    for own in (mean, mean + 0.1, mean):  # alike, another, alike again
        expected = DistillationTeacher.normalize_input(teacher, images, own, std)
        assert torch.equal(teacher.normalize_input(images, own, std), expected)
    assert teacher.normalize_input(images) is images
