"""`BalancedSFTTrainer` beside `trl.SFTTrainer` and beside plain references made from full logits."""

import json
import subprocess
import sys
from functools import cache
from types import SimpleNamespace

import pytest
import torch
from accelerate.data_loader import BatchSamplerShard
from datasets import Dataset
from peft import AutoPeftModelForCausalLM, LoraConfig, PromptEncoderConfig
from torch.utils.data import BatchSampler, SequentialSampler
from transformers import AutoModelForCausalLM, HfArgumentParser, TrainingArguments
from trl import SFTConfig, SFTTrainer

from counterpoise import objectives
from counterpoise.errors import UserError
from counterpoise.training import BalancedSFTConfig, BalancedSFTTrainer
from counterpoise.training.balanced import supervised
from tiny_families import tiny_family
from tiny_models import tiny_tokenizer

LENGTHS = (9, 23, 5, 31, 12, 17, 4, 26, 8, 14, 20)
MARKED = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}{% if m['role'] == 'assistant' %}"
    "{% generation %}{{ m['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}"
    "{% else %}{{ m['content'] + '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    """One thread is fastest for such models; TRL's telemetry would fail the test."""
    monkeypatch.setattr("trl.trainer.base_trainer.send_telemetry", lambda **sent: pytest.fail("telemetry was sent"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def llama(**changes):
    """A tiny Llama that is sure of some tokens, so that weights differ."""
    model = tiny_family("llama", **changes)
    with torch.no_grad():
        model.get_output_embeddings().weight *= 3
    return model


@cache
def rows(seed=0):
    """Samples of the model's own text; the first third of each, and a gap further on, are not supervised."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        starts = torch.randint(3, 259, (len(LENGTHS), 1))
        text = llama().generate(starts, do_sample=True, min_new_tokens=31, max_new_tokens=31, suppress_tokens=[0, 1, 2])
    samples = []
    for ids, length in zip(text, LENGTHS, strict=True):
        ids, labels = ids[:length], ids[:length].clone()
        labels[: length // 3] = -100
        labels[length // 2 : length // 2 + 2] = -100
        samples.append({"input_ids": ids.tolist(), "labels": labels.tolist()})
    return Dataset.from_list(samples)


def settings(folder, **changes):
    plain = {
        "bf16": False,
        "use_cpu": True,
        "save_strategy": "no",
        "logging_steps": 1,
        "optim": "sgd",
        "learning_rate": 0.2,
        "lr_scheduler_type": "constant",
        "num_train_epochs": 1,
        "disable_tqdm": True,
    }
    return {"output_dir": str(folder), **plain, **changes}


def make(folder, objective="bft", options=None, model=None, data=None, held_out=None, peft_config=None, **changes):
    args = BalancedSFTConfig(objective=objective, objective_options=options, **settings(folder, **changes))
    return BalancedSFTTrainer(
        llama() if model is None else model,
        args,
        train_dataset=rows() if data is None else data,
        eval_dataset=held_out,
        processing_class=tiny_tokenizer(),
        peft_config=peft_config,
    )


def batch_of(trainer, dataset=None):
    dataset = trainer.train_dataset if dataset is None else dataset
    return trainer.data_collator([dict(row) for row in dataset])


def reference_scores(model, data):
    """Log-probabilities, samples and full log-softmax of each sample alone, from full logits."""
    log_probs, samples, whole = [], [], []
    for sample, row in enumerate(data):
        logits = model(torch.tensor([row["input_ids"]])).logits[0, :-1].log_softmax(-1)
        labels = torch.tensor(row["labels"])[1:]
        kept = logits[labels != -100]
        whole.append(kept)
        log_probs.append(kept.gather(1, labels[labels != -100, None])[:, 0])
        samples += [sample] * len(kept)
    return torch.cat(log_probs), torch.tensor(samples), torch.cat(whole)


def gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_same(found, expected, tolerance=1e-6):
    assert found.keys() == expected.keys()
    assert found
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=tolerance, msg=lambda m, n=name: f"{n}: {m}")


CHOICES = [
    ("sft", {}),
    ("dft", {}),
    ("bft", {"variant": "v1", "window": 4}),
    ("bft", {"variant": "v1-geometric", "window": 4}),
    ("bft", {"variant": "v3", "window": 4}),
    ("talr", {}),
]


@pytest.mark.parametrize(("name", "options"), CHOICES)
def test_loss_and_gradients_are_those_of_the_objective_on_full_logits(tmp_path, name, options):
    trainer = make(tmp_path, name, options)
    trainer.model.train()
    found = trainer.compute_loss(trainer.model, batch_of(trainer))
    found_gradients = gradients(trainer.model, found)
    log_probs, samples, _ = reference_scores(trainer.model, rows())
    out = objectives.get(name, **options).loss(log_probs, samples)
    torch.testing.assert_close(found, out.loss, rtol=1e-5, atol=1e-6)
    assert_same(found_gradients, gradients(trainer.model, out.loss), tolerance=1e-5)


def test_sft_is_trl_sft(tmp_path):
    changes = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2, "optim": "adamw_torch"}
    runs = {}
    for name in ("trl", "ours"):
        model = llama()
        if name == "ours":
            trainer = make(tmp_path, "sft", model=model, learning_rate=1e-3, **changes)
        else:
            args = SFTConfig(**settings(tmp_path, learning_rate=1e-3, **changes))
            trainer = SFTTrainer.__new__(_SilentSFTTrainer)
            trainer.__init__(model, args, train_dataset=rows(), processing_class=tiny_tokenizer())
        before = trainer.evaluate(rows(seed=1))["eval_loss"]
        trainer.train()
        logs = [row for row in trainer.state.log_history if "loss" in row]
        runs[name] = {"logs": logs, "weights": dict(model.named_parameters()), "eval": before}
    ours, trl = runs["ours"], runs["trl"]
    assert len(ours["logs"]) == 3
    for key in ("loss", "grad_norm", "num_tokens"):
        assert [row[key] for row in ours["logs"]] == pytest.approx([row[key] for row in trl["logs"]], rel=1e-5), key
    assert ours["eval"] == pytest.approx(trl["eval"], rel=1e-6)
    assert_same(ours["weights"], trl["weights"], tolerance=2e-5)
    assert [row["nll"] for row in ours["logs"]] == pytest.approx([row["loss"] for row in ours["logs"]], rel=1e-5)
    assert not {"entropy", "mean_token_accuracy"} & ours["logs"][0].keys()


class _SilentSFTTrainer(SFTTrainer):
    def _send_telemetry(self):
        pass


@pytest.mark.parametrize(("name", "options"), [("bft", {"window": 4}), ("dft", {})])
def test_accumulation_leaves_the_run_as_it_is(tmp_path, name, options):
    runs = []
    for size, steps in ((8, 1), (2, 4), (1, 8)):  # 11 samples: the last step holds 3
        trainer = make(tmp_path, name, options, per_device_train_batch_size=size, gradient_accumulation_steps=steps)
        trainer.train()
        logs = [row for row in trainer.state.log_history if "loss" in row]
        assert [row["samples"] for row in logs] == [8, 3]
        runs.append((logs, dict(trainer.model.named_parameters())))
    for logs, weights in runs[1:]:
        for key in ("loss", "nll", "effective_share", "token_weight"):
            assert [row[key] for row in logs] == pytest.approx([row[key] for row in runs[0][0]], rel=1e-4), key
        assert_same(weights, runs[0][1], tolerance=1e-6)


LAYOUTS = {
    "bfd": {"packing": True, "max_length": 64},
    "bfd, padded to 16": {"packing": True, "max_length": 64, "pad_to_multiple_of": 16},
    "padding free": {"padding_free": True, "max_length": None},
}


VIRTUAL = PromptEncoderConfig(task_type="CAUSAL_LM", num_virtual_tokens=3, encoder_hidden_size=16)


@pytest.mark.parametrize("attention", ["sdpa", "eager", "p-tuning"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_packed_is_padded(tmp_path, layout, attention):
    found = {}
    for name, changes in (("padded", {}), (layout, LAYOUTS[layout])):
        tuning = {"peft_config": VIRTUAL} if attention == "p-tuning" else {}
        model = llama(attn_implementation="sdpa" if tuning else attention)
        trainer = make(tmp_path, "bft", {"variant": "v1", "window": 4}, model=model, **tuning, **changes)
        model = trainer.model
        batch = batch_of(trainer)
        assert ("attention_mask" in batch) == (name == "padded")
        assert supervised(batch)[2] == len(LENGTHS)
        model.train()
        loss = trainer.compute_loss(model, batch)
        found[name] = loss.detach(), gradients(model, loss)
    torch.testing.assert_close(found[layout][0], found["padded"][0], rtol=1e-5, atol=1e-6)
    assert_same(found[layout][1], found["padded"][1], tolerance=1e-5)


def test_packed_training_and_evaluation(tmp_path):
    trainer = make(
        tmp_path, options={"window": 4}, packing=True, max_length=64, per_device_train_batch_size=2, max_steps=3
    )
    measured = trainer.evaluate(rows(seed=1))
    log_probs, _, _ = reference_scores(trainer.model.eval(), rows(seed=1))
    assert measured["eval_nll"] == pytest.approx(-log_probs.mean().item(), rel=1e-5)
    assert measured["eval_samples"] == len(LENGTHS)
    trainer.train()
    logs = [row for row in trainer.state.log_history if "loss" in row]
    assert len(logs) == 3
    assert logs[-1]["num_tokens"] > logs[0]["num_tokens"] > 0


def test_evaluation(tmp_path):
    data = rows(seed=1)
    held_out = {"a": data, "b": rows(seed=2)}
    trainer = make(tmp_path, options={"window": 4}, held_out=held_out, eval_strategy="steps", eval_steps=1, max_steps=1)
    trainer.train()
    logged = next(row for row in trainer.state.log_history if "eval_a_loss" in row)
    log_probs, samples, _ = reference_scores(trainer.model.eval(), data)
    assert logged["eval_a_nll"] == pytest.approx(-log_probs.mean().item(), rel=1e-5)
    out = objectives.get("bft", window=4).loss(log_probs, samples)
    assert logged["eval_a_p_conf"] == pytest.approx(out.metrics["p_conf"], rel=1e-4)
    assert trainer.predict(data).metrics["test_nll"] == pytest.approx(logged["eval_a_nll"], rel=1e-6)


def test_compute_metrics_gets_logits(tmp_path):
    seen = []

    def metrics(prediction):
        seen.append(prediction.predictions.shape)
        return {"seen": 1.0}

    args = BalancedSFTConfig(**settings(tmp_path, per_device_eval_batch_size=11))
    trainer = BalancedSFTTrainer(
        llama(),
        args,
        train_dataset=rows(),
        eval_dataset=rows(seed=1),
        processing_class=tiny_tokenizer(),
        compute_metrics=metrics,
    )
    assert trainer.evaluate()["eval_seen"] == 1.0
    assert seen == [(11, 31, 272)]


def test_lora_trains_saves_and_reloads(tmp_path):
    data = rows()
    trainer = make(
        tmp_path / "run", model=_saved_base(tmp_path), peft_config=LoraConfig(target_modules="all-linear", r=4)
    )
    before = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    trainer.train()
    moved = {name for name, p in trainer.model.named_parameters() if not p.equal(before[name])}
    assert moved
    assert all("lora_" in name for name in moved)
    trainer.save_model(str(tmp_path / "adapter"))
    again = AutoPeftModelForCausalLM.from_pretrained(tmp_path / "adapter")
    expected = reference_scores(trainer.model.eval(), data)[0]
    torch.testing.assert_close(reference_scores(again.eval(), data)[0], expected)


def _saved_base(tmp_path):
    llama().save_pretrained(tmp_path / "base")
    return AutoModelForCausalLM.from_pretrained(tmp_path / "base")


def test_full_model_saves_reloads_and_generates(tmp_path):
    trainer = make(tmp_path)
    trainer.train()
    trainer.save_model(str(tmp_path / "model"))
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "model").eval()
    prompt = torch.tensor([[5, 6, 7]])
    torch.testing.assert_close(again(prompt).logits, trainer.model.eval()(prompt).logits)
    generated = trainer.model.generate(prompt, max_new_tokens=4, do_sample=False)
    assert generated.equal(again.generate(prompt, max_new_tokens=4, do_sample=False))


@pytest.mark.parametrize("adapter", [True, False], ids=["lora", "full"])
def test_reference_objectives_compare_with_the_start(tmp_path, adapter):
    peft_config = LoraConfig(target_modules="all-linear", r=4) if adapter else None
    trainer = make(tmp_path, "asft", {"kl_weight": 0.5}, peft_config=peft_config, max_steps=2, learning_rate=1.0)
    start = llama()
    trainer.train()
    trainer.model.train()
    found = trainer.compute_loss(trainer.model, batch_of(trainer))
    log_probs, samples, policy = reference_scores(trainer.model, rows())
    _, _, reference = reference_scores(start, rows())
    kl = (reference.exp() * (reference - policy)).sum(-1)
    assert kl.mean() > 1e-3
    expected = objectives.get("asft", kl_weight=0.5).loss(log_probs, samples, reference_kl=kl).loss
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_completion_only(tmp_path):
    data = Dataset.from_dict({"prompt": ["TP53 is", "INS:"], "completion": [" a guard.", " a hormone."]})
    trainer = make(tmp_path, data=data)
    targets, samples, count = supervised(batch_of(trainer))
    texts = [tiny_tokenizer().decode(targets.flatten()[targets.flatten() != -100][samples == s]) for s in range(count)]
    assert texts == [" a guard.<|im_end|>", " a hormone.<|im_end|>"]


def test_assistant_only(tmp_path):
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = MARKED
    turns = [("user", "What is TP53?"), ("assistant", "A guard."), ("user", "And INS?"), ("assistant", "A hormone.")]
    data = Dataset.from_list([{"messages": [{"role": role, "content": text} for role, text in turns]}])
    args = BalancedSFTConfig(**settings(tmp_path, assistant_only_loss=True))
    trainer = BalancedSFTTrainer(llama(), args, train_dataset=data, processing_class=tokenizer)
    targets, _, count = supervised(batch_of(trainer))
    assert count == 1
    assert tokenizer.decode(targets[targets != -100]) == "A guard.<|im_end|>A hormone.<|im_end|>"


def test_a_micro_batch_without_supervised_tokens(tmp_path):
    trainer = make(tmp_path)
    batch = batch_of(trainer)
    batch["labels"] = torch.full_like(batch["labels"], -100)
    trainer.model.train()
    loss = trainer.compute_loss(trainer.model, batch, num_items_in_batch=torch.tensor(4.0))
    assert loss.item() == 0
    assert all((value == 0).all() for value in gradients(trainer.model, loss).values())


def test_supervised_tokens_know_their_sample():
    batch = {
        "labels": torch.tensor([[7, 8, -100, 9, 5, 6, 4, 3, -100, -100]]),
        "position_ids": torch.tensor([[0, 1, 2, 3, 0, 0, 1, 2, 0, 0]]),  # 4 tokens, 1 token, 3 tokens, padding
    }
    targets, samples, count = supervised(batch)
    assert targets.tolist() == [[8, -100, 9, -100, -100, 4, 3, -100, -100, -100]]
    assert samples.tolist() == [0, 0, 1, 1]  # the one-token sample has nothing to predict and does not count
    assert count == 2
    batch["attention_mask"] = torch.ones(1, 10)
    assert supervised(batch)[1].tolist() == [0] * 6


@pytest.mark.parametrize("world", [2, 3])
def test_samples_that_accelerate_repeats_lose_their_labels(world):
    for count in range(1, 14):
        kept = []
        for rank in range(world):
            shard = list(BatchSamplerShard(BatchSampler(SequentialSampler(range(count)), 2, False), world, rank))
            for step, indices in enumerate(shard):
                state = SimpleNamespace(end_of_dataloader=step == len(shard) - 1, remainder=count % (2 * world))
                trainer = SimpleNamespace(accelerator=SimpleNamespace(gradient_state=state, process_index=rank))
                batch = {"labels": torch.tensor(indices)[:, None].expand(-1, 3)}
                labels = BalancedSFTTrainer._without_repeats(trainer, batch)["labels"]
                kept += labels[labels[:, 0] != -100, 0].tolist()
        assert sorted(kept) == list(range(count)), count


def test_resume(tmp_path):
    changes = {"per_device_train_batch_size": 2, "optim": "adamw_torch", "learning_rate": 1e-2}
    whole = make(tmp_path / "whole", **changes)
    whole.train()
    first = make(tmp_path / "cut", save_strategy="steps", save_steps=3, save_total_limit=1, max_steps=3, **changes)
    first.train()
    second = make(tmp_path / "cut", save_strategy="no", **changes)
    second.train(resume_from_checkpoint=str(tmp_path / "cut" / "checkpoint-3"))
    card = (tmp_path / "cut" / "README.md").read_text()
    assert "SFT under the objective bft" in card
    assert second.state.global_step == whole.state.global_step == 6
    assert_same(dict(second.model.named_parameters()), dict(whole.model.named_parameters()))
    logs = [[row["nll"] for row in run.state.log_history if "nll" in row][3:] for run in (second, whole)]
    assert logs[0] == pytest.approx(logs[1], rel=1e-5)


def test_bfloat16_autocast(tmp_path):
    trainer = make(tmp_path, bf16=True, options={"window": 4})
    trainer.train()
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    exact = make(tmp_path, options={"window": 4})
    exact.train()
    assert losses == pytest.approx([row["loss"] for row in exact.state.log_history if "loss" in row], rel=0.05)


REFUSED = [
    ({"objective": "bfd"}, "did you mean 'bft'"),
    ({"objective_options": {"windows": 3}}, "no option 'windows'"),
    ({"objective_options": "window"}, "expected a mapping"),
    ({"loss_type": "dft"}, "choose the objective"),
    ({"label_smoothing_factor": 0.1}, "label_smoothing_factor"),
    ({"use_liger_kernel": True}, "use_liger_kernel"),
    ({"packing": True, "packing_strategy": "wrapped"}, "expected 'bfd'"),
    ({"eval_packing": True}, "without packing"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_config_refuses(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        BalancedSFTConfig(**settings(tmp_path, **changes))


def test_trainer_refuses(tmp_path):
    def refuse(message, args=None, data=None, model=None, **named):
        args = BalancedSFTConfig(**settings(tmp_path)) if args is None else args
        named = {"train_dataset": rows() if data is None else data, "processing_class": tiny_tokenizer()} | named
        with pytest.raises(UserError, match=message):
            BalancedSFTTrainer(llama() if model is None else model, args, **named)

    refuse("expected a BalancedSFTConfig", args=SFTConfig(**settings(tmp_path)))
    refuse("expected a BalancedSFTConfig", args=TrainingArguments(str(tmp_path), use_cpu=True))
    refuse("compute_loss_func", compute_loss_func=lambda *given, **named: 0)
    refuse("images are not supported", data=Dataset.from_dict({"image": [1], "text": ["a"]}))
    refuse("has an encoder", model=tiny_family("t5"))
    refuse("router_aux_loss_coef=0.0", model=_mixture_of_experts())


def _mixture_of_experts():
    from transformers import MixtralConfig, MixtralForCausalLM

    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    return MixtralForCausalLM(MixtralConfig(vocab_size=272, num_key_value_heads=2, num_local_experts=2, **shape))


def test_mixture_of_experts_without_router_loss(tmp_path):
    trainer = make(tmp_path, model=_mixture_of_experts(), router_aux_loss_coef=0.0, max_steps=1)
    trainer.train()
    assert trainer.state.global_step == 1


def test_command_line_arguments(tmp_path):
    parser = HfArgumentParser(BalancedSFTConfig)
    words = ["--output_dir", str(tmp_path), "--objective", "bft", "--objective_options", '{"window": 8}', "--use_cpu"]
    (args,) = parser.parse_args_into_dataclasses(words)
    assert args.build_objective() == objectives.get("bft", window=8)
    assert "{" in parser.format_help()


def test_importing_training_does_not_import_trl():
    code = "import sys, counterpoise.training; assert 'trl' not in sys.modules and 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


KINDS = {"padded": {}, "packed": {"packing": True, "max_length": 64}}


def train_and_measure(folder, world):
    """Train on 11 samples, 4 a round over all ranks, twice a step: the last round is short."""
    found = {}
    for kind, changes in KINDS.items():
        size = {"per_device_train_batch_size": 4 // world, "per_device_eval_batch_size": 4 // world}
        trainer = make(folder, "bft", {"window": 4}, gradient_accumulation_steps=2, **size, **changes)
        trainer.train()
        measured = trainer.evaluate(rows(seed=1))
        found[kind] = {
            "logs": [row for row in trainer.state.log_history if "loss" in row],
            "weights": [p.double().abs().sum().item() for p in trainer.model.parameters()],
            "held out": [measured["eval_nll"], measured["eval_samples"]],
        }
    return found


RANK = """
import json, os, sys
sys.path[:0] = {paths}
import torch
torch.set_num_threads(1)
from test_balanced import train_and_measure
found = train_and_measure(sys.argv[1], 2)
if os.environ["RANK"] == "0":
    print("FOUND" + json.dumps(found))
"""


@pytest.mark.slow
def test_two_ranks_are_one(tmp_path):
    script = tmp_path / "rank.py"
    script.write_text(RANK.format(paths=[path for path in sys.path if "tests" in path]))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*launch, str(script), str(tmp_path / "two")], capture_output=True, text=True, check=False, timeout=180
    )
    assert done.returncode == 0, done.stderr[-3000:]
    two, one = json.loads(done.stdout.split("FOUND")[1]), train_and_measure(tmp_path / "one", 1)
    assert sum(row["samples"] for row in one["padded"]["logs"]) == len(LENGTHS)
    for kind in KINDS:
        for key in ("loss", "nll", "grad_norm", "samples", "tokens", "p_conf"):
            found, expected = ([row[key] for row in run[kind]["logs"]] for run in (two, one))
            assert found == pytest.approx(expected, rel=1e-4), (kind, key)
        assert two[kind]["weights"] == pytest.approx(one[kind]["weights"], rel=1e-6)
        assert two[kind]["held out"] == pytest.approx(one[kind]["held out"], rel=1e-5)
