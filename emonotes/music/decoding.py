"""The arithmetic of the language model for writing: a memory that is laid out once, matrices in half precision, no Python between two operations."""

import warnings

import torch


class _Half(torch.nn.Module):
    """`x -> x @ weight.T` of a matrix in half precision by FBGEMM; sums in full precision. At every word all weights go through the processor,
    and half the bytes take half the time."""

    def __init__(self, weight):
        super().__init__()
        self.packed = torch.ops.quantized.linear_prepack_fp16(weight.float(), None)

    def forward(self, x):
        return torch.ops.quantized.linear_dynamic_fp16(x, self.packed)


def _times(weight) -> torch.nn.Module:
    """`x -> x @ weight.T` with weights rounded to half precision, in which they are shipped."""
    if "fbgemm" in torch.backends.quantized.supported_engines:
        return _Half(weight)
    plain = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    plain.weight = torch.nn.Parameter(weight.half().float(), requires_grad=False)
    return plain


def _normed(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """`x` by its root mean square (Zhang & Sennrich 2019)."""
    return x * weight * torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(x.shape[-1]).add_(eps).rsqrt_()


class _Layer(torch.nn.Module):
    """One layer: its weights `held` by name, and what it does to rows of words."""

    def __init__(self, held: dict, heads: int, shared: int, eps: float):
        super().__init__()
        self.first, self.second = held["input_layernorm.weight"], held["post_attention_layernorm.weight"]
        self.qkv = _times(torch.cat([held[f"self_attn.{k}_proj.weight"] for k in "qkv"]))
        self.up = _times(torch.cat([held["mlp.gate_proj.weight"], held["mlp.up_proj.weight"]]))
        self.o, self.down = _times(held["self_attn.o_proj.weight"]), _times(held["mlp.down_proj.weight"])
        self.heads, self.shared, self.size, self.eps = heads, shared, len(self.first) // heads, eps

    def forward(self, x, cos, sin, memory, rows, at, begin: int, stop: int, end: int, unseen: torch.Tensor | None):
        """`x` float[n, t, width] of the rows `begin` to `stop` of the `memory`, `rows` int[n, 1], at places `at` int[n, t], all before `end`."""
        n, t = x.shape[0], x.shape[1]
        new = self.qkv(_normed(x, self.first, self.eps)).view(n, t, -1, self.size)
        new = new * cos + new.roll(self.size // 2, -1) * sin  # rotary positions (Su et al. 2021); values stay as they are
        memory[rows, :, at] = new[:, :, self.heads:]
        k, v = memory[begin:stop, :self.shared, :end], memory[begin:stop, self.shared:, :end]
        many = new[:, :, :self.heads].view(n, t, self.shared, -1, self.size).permute(0, 2, 3, 1, 4).reshape(n, self.shared, -1, self.size)
        found = (many @ k.mT).view(n, self.heads, t, -1).mul_(self.size**-0.5)
        if unseen is not None:
            found.add_(unseen)
        found = (found.softmax(-1).view(n, self.shared, -1, end) @ v).view(n, self.heads, t, self.size).transpose(1, 2).reshape(n, t, -1)
        x = x + self.o(found)
        gate, rise = self.up(_normed(x, self.second, self.eps)).chunk(2, -1)
        return x + self.down(torch.nn.functional.silu(gate) * rise)


def _scripted(layer: _Layer) -> torch.nn.Module:
    """A layer as TorchScript, which needs no Python from one operation to the next; where a newer torch or Python has none, the layer itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return torch.jit.script(layer)
        except (AttributeError, RuntimeError):
            return layer


class Decoder:
    """The arithmetic of a `LlamaForCausalLM` for writing: `rows` sentences side by side, each with its own `length` so far, up to `context` words.

    `feed(ids, rows)` reads `int64[n, t]` more words of those rows and returns the logits of the word after, `float32[n, vocab]`.
    """

    def __init__(self, model, rows: int, context: int):
        held, config = {name.removeprefix("model."): weight.float() for name, weight in model.state_dict().items()}, model.config
        heads, shared, self.eps = config.num_attention_heads, config.num_key_value_heads, config.rms_norm_eps
        self.embed, self.norm, self.out = held["embed_tokens.weight"], held["norm.weight"], _times(held["embed_tokens.weight"])
        self.layers = [_scripted(_Layer({name.removeprefix(f"layers.{i}."): weight for name, weight in held.items() if name.startswith(f"layers.{i}.")},
                                        heads, shared, self.eps)) for i in range(config.num_hidden_layers)]
        size, theta = config.hidden_size // heads, config.rope_parameters["rope_theta"]
        angle = torch.outer(torch.arange(context), theta ** (-torch.arange(0, size, 2) / size)).repeat(1, 2)[:, None]
        turning = torch.arange(heads + 2 * shared)[:, None] < heads + shared
        self.cos = torch.where(turning, angle.cos(), 1.0)
        self.sin = torch.where(turning, angle.sin() * torch.cat([-torch.ones(size // 2), torch.ones(size // 2)]), 0.0)
        self.memory = torch.zeros(len(self.layers), rows, 2 * shared, context, size)  # keys, then values
        self.length = torch.zeros(rows, dtype=torch.long)

    def feed(self, ids, rows: slice = slice(None)):
        begin, stop, _ = rows.indices(len(self.length))
        length = self.length[begin:stop]
        at = length[:, None] + torch.arange(ids.shape[1])
        end, some = int(at.max()) + 1, torch.arange(begin, stop)[:, None]
        unseen = None if at.numel() == 1 else torch.where(torch.arange(end) <= at[..., None], 0.0, -torch.inf)[:, None]
        x, cos, sin = self.embed[ids], self.cos[at], self.sin[at]
        for layer, memory in zip(self.layers, self.memory, strict=True):
            x = layer(x, cos, sin, memory, some, at, begin, stop, end, unseen)
        self.length[begin:stop] = length + ids.shape[1]
        return self.out(_normed(x[:, -1], self.norm, self.eps))

    def keep(self, rows: list[int]) -> None:
        """Go on with these rows alone."""
        self.memory, self.length = self.memory[:, rows], self.length[rows]
