"""Faults 27 to 29 and 43: other sources, settings or versions than those that a set was begun with."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fault_tools import finished_files
from PIL import Image, ImageOps
from safetensors.torch import load_file, save_file

import generate
from dad.discretizers.vqgan import Vqgan
from dad.errors import DataError, SettingsError, UserError
from dad.shards import DadSet

GOLDEN = Path(__file__).parents[1] / "golden" / "dad_set_v1"


def same_stem(train: Path) -> None:
    shutil.copy(train / "apple" / "apple_00.png", train / "apple" / "apple_00.jpg")


def same_but_for_case(train: Path) -> None:
    shutil.copy(train / "apple" / "apple_00.png", train / "apple" / "Apple_00.png")


@pytest.mark.parametrize(("spoil", "other"), [(same_stem, "apple_00.jpg"), (same_but_for_case, "Apple_00.png")])
def test_two_files_of_one_key_are_refused_with_both_paths(
    quick_flags: list[str], tmp_path: Path, data: Path, spoil: Callable[[Path], None], other: str
) -> None:
    spoil(data / "train")
    with pytest.raises(DataError, match="are one key") as caught:
        generate.main([*quick_flags, "--data-dir", str(data)])
    assert "train/apple/apple_00.png" in str(caught.value) and f"train/apple/{other}" in str(caught.value)
    assert caught.value.exit_code == 3 and not (tmp_path / "dad").exists()


def add(train: Path) -> None:
    shutil.copy(train / "apple" / "apple_00.png", train / "eel" / "new.png")


def remove(train: Path) -> None:
    (train / "eel" / "eel_02.png").unlink()


def rename(train: Path) -> None:
    (train / "eel" / "eel_02.png").rename(train / "eel" / "eel_99.png")


def move(train: Path) -> None:
    (train / "eel" / "eel_02.png").rename(train / "fox" / "eel_02.png")


CHANGES: dict[Callable[[Path], None], str] = {
    add: "1 added: eel/new",
    remove: "1 removed: eel/eel_02",
    rename: "1 added: eel/eel_99; 1 removed: eel/eel_02",
    move: "1 added: fox/eel_02; 1 removed: eel/eel_02",
}


@pytest.mark.parametrize(("change", "message"), CHANGES.items())
def test_a_changed_source_tree_is_refused_with_the_names(
    quick_flags: list[str], tmp_path: Path, data: Path, change: Callable[[Path], None], message: str
) -> None:
    command = [*quick_flags, "--data-dir", str(data)]
    generate.main([*command, "--shard-range", "0:2"])
    before = finished_files(tmp_path / "dad")
    change(data / "train")
    with pytest.raises(
        SettingsError, match=f"was made from other source images .{message}.; --extend adds what is new"
    ):
        generate.main(command)
    assert finished_files(tmp_path / "dad") == before


@pytest.mark.parametrize("more", [["--shard-range", "0:1"], ["--extend"]])
def test_other_pictures_under_the_same_names_are_refused(
    quick_flags: list[str], tmp_path: Path, data: Path, more: list[str]
) -> None:
    command = [*quick_flags, "--data-dir", str(data)]
    generate.main([*command, "--shard-range", "0:2"])
    assert generate.main([*command, "--shard-range", "0:2"]) == 0
    before = finished_files(tmp_path / "dad")
    for path in (data / "train").rglob("*.png"):
        with Image.open(path) as image:
            ImageOps.invert(image.convert("RGB")).save(path)
    with pytest.raises(SettingsError, match=r"was made of other images than these: .* under the same names"):
        generate.main([*command, *more])
    assert finished_files(tmp_path / "dad") == before


def test_every_field_of_the_settings_is_compared(quick_flags: list[str], tmp_path: Path) -> None:
    generate.main([*quick_flags, "--shard-range", "0:1"])
    file = tmp_path / "dad" / "settings.json"
    settings = json.loads(file.read_bytes())
    assert {"class_list", "teacher_weights", "vqgan_weights", "attack_epsilon", "crop_pct", "seed"} < settings.keys()
    for field in settings.keys() - {"listing"}:  # a changed listing has words of its own
        file.write_text(json.dumps({**settings, field: "other"}))
        with pytest.raises(SettingsError, match=f"{field}: here other, asked for "):
            generate.main(quick_flags)
    file.write_text(json.dumps({name: value for name, value in settings.items() if name != "amp"}))
    with pytest.raises(SettingsError, match="amp: here nothing, asked for off"):
        generate.main(quick_flags)
    file.write_text(json.dumps({**settings, "seed": 1, "keep": "x"}))
    with pytest.raises(SettingsError, match="keep: here x, asked for all; seed: here 1, asked for 42"):
        generate.main(quick_flags)


def test_a_set_that_does_not_say_how_its_teacher_saw_is_read_but_not_continued(
    quick_flags: list[str], tmp_path: Path
) -> None:
    generate.main(quick_flags)
    for name in ("settings.json", "manifest.json"):
        content = json.loads((tmp_path / "dad" / name).read_bytes())
        del content.get("settings", content)["teacher_mean"]
        (tmp_path / "dad" / name).write_text(json.dumps(content))
    with pytest.raises(SettingsError, match=r"teacher_mean: here nothing.*a version that did not write down teacher_m"):
        generate.main(quick_flags)


def other_weights(folder: Path, target: Path) -> None:
    shutil.copytree(folder, target)
    file = next(target.glob("*.safetensors"))
    tensors = load_file(file)
    save_file({name: tensor + 1e-3 if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}, file)


def test_weights_prompts_and_classes_are_known_by_their_content(
    world: Path, quick_flags: list[str], tmp_path: Path
) -> None:
    generate.main([*quick_flags, "--shard-range", "0:1"])
    other_weights(world / "vqgan", tmp_path / "vqgan")
    other_weights(world / "clip", tmp_path / "clip")
    (tmp_path / "classes.txt").write_text("\n".join(["bear", "apple", "car", "dog", "eel", "fox"]) + "\n")
    (tmp_path / "templates.txt").write_text("a {}!\na picture of a {}.\n")
    for flag, value, field in (
        ("--vqgan-checkpoint", tmp_path / "vqgan" / "model.safetensors", "vqgan_weights"),
        ("--teacher", f"clip/local-dir:{tmp_path / 'clip'}", "teacher_weights"),
        ("--class-map", tmp_path / "classes.txt", "relabelled|class_list"),
        ("--templates", tmp_path / "templates.txt", "teacher_templates"),
    ):
        with pytest.raises(SettingsError, match=field):
            generate.main([*quick_flags, flag, str(value)])


def test_weights_may_move(world: Path, quick_flags: list[str], whole: dict[str, bytes], tmp_path: Path) -> None:
    generate.main([*quick_flags, "--shard-range", "0:1"])
    shutil.copytree(world / "clip", tmp_path / "elsewhere" / "clip")
    shutil.copytree(world / "vqgan", tmp_path / "elsewhere" / "vqgan")
    moved = ["--teacher", f"clip/local-dir:{tmp_path / 'elsewhere' / 'clip'}", "--vqgan-checkpoint",
             str(tmp_path / "elsewhere" / "vqgan" / "model.safetensors")]  # fmt: skip
    assert generate.main([*quick_flags, *moved]) == 0 and finished_files(tmp_path / "dad") == whole


def test_other_versions_that_make_the_same_images_go_on_with_a_warning(
    quick_flags: list[str], tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    generate.main([*quick_flags, "--shard-range", "1:2"])
    found = generate.versions()
    monkeypatch.setattr(generate, "versions", lambda: {**found, "torch": "99.0"})
    with caplog.at_level(logging.WARNING):
        assert generate.main(quick_flags) == 0
    assert f"torch {found['torch']} -> 99.0" in caplog.text and "made 8 images again, 0 of 8 verdicts" in caplog.text
    assert finished_files(tmp_path / "dad") == whole


def test_other_versions_that_make_other_images_are_refused(
    quick_flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate.main([*quick_flags, "--shard-range", "1:2"])
    before = finished_files(tmp_path / "dad")
    found, encode = generate.versions(), Vqgan.encode
    monkeypatch.setattr(generate, "versions", lambda: {**found, "torch": "99.0"})
    monkeypatch.setattr(Vqgan, "encode", lambda self, pixels: (encode(self, pixels) + 1) % 32)
    with pytest.raises(SettingsError, match=r"other versions .torch .* -> 99.0. that make other images .*100.00% of"):
        generate.main(quick_flags)
    assert finished_files(tmp_path / "dad") == before


def test_other_versions_with_other_images_are_noticed_without_codes_too(
    quick_flags: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [*quick_flags, "--store", "image", "--image-format", "png"]
    generate.main([*command, "--shard-range", "1:2"])
    found, decode = generate.versions(), Vqgan.decode
    monkeypatch.setattr(generate, "versions", lambda: {**found, "torch": "99.0"})
    monkeypatch.setattr(Vqgan, "decode", lambda self, codes: 1 - decode(self, codes))
    with pytest.raises(SettingsError, match="that make other images"):
        generate.main(command)


def test_a_set_of_format_1_opens() -> None:
    dad_set = DadSet.open(GOLDEN)
    assert len(dad_set) == dad_set.ledger.kept > 0
    assert all(dad_set.read(index, extension) for index in range(len(dad_set)) for extension in dad_set.extensions)


def test_a_set_of_a_newer_format_is_refused_by_reader_and_writer(quick_flags: list[str], tmp_path: Path) -> None:
    generate.main(quick_flags)
    for name in ("settings.json", "manifest.json"):
        file = tmp_path / "dad" / name
        content = json.loads(file.read_bytes())
        (content.get("settings") or content)["format_version"] = 99
        file.write_text(json.dumps(content))
    for use in (lambda: DadSet.open(tmp_path / "dad"), lambda: generate.main(quick_flags)):
        with pytest.raises(UserError, match=r"format_version.* 99") as caught:
            use()
        assert caught.value.exit_code == 5


def test_a_set_of_an_older_format_is_not_continued(quick_flags: list[str], tmp_path: Path) -> None:
    shutil.copytree(GOLDEN, tmp_path / "dad")
    before = finished_files(tmp_path / "dad")
    with pytest.raises(SettingsError):
        generate.main(quick_flags)
    assert finished_files(tmp_path / "dad") == before
