"""Speed of writing music: against real time, and against `generate` of transformers on the same weights, runs side by side."""

import tempfile
import time

import numpy as np
import torch

from emonotes.align.ear import hear
from emonotes.align.metrics import resamples
from emonotes.music.composing import plans_for, seconds_of, write
from emonotes.music.decoding import Decoder
from emonotes.music.lm import LMConfig, load_lm, train
from emonotes.music.sentences import heads, left_words

POINTS = [(0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5), (0.5, -0.5)]


def _spread(values) -> dict:
    """Median and its 95 % bootstrap interval."""
    medians = [np.median(np.asarray(values)[some]) for some in resamples(range(len(values)), 1000)]
    low, high = np.quantile(medians, [0.025, 0.975])
    return {"value": float(np.median(values)), "low": float(low), "high": float(high), "n": len(values)}


def real_time(pieces: int, runs: int = 5, seconds: float = 60.0, ear: bool = True) -> dict:
    """Seconds of music per second of computing, `pieces` written together over `runs` and the four quadrant centres in turn, from several
    openings each by the composer's `ear` or straight on."""
    ratios = []
    for run in range(runs + 1):
        wanted = [POINTS[(run + k) % 4] for k in range(pieces)]
        plans = [plans_for(point, seconds, seed=run * pieces + k) for k, point in enumerate(wanted)]
        start = time.perf_counter()
        write(plans, seed=list(range(pieces)), progress=False, wanted=wanted, hear=hear if ear else None)
        ratios.append(sum(map(seconds_of, plans)) / (time.perf_counter() - start))
    return _spread(ratios[1:])


def _theirs(model, prompt, count: int):
    words = {"max_new_tokens": count, "min_new_tokens": count}
    return model.generate(input_ids=prompt, attention_mask=torch.ones_like(prompt), do_sample=False, **words)[:, prompt.shape[1]:]


@torch.inference_mode()
def _ours(model, prompt, count: int):
    """The likeliest words, `int64[1, count]`; the end is not allowed, as with `min_new_tokens`."""
    decoder, words = Decoder(model, len(prompt), prompt.shape[1] + count), []
    logits = decoder.feed(prompt)
    for _ in range(count):
        logits[:, 2] = -torch.inf
        words.append(logits.argmax(1, keepdim=True))
        logits = decoder.feed(words[-1])
    return torch.cat(words, 1)


def generate_ratio(pairs: int = 7, count: int = 400) -> dict:
    """How many times as fast as `generate` our decoder takes the likeliest words, which must be the same."""
    from emonotes.music.plan import Plan

    model, ratios = load_lm(), []
    prompt = torch.as_tensor(np.concatenate([[1], heads([Plan().row], left_words(1))[0]]))[None]
    for _ in range(pairs + 1):
        start = time.perf_counter()
        theirs = _theirs(model, prompt, count)
        middle = time.perf_counter()
        ours = _ours(model, prompt, count)
        ratios.append((middle - start) / (time.perf_counter() - middle))
        assert torch.equal(ours, theirs)
    return _spread(ratios[1:])


def matrix_rate(size: int = 8192, runs: int = 20) -> float:
    """Operations per second of the GPU in a large matrix product in bfloat16: what can be had of it."""
    a, b = (torch.randn(size, size, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    for run in range(runs + 3):
        if run == 3:
            begin.record()
        a @ b
    end.record()
    torch.cuda.synchronize()
    return 2 * size**3 * runs / begin.elapsed_time(end) * 1000


def operations(config: LMConfig) -> float:
    """Operations that a word costs in training, forward and backward: six for each weight, and attention over half of the context."""
    return 6 * config.build().num_parameters() + 6 * config.layers * config.width * config.context


def training_rate(corpus, batch: int, steps: int = 120) -> dict:
    """Words per second in which `train` reads sentences of `corpus` on the GPU, after its first steps, without dropout."""
    rates, config = [], LMConfig(dropout=0)
    with tempfile.TemporaryDirectory() as folder:
        settings = {"config": config, "batch": batch, "save_every": 10**6, "progress": False}
        train(corpus, folder, steps=steps, **settings)
        for more in range(3):
            start = time.perf_counter()
            train(corpus, folder, steps=steps * (2 + more), **settings)
            rates.append(steps * batch * config.context / (time.perf_counter() - start))
    return _spread(rates)


def writing_rate(rows: int = 256, count: int = 500, runs: int = 3) -> dict:
    """Words per second that `generate` of transformers writes on the GPU, `rows` pieces together."""
    from emonotes.music.plan import Plan

    model, rates = load_lm().to("cuda"), []
    prompt = torch.as_tensor(np.concatenate([[1], heads([Plan().row], left_words(1))[0]]))[None].repeat(rows, 1).to("cuda")
    for _ in range(runs + 1):
        start = time.perf_counter()
        _theirs(model, prompt, count)
        torch.cuda.synchronize()
        rates.append(rows * count / (time.perf_counter() - start))
    model.to("cpu")
    return _spread(rates[1:])


def on_gpu(corpus, batch: int = 64) -> dict:
    """What a GPU gives: training and writing in words per second, and the share of its matrix rate that training has."""
    peak, trained = matrix_rate(), training_rate(corpus, batch)
    share = {name: trained[name] * operations(LMConfig()) / peak for name in ("value", "low", "high")} | {"n": trained["n"]}
    return {"gpu_training": trained, "gpu_training_share": share, "gpu_writing": writing_rate()}


def test_speed_of_writing():
    one, many, ratio = real_time(1, runs=3, seconds=30), real_time(8, runs=2, seconds=30), generate_ratio(3, 200)
    print(f"\n{one['value']:.1f} times real time, {many['value']:.1f} times with eight together, {ratio['value']:.2f} times as fast as generate")
