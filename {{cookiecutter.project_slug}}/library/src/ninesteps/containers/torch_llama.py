"""A Llama computed by transformers, on a GPU if there is one: it scores and replies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from chat_text import Exchange, Message
from model_backend import BackendName, ReplyLoss
from model_files import LanguageModelError
from torch_files import read_chat, read_model
from torch_passes import NoRoomError, Passes, memory

TOKENS_CACHED_ON_CPU = 32_768


class TorchLlama:
    """A model that scores and replies.

    It computes in float32 if half of the free memory is enough, also on a GPU: in bfloat16, the
    reply to a prompt can depend on the other prompts in a batch, but an endpoint must reply as in
    the evaluation.
    """

    name: BackendName = "torch"

    def __init__(
        self,
        folder: Path,
        context: int | None,
        device: torch.device,
        changes: Iterable[tuple[str, NDArray[np.float32]]] = (),
    ) -> None:
        self.chat = read_chat(folder, context)
        model = read_model(folder, torch.float32, "sdpa")
        with torch.no_grad():
            for name, change in changes:
                model.get_parameter(f"{name}.weight").add_(torch.from_numpy(change))
        if device.type == "cuda" and 8 * model.num_parameters() > torch.cuda.mem_get_info()[0]:
            model = model.to(torch.bfloat16)
        self._model = moved(model, device).eval()
        self._passes = Passes(self._model, None, trains=False)

    def losses(self, conversations: Sequence[Exchange]) -> list[ReplyLoss]:
        """The model's loss of each conversation's reply, given its prompt."""
        return self._passes.reply_losses(self.chat.examples(conversations))

    def fits(self, prompt: Sequence[Message], max_tokens: int) -> bool:
        """Whether the last question of a prompt fits as a whole, with room for the reply."""
        return self.chat.fits(prompt, max_tokens)

    def replies(self, prompts: Sequence[Sequence[Message]], max_tokens: int) -> list[str]:
        """The greedy reply to each prompt, of at most `max_tokens` tokens.

        Raises:
            LanguageModelError: if memory is insufficient for a single prompt.
        """
        asked = self.chat.prompts(prompts, max_tokens)
        order = sorted(range(len(asked)), key=lambda number: -len(asked[number]))
        written = [""] * len(asked)
        most = 256
        while order:
            longest = len(asked[order[0]])
            count = min(most, self._at_once(longest + max_tokens))
            now = order[:count]
            try:
                with memory(), torch.inference_mode():
                    tokens = self._generated([asked[number] for number in now], max_tokens)
            except NoRoomError as error:
                if count == 1:
                    raise LanguageModelError(
                        f"expected memory for one prompt of {longest} tokens, got too little"
                    ) from error
                most = count // 2
                continue
            for number, reply in zip(now, tokens, strict=True):
                written[number] = self.chat.reply(reply)
            order = order[count:]
        return written

    def _at_once(self, tokens: int) -> int:
        """How many replies are written at a time: as many as fit into half of the free memory."""
        device, config = self._model.device, self._model.config
        if device.type != "cuda":
            return max(1, TOKENS_CACHED_ON_CPU // tokens)
        width = 2 * config.num_key_value_heads * config.head_dim * config.num_hidden_layers
        cached = tokens * width * self._model.dtype.itemsize
        return max(1, int(torch.cuda.mem_get_info(device)[0] // (2 * cached)))

    def _generated(self, prompts: Sequence[tuple[int, ...]], max_tokens: int) -> list[list[int]]:
        """The tokens after each prompt; prompts are padded on the left, with a mask."""
        longest, end = max(map(len, prompts)), self.chat.ends[0]
        ids = torch.tensor([[end] * (longest - len(p)) + list(p) for p in prompts])
        seen = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
        settings = transformers.GenerationConfig(
            max_new_tokens=max_tokens,
            do_sample=False,
            eos_token_id=list(self.chat.ends),
            pad_token_id=end,
        )
        device = self._model.device
        written = self._model.generate(
            ids.to(device), attention_mask=seen.to(device), generation_config=settings
        )
        replies: list[list[int]] = written[:, longest:].tolist()
        return replies


def moved(
    model: transformers.LlamaForCausalLM, device: torch.device
) -> transformers.LlamaForCausalLM:
    """A model on its device.

    Raises:
        LanguageModelError: if its memory is too small.
    """
    try:
        with memory():
            return model.to(device)
    except NoRoomError as error:
        size = model.num_parameters() * model.dtype.itemsize / 1e9
        raise LanguageModelError(
            f"expected {size:.1f} GB of free memory for the model, got less: "
            "use a machine with more"
        ) from error
