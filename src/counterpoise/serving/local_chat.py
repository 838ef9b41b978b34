"""A conversation partner that runs in this process: same template and same stop tokens as evaluation.

partner = LocalChat("runs/first", max_new_tokens=256)
partner.answer([Message("user", "What is GFAP?")], write=print, note=print)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from counterpoise.data.example import Message
from counterpoise.errors import UserError
from counterpoise.serving.conversation import Write
from counterpoise.serving.naming import learned_plain


class LocalChat:
    """A model in this process; implements `conversation.Partner`.

    Args:
        model: alias, hub id, folder, run folder, .gguf file, or ``BASE+ADAPTER``.
        format: how prompts are written (`evaluation.prompt_format`); auto: the chat template where there is one and the
            model was not trained without, else the plain template.
        temperature: 0 takes the likeliest token each time, as evaluation does.
        max_new_tokens: longest answer; at most half of the model's window.
        say: told what takes time.
    """

    def __init__(
        self,
        model: str,
        *,
        format: str = "auto",
        temperature: float = 0.0,
        max_new_tokens: int = 512,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        from counterpoise.evaluation.local import LocalBackend
        from counterpoise.evaluation.prompt_format import prompt_format
        from counterpoise.evaluation.subjects import LocalModel, name_parts

        backend = LocalModel(model, say=say).backend()
        if not isinstance(backend, LocalBackend):
            raise UserError(f"{model}: this is an encoder, which writes no text; expected a language model")
        self._loaded, self.temperature = backend.loaded, temperature
        if format == "auto":
            format = (
                "plain" if learned_plain(name_parts(model)[1]) or not self._loaded.tokenizer.chat_template else "chat"
            )
        self.form = prompt_format(self._loaded, format, truncate=True)
        window = self.form.max_length
        self.max_new_tokens = max_new_tokens if window is None else max(1, min(max_new_tokens, window // 2))

    def answer(self, messages: list[Message], write: Write, note: Write) -> str:
        """See `conversation.Partner`."""
        import torch
        from transformers import GenerationConfig

        from counterpoise.evaluation.backend import Query
        from counterpoise.models.hidden import base_of, compute_context
        from counterpoise.models.virtual import virtual_tokens

        query = Query("the conversation", tuple(messages), max_new_tokens=self.max_new_tokens)
        self._trim(messages, query, note)
        query = Query("the conversation", tuple(messages), max_new_tokens=self.max_new_tokens)
        model, tokenizer = self._loaded.model, self._loaded.tokenizer
        base, virtual = base_of(model), virtual_tokens(model)
        ids = torch.tensor([self.form.generation_ids(query)], device=next(model.parameters()).device)
        mask = torch.ones_like(ids)
        inputs: dict[str, Any] = {"input_ids": ids, "attention_mask": mask}
        if virtual is not None:  # in front of the sample, as they are trained
            place = virtual.in_front_of(torch.arange(ids.shape[1], device=ids.device)[None] == 0)
            inputs = {
                "inputs_embeds": place.embed(base.get_input_embeddings()(ids)),
                "attention_mask": place.spread(mask),
            }
        sampling = {"temperature": self.temperature, "top_k": 0, "top_p": 1.0} if self.temperature > 0 else {}
        config = GenerationConfig(
            max_new_tokens=self.max_new_tokens,
            do_sample=self.temperature > 0,
            num_beams=1,
            repetition_penalty=1.0,
            no_repeat_ngram_size=0,
            eos_token_id=self.form.stop_token_ids,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            decoder_start_token_id=getattr(base.config, "decoder_start_token_id", None),
            **sampling,
        )
        with torch.no_grad(), compute_context(model):
            written = base.generate(**inputs, generation_config=config, streamer=_pieces(tokenizer, write))
        return "stop" if int(written[0, -1]) in self.form.stop_token_ids else "length"

    def _trim(self, messages: list[Message], query: Any, note: Write) -> None:
        """Take the oldest turns out of ``messages`` until prompt and answer fit the model's window."""
        cut = self.form.cut.tokens
        kept = list(self.form.fitted(query))
        gone = len(messages) - len(kept)
        if gone:
            note(f"the {gone} oldest messages no longer fit the model's window and are left out")
        if self.form.cut.tokens > cut:
            note(f"the question is too long: {self.form.cut.tokens - cut:,} tokens of its beginning are left out")
        messages[:] = kept


def _pieces(tokenizer: Any, write: Write) -> Any:
    """Return a streamer that hands over words as they are complete, special tokens left out."""
    from transformers import TextStreamer

    class Pieces(TextStreamer):
        def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
            del stream_end
            if text:
                write(text)

    return Pieces(tokenizer, skip_prompt=True, skip_special_tokens=True, clean_up_tokenization_spaces=False)
