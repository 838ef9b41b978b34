"""How likely is each answer after its question? Option log-likelihoods, each shared token read once.

Questions and options are laid out as a tree: tokens with which several sequences begin (few-shot examples, a question
that four options follow) are computed once, in rows without padding where each token attends to its own path alone.
Batches walk the tree from left to right; the keys and values of the path on which the next batch goes on are kept. The
LM head sees the positions that predict an option, and no others. An option of one token costs no pass of its own.

    scores = score_options(model, renderer, [("Which process ...?", ("angiogenesis", "autophagy"))])
    scores[0].mean             # [2] mean log-probability per token of each option
    scorer = OptionScorer(model, tokenizer.pad_token_id)            # for token ids, whatever the format
    for number, scores in scorer.score([TokenItem(context_ids, [option_ids, other_ids])]): ...

`OptionScorer` tries its layouts on a few random tokens and takes the first that gives the model's own hidden states:
"tree" (attention path by path; on CPUs), "dense" (one mask over the row), "alone" (each option read in full: encoder-
decoders, virtual tokens, recurrent layers, kernels that take no mask).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers.cache_utils import Cache

from counterpoise.data.encoded import Encoded
from counterpoise.data.example import Example, Message
from counterpoise.data.rendering import Renderer
from counterpoise.errors import UserError
from counterpoise.evaluation.nll import sequence_nll
from counterpoise.evaluation.path_attention import PathLayer, following_paths
from counterpoise.evaluation.token_tree import Batch, TokenItem, TokenTree
from counterpoise.models.cpu_attention import CPU_ATTENTION
from counterpoise.models.head import find_head
from counterpoise.models.hidden import base_of, body_of, compute_context, final_hidden, relative_difference
from counterpoise.models.virtual import virtual_tokens
from counterpoise.scoring import token_log_probs

Question = tuple[str, Sequence[str]]
"""A prompt and its options."""
Layout = Literal["tree", "dense", "alone"]
_ALONE = {torch.float64: 1e-6, torch.float32: 1e-4}  # root mean square, relative
_ALONE_16_BIT = 3e-2


@dataclass(frozen=True)
class OptionScores:
    """Log-likelihoods of the options of one question, in nats, and summed token probabilities; arrays are [options]."""

    total: NDArray[np.float64]
    tokens: NDArray[np.int64]
    confidence: NDArray[np.float64]

    @property
    def mean(self) -> NDArray[np.float64]:
        """Length-normalised: mean log-probability per token."""
        return self.total / self.tokens


def score_options(
    model: Any,
    renderer: Renderer,
    questions: Sequence[Question],
    *,
    rows: int = 16,
    on_progress: Callable[[int], None] | None = None,
) -> list[OptionScores]:
    """Score the options of each question, rendered as they are trained: an answer includes its end-of-turn token.

    Args:
        model: a language model, PEFT-wrapped or not; put in evaluation mode.
        renderer: the renderer that training used.
        questions: prompts with their options; a question may have any number of options.
        rows: sequences a batch where each option is read in full.
        on_progress: called with the number of questions done after each batch.
    """
    items = [_item(renderer, prompt, options) for prompt, options in questions]
    results: dict[int, OptionScores] = {}
    for number, scores in OptionScorer(model, renderer.tokenizer.pad_token_id, rows=rows).score(items):
        results[number] = scores
        if on_progress is not None:
            on_progress(len(results))
    return [results[i] for i in range(len(questions))]


def _item(renderer: Renderer, prompt: str, options: Sequence[str]) -> TokenItem:
    encoded = [
        renderer.encode(Example((Message("user", prompt), Message("assistant", option)), source=prompt[:60]))
        for option in options
    ]
    start = encoded[0].supervised.index(True)
    context = encoded[0].input_ids[:start]
    if any(option.input_ids[:start] != context or option.encoder_ids != encoded[0].encoder_ids for option in encoded):
        raise UserError(
            f"the options of {prompt[:60]!r} do not share their prompt's tokens: max_length cuts the prompt "
            "differently for each answer; expected a larger max_length"
        )
    ends = [len(option.supervised) - option.supervised[::-1].index(True) for option in encoded]
    answers = [option.input_ids[start:end] for option, end in zip(encoded, ends, strict=True)]
    return TokenItem(context, answers, encoded[0].encoder_ids or None)


class OptionScorer:
    """Scores options that are token ids.

    Args:
        model: a language model, PEFT-wrapped or not; put in evaluation mode.
        padding: a token id.
        batch_tokens: tokens whose keys and values a batch holds at most, those it goes on from included; a single
            sequence that is longer is a batch of its own.
        rows: sequences a batch of the layout "alone".
        layout: None for the fastest that gives the model's own hidden states.
    """

    def __init__(
        self, model: Any, padding: int, *, batch_tokens: int = 4096, rows: int = 16, layout: Layout | None = None
    ) -> None:
        self.model, self.padding, self.batch_tokens, self.rows = model.eval(), padding, batch_tokens, rows
        self.windows = sliding_windows(base_of(model).config.get_text_config())
        self.layout = layout or next(name for name in self._possible() if self._is_exact(name))

    def score(self, items: Sequence[TokenItem]) -> Iterator[tuple[int, OptionScores]]:
        """Yield the number of each item and its scores, in any order, as batches finish."""
        if not items:
            return
        if self.layout == "alone":
            yield from self._score_alone(items)
            return
        tree, head = TokenTree(items), find_head(self.model)
        total, missing, done = np.zeros(len(tree.owners)), tree.demands_of_items.copy(), 0
        confidence = np.zeros(len(tree.owners))
        for batch, hidden in self.hidden(tree):
            first, last = np.searchsorted(tree.rows, [batch.first, batch.first + len(batch.ids)])
            if first == last:
                continue
            place = torch.from_numpy(tree.rows[first:last] - batch.first).to(hidden.device)
            targets = torch.from_numpy(tree.targets[first:last]).to(hidden.device)
            with torch.no_grad(), compute_context(self.model):
                found = token_log_probs(
                    hidden[place], head.weight, targets, bias=head.bias, softcap=head.softcap, scale=head.scale
                )
            options = tree.options[first:last]
            np.add.at(total, options, found.double().cpu().numpy())
            np.add.at(confidence, options, found.double().exp().cpu().numpy())
            np.subtract.at(missing, tree.owners[options], 1)
            for number in np.unique(tree.owners[options]):
                if not missing[number]:
                    start = tree.first_option[number]
                    part = slice(start, start + len(items[number].options))
                    yield (
                        int(number),
                        OptionScores(total[part].copy(), tree.tokens[part].copy(), confidence[part].copy()),
                    )
                    done += 1
        assert done == len(items), "every option has at least one token"

    @torch.no_grad()
    def _score_alone(self, items: Sequence[TokenItem]) -> Iterator[tuple[int, OptionScores]]:
        """Read question and option anew for each option, questions of like length together."""
        order = sorted(range(len(items)), key=lambda i: len(items[i].context) + len(items[i].encoder or ()))
        while order:
            chosen: list[int] = []
            rows = widest = 0
            while order and (not chosen or rows + len(items[order[0]].options) <= self.rows):
                item = items[order[0]]
                width = len(item.context) + max(map(len, item.options)) + len(item.encoder or ())
                rows += len(item.options)
                if chosen and rows * max(width, widest) > self.batch_tokens:
                    break
                widest = max(widest, width)
                chosen.append(order.pop(0))
            encoded = [
                Encoded(
                    items[i].context + option,
                    [False] * len(items[i].context) + [True] * len(option),
                    encoder_ids=items[i].encoder or (),
                )
                for i in chosen
                for option in items[i].options
            ]
            nll = sequence_nll(
                self.model, encoded, self.padding, rows=max(1, min(self.rows, self.batch_tokens // widest))
            )
            start = 0
            for i in chosen:
                part = slice(start, start + len(items[i].options))
                yield i, OptionScores(-nll.total[part], nll.tokens[part], nll.confidence[part])
                start = part.stop

    def hidden(self, tree: TokenTree) -> Iterator[tuple[Batch, Tensor]]:
        """Yield the batches of a tree and [T, H], the hidden states of their tokens, which the LM head reads."""
        layout, longest = self.layout, tree.longest
        if layout == "tree" and min(self.windows.values(), default=longest) < longest:
            layout = "dense"
        path: list[tuple[Tensor, Tensor]] = []
        for batch in tree.batches(self.batch_tokens):
            yield batch, self._forward(batch, path, layout)

    @torch.no_grad()
    def _forward(self, batch: Batch, path: list[tuple[Tensor, Tensor]], layout: Layout | None) -> Tensor:
        """[T, H]; ``path``, the keys and values of each layer that the batch goes on from, becomes that of the next."""
        device = next(self.model.parameters()).device
        inputs: dict[str, Any] = {
            "input_ids": torch.from_numpy(batch.ids)[None].to(device),
            "position_ids": torch.from_numpy(batch.positions)[None].to(device),
            "use_cache": False,
        }
        layers: list[PathLayer] = []
        if batch.cached or len(batch.keep):
            keep = torch.from_numpy(batch.keep).to(device)
            number = base_of(self.model).config.get_text_config().num_hidden_layers
            layers = [PathLayer(keep, *(path[i] if batch.cached else (None, None))) for i in range(number)]
            inputs |= {"past_key_values": Cache(layers=layers), "use_cache": True}
        if layout == "dense":
            inputs["attention_mask"] = self._masks(batch, device)
        attention = following_paths(self.model, batch) if layout == "tree" else contextlib.nullcontext()
        with compute_context(self.model), attention:
            found: Tensor = body_of(self.model)(**inputs)[0][0]
        path[:] = [layer.kept for layer in layers] if len(batch.keep) else []
        return found

    def _masks(self, batch: Batch, device: torch.device) -> Tensor | dict[str, Tensor]:
        """[1, 1, T, cached + T], one a kind of layer where some slide: bool, or additive for the eager attention."""
        allowed = torch.from_numpy(batch.allowed()).to(device)[None, None]
        queries = torch.from_numpy(batch.positions).to(device)
        keys = torch.cat([torch.arange(batch.cached, device=device), queries])
        base = base_of(self.model)
        found = {"full_attention": allowed}
        for kind, window in self.windows.items():
            found[kind] = allowed & (queries[:, None] - keys < window)
        if base.config._attn_implementation == "eager":
            dtype = base.get_input_embeddings().weight.dtype
            for kind, mask in found.items():
                found[kind] = torch.zeros(mask.shape, dtype=dtype, device=device).masked_fill(
                    ~mask, torch.finfo(dtype).min
                )
        if not self.windows:
            return found["full_attention"]
        kinds = getattr(base.config.get_text_config(), "layer_types", None)
        return found if kinds else found["sliding_attention"]

    def _possible(self) -> list[Layout]:
        base = base_of(self.model)
        kinds = set(getattr(base.config.get_text_config(), "layer_types", None) or ["full_attention"])
        if base.config.is_encoder_decoder or not kinds <= {"full_attention", "sliding_attention"}:
            return ["alone"]
        if virtual_tokens(self.model) is not None:
            return ["alone"]
        kernel = base.config._attn_implementation
        on_cpu = next(self.model.parameters()).device.type == "cpu"
        possible: list[Layout] = ["alone"]
        if kernel in ("sdpa", "eager", CPU_ATTENTION):
            possible.insert(0, "dense")
        if on_cpu and kernel in ("sdpa", CPU_ATTENTION):
            possible.insert(0, "tree")
        return possible

    @torch.no_grad()
    def _is_exact(self, layout: Layout) -> bool:
        """Whether random tokens in a branching tree, in small batches, have the hidden states that they have alone."""
        if layout == "alone":
            return True
        vocabulary = base_of(self.model).get_input_embeddings().weight.shape[0]
        ids = np.random.default_rng(0).integers(vocabulary, size=40).tolist()
        items = [
            TokenItem(ids[:12], [ids[12:16], ids[16:18], ids[18:36]]),
            TokenItem(ids[:6] + ids[20:32], [ids[:3], ids[:1]]),
        ]
        tree, size = TokenTree(items), self.batch_tokens
        device = next(self.model.parameters()).device
        self.layout, self.batch_tokens = layout, 24
        try:
            found = torch.cat([hidden for _, hidden in self.hidden(tree)])
            for ids, where in zip(tree.sequences, tree.paths, strict=True):
                alone = final_hidden(self.model, input_ids=torch.tensor([ids], device=device))[0]
                here = found[torch.from_numpy(where).to(device)]
                if not relative_difference(here, alone) <= _ALONE.get(alone.dtype, _ALONE_16_BIT):
                    return False
        except (TypeError, ValueError, RuntimeError, IndexError, KeyError, AttributeError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            return False  # takes no position_ids, no cache of ours, or no mask made elsewhere
        finally:
            self.batch_tokens = size
        return True


def sliding_windows(config: Any) -> dict[str, int]:
    """The sliding window of the layers that have one."""
    window = getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None)
    slides = "sliding_attention" in kinds if kinds else getattr(config, "use_sliding_window", True)
    return {"sliding_attention": int(window)} if window and slides else {}
