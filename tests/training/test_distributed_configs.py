"""examples/distributed: accelerate reads each file as it is meant, and its very command trains as one process does.

Without a GPU, accelerate's launcher starts CPU processes that talk by gloo; nothing else about the command changes. The
runs under DeepSpeed need it installed (the extra ``distributed``; DS_BUILD_OPS=0 where there is no CUDA compiler).
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils import DeepSpeedPlugin, DistributedType, FullyShardedDataParallelPlugin
from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env
from safetensors.torch import load_file
from test_world_size import FSDP, write_run

from counterpoise.evaluation.results import write_json
from counterpoise.studies.run import train
from counterpoise.training.config_file import load_run_config

FOLDER = Path(__file__).parents[2] / "examples" / "distributed"
TYPES = {
    "ddp": DistributedType.MULTI_GPU,
    "fsdp2": DistributedType.FSDP,
    "deepspeed_zero2": DistributedType.DEEPSPEED,
    "deepspeed_zero3": DistributedType.DEEPSPEED,
}
needs_deepspeed = pytest.mark.skipif(importlib.util.find_spec("deepspeed") is None, reason="deepspeed is not installed")
LAUNCHES = [
    "ddp",
    "fsdp2",
    pytest.param("deepspeed_zero2", marks=needs_deepspeed),
    pytest.param("deepspeed_zero3", marks=needs_deepspeed),
]


def launch_environment(name):
    """What accelerate's launcher would add to the environment of each process."""
    command = ["--config_file", str(FOLDER / f"{name}.yaml"), "--main_process_port", "0", "-m", "counterpoise", "train"]
    args, defaults, _ = _validate_launch_command(launch_command_parser().parse_args(command))
    if args.use_deepspeed:
        args.deepspeed_fields_from_accelerate_config = ",".join(defaults.deepspeed_config)
        return args, prepare_deepspeed_cmd_env(args)[1]
    return args, prepare_multi_gpu_env(args)


@pytest.fixture
def launched(monkeypatch):
    """Puts accelerate's variables, and only those, into this process."""

    def set_up(name):
        _, environment = launch_environment(name)
        for key in [*os.environ, *environment]:
            if key.startswith(("ACCELERATE_", "FSDP_")):
                monkeypatch.delenv(key, raising=False)
                if key in environment:
                    monkeypatch.setenv(key, environment[key])

    return set_up


@pytest.mark.parametrize("name", TYPES)
def test_accelerate_reads_the_file(name):
    config = load_config_from_file(str(FOLDER / f"{name}.yaml"))
    assert config.distributed_type == TYPES[name]
    assert config.mixed_precision == "no", "training.precision decides"
    args, _ = launch_environment(name)
    switched_on = {kind for kind in ("multi_gpu", "use_fsdp", "use_deepspeed") if getattr(args, kind)}
    expected = {DistributedType.MULTI_GPU: "multi_gpu", DistributedType.FSDP: "use_fsdp"}
    assert switched_on == {expected.get(TYPES[name], "use_deepspeed")}
    assert args.module
    assert args.num_processes == 8


@pytest.mark.parametrize("name", TYPES)
def test_the_header_names_the_file_and_the_run(name):
    header = (FOLDER / f"{name}.yaml").read_text().split("\n\n")[0]
    assert f"accelerate launch --config_file examples/distributed/{name}.yaml" in header
    assert "-m counterpoise train examples/distributed/run.yaml" in header


def test_fsdp2_turns_on_what_it_should(launched):
    launched("fsdp2")
    plugin = FullyShardedDataParallelPlugin()
    assert os.environ["ACCELERATE_USE_FSDP"] == "true"
    assert plugin.fsdp_version == 2
    assert plugin.reshard_after_forward is True
    assert plugin.auto_wrap_policy.__name__ == "transformer_auto_wrap_policy"
    assert plugin.state_dict_type.name == "FULL_STATE_DICT"
    assert not plugin.cpu_ram_efficient_loading, "ranks that get no weights could not check the LM head"
    assert not plugin.activation_checkpointing, "training.gradient_checkpointing decides"


def test_the_world_size_tests_run_under_fsdp2_yaml():
    """tests/invariances/test_world_size.py writes out what the file sets, since torchrun starts its processes."""
    _, environment = launch_environment("fsdp2")
    assert FSDP
    assert {key: environment[key] for key in FSDP} == FSDP


@pytest.mark.parametrize("stage", [2, 3])
def test_deepspeed_leaves_the_run_its_settings(stage, launched):
    launched(f"deepspeed_zero{stage}")
    plugin = DeepSpeedPlugin()
    assert os.environ["ACCELERATE_USE_DEEPSPEED"] == "true"
    assert plugin.zero_stage == stage
    assert plugin.zero3_init_flag is False
    for key in ("train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps"):
        assert plugin.deepspeed_config[key] == "auto", key
    assert plugin.deepspeed_config["gradient_clipping"] == "auto", "training.max_grad_norm decides"
    assert "optimizer" not in plugin.deepspeed_config
    assert "scheduler" not in plugin.deepspeed_config


def test_the_slurm_script_is_shell():
    assert subprocess.run(["bash", "-n", str(FOLDER / "slurm.sh")]).returncode == 0
    assert "--config_file examples/distributed/fsdp2.yaml" in (FOLDER / "slurm.sh").read_text()


def test_the_run_works_as_it_stands(llama_folder, tmp_path):
    """But for the model, which is tiny here, and its length."""
    short = [f"model={llama_folder}", "data.limit=40", "training.max_steps=2", "training.batch_size=8"]
    config = load_run_config(FOLDER / "run.yaml", [*short, f"output={tmp_path / 'run'}"])
    outcome = train(config, show_progress=False)
    assert outcome["training"]["steps"] == 2
    assert (tmp_path / "run" / "model" / "adapter_model.safetensors").is_file()


# -- the commands themselves -------------------------------------------------------------------------------------------


def run_it(path, launcher=()):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("ACCELERATE_", "FSDP_"))}
    environment |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "DS_ACCELERATOR": "cpu"}
    command = [sys.executable, *launcher, "-m", "counterpoise", "train", str(path), "--quiet"]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)


def launch(path, name):
    """The command in the file's header, with two processes."""
    launcher = ["-m", "accelerate.commands.launch", "--config_file", str(config_file(path.parent, name))]
    return run_it(path, [*launcher, "--num_processes", "2", "--main_process_port", "0"])


def config_file(folder, name):
    """The example; that of ZeRO stage 3 with parameters of any size taken apart, however small the tests' model is."""
    if name != "deepspeed_zero3":
        return FOLDER / f"{name}.yaml"
    config = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    sizes = ("train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps", "gradient_clipping")
    zero = {"stage": config["deepspeed_config"]["zero_stage"], "stage3_param_persistence_threshold": 0}
    write_json(folder / "deepspeed.json", dict.fromkeys(sizes, "auto") | {"zero_optimization": zero})
    del config["mixed_precision"]
    config["deepspeed_config"] = {"deepspeed_config_file": str(folder / "deepspeed.json"), "zero3_init_flag": False}
    path = folder / "deepspeed_zero3.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def succeeded(done):
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-8000:]


def rows(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def assert_same(one, other):
    for mine, theirs in zip(rows(one), rows(other), strict=True):
        assert mine.keys() == theirs.keys()
        for key in mine:
            assert mine[key] == pytest.approx(theirs[key], rel=2e-5, abs=1e-7), (key, mine, theirs)
    ours, others = (load_file(folder / "model" / "model.safetensors") for folder in (one, other))
    assert ours.keys() == others.keys()
    for name in ours:
        assert others[name].dtype == torch.float32
        assert (ours[name] - others[name]).abs().max() < 1e-5, name


@pytest.mark.slow
@pytest.mark.parametrize("name", LAUNCHES)
def test_two_launched_processes_are_one(name, llama_folder, tmp_path):
    succeeded(run_it(write_run(tmp_path, "one", llama_folder)))
    succeeded(launch(write_run(tmp_path, "two", llama_folder), name))
    assert len(rows(tmp_path / "one")) == 8 + 3
    assert_same(tmp_path / "one", tmp_path / "two")
    assert json.loads((tmp_path / "two" / "environment.json").read_text())["processes"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", LAUNCHES[2:])
def test_zero_goes_on_as_it_began_and_not_otherwise(name, llama_folder, tmp_path):
    succeeded(launch(write_run(tmp_path, "whole", llama_folder), name))
    path = write_run(tmp_path, "cut", llama_folder)
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    shutil.copy(tmp_path / "cut" / "run.yaml", tmp_path / "before.yaml")
    (tmp_path / "cut" / "run.yaml").write_text((tmp_path / "before.yaml").read_text().replace("/whole", "/cut"))
    for left_behind in ("checkpoint-6", "checkpoint-8", "model"):
        shutil.rmtree(tmp_path / "cut" / left_behind)
    (tmp_path / "cut" / "results.json").unlink()

    refused = run_it(path)
    assert refused.returncode == 2
    assert f"DeepSpeed ZeRO stage {name[-1]} and 2 processes when this checkpoint was written" in refused.stderr

    succeeded(launch(path, name))
    assert_same(tmp_path / "whole", tmp_path / "cut")
    assert json.loads((tmp_path / "cut" / "results.json").read_text())["training"]["resumed_from"] == 4


@pytest.mark.slow
@pytest.mark.parametrize("name", LAUNCHES[1:])
def test_bfloat16_is_the_same_bfloat16(name, llama_folder, tmp_path):
    """Products in bfloat16; weights, scores and exchanged gradients in float32. One step: Adam magnifies roundings."""
    for precision in ("float32", "bfloat16"):
        run = {"precision": precision, "max_steps": 1}
        succeeded(run_it(write_run(tmp_path, f"one-{precision}", llama_folder, **run)))
    succeeded(launch(write_run(tmp_path, "two", llama_folder, precision="bfloat16", max_steps=1), name))
    exact, one, two = (rows(tmp_path / name)[0] for name in ("one-float32", "one-bfloat16", "two"))
    assert one["loss"] != pytest.approx(exact["loss"], rel=5e-6), "bfloat16 shows"
    assert two["loss"] == pytest.approx(one["loss"], rel=5e-7)
    assert two["grad_norm"] == pytest.approx(one["grad_norm"], rel=1e-5)
