"""Rank-N-Contrast sorted against the published formulation, and its memory at a large batch. Prints; asserts equality only.

`rnc_speedup`, `rnc_first_call` and `rnc_memory` are what a recording script imports. The published form writes gigabytes of
masks: how long that takes depends on whether the process has used that memory before, so both cases are measured.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch

from emonotes.align.losses import rank_n_contrast

DIMENSIONS, THREADS = 32, 2  # the middle encoders' embedding; two threads
FIRST = """
import sys, torch
sys.path.insert(0, {folder!r})
import test_losses as bench
torch.set_num_threads({threads})
loss = getattr(bench, {name!r})
bench.timed(loss, *bench.batch(64))
print(bench.timed(loss, *bench.batch({n}, {seed}))[0])
"""
MEMORY = """
import re, torch
from emonotes.align.losses import rank_n_contrast
torch.set_num_threads({threads})
z = torch.nn.functional.normalize(torch.randn({n}, {d}), dim=1).requires_grad_()
rank_n_contrast(z, torch.rand({n}, 2) * 2 - 1).backward()
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


def published(z, va, temperature=0.1):
    """Zha et al. 2023 with a loop over the batch and a mask of all pairs in each round, as published: the largest logit of
    each row subtracted, the diagonal removed, the mean over n(n - 1) pairs."""
    n = len(z)
    other = ~torch.eye(n, dtype=torch.bool)
    apart = (va[:, None] - va[None]).norm(dim=-1)[other].view(n, n - 1)
    logit = -(z[:, None] - z[None]).norm(dim=-1) / temperature
    logit = (logit - logit.amax(1, keepdim=True).detach())[other].view(n, n - 1)
    exponential, total = logit.exp(), 0.0
    for j in range(n - 1):
        farther = (apart >= apart[:, j:j + 1]).float()
        total = total - (logit[:, j] - (farther * exponential).sum(1).log()).sum()
    return total / (n * (n - 1))


def batch(n: int, seed: int = 0, views: int = 2):
    """Embeddings and ratings of `n` rows: so many views of each stimulus, with the same rating."""
    g = torch.Generator().manual_seed(seed)
    z = torch.nn.functional.normalize(torch.randn(n, DIMENSIONS, generator=g), dim=1)
    return z.requires_grad_(), (torch.rand(n // views, 2, generator=g) * 2 - 1).repeat(views, 1)


def timed(loss, z, va):
    """Seconds of forward and backward, the loss and its gradient."""
    z.grad, began = None, time.perf_counter()
    value = loss(z, va)
    value.backward()
    return time.perf_counter() - began, value.item(), z.grad


def _summary(ours: list, theirs: list) -> dict:
    """Median, least and most of the ratios, and the median seconds of both."""
    ratios = [t / o for t, o in zip(theirs, ours, strict=True)]
    return {"value": statistics.median(ratios), "low": min(ratios), "high": max(ratios),
            "seconds_ours": statistics.median(ours), "seconds_published": statistics.median(theirs)}


def rnc_speedup(pairs: int = 3, n: int = 1024, repeats: int = 5, threads: int = THREADS) -> dict:
    """How many times faster than the published formulation once both have run in this process: `value` (median of the pairs),
    `low` and `high` (least and most), the median seconds of both, and the largest `difference` of loss (relative) or gradient.

    Two views of n / 2 stimuli, forward and backward. In a pair the published form runs once and ours `repeats` times right
    after; the ratio is to the median of these. On a busy machine two threads wait for each other, which costs the short run
    most: measure on an idle one.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    ours, theirs, difference = [], [], 0.0
    for loss in (published, rank_n_contrast):
        timed(loss, *batch(n))
    for seed in range(pairs):
        z, va = batch(n, seed)
        seconds, value, gradient = timed(published, z, va)
        runs = [timed(rank_n_contrast, z, va) for _ in range(repeats)]
        theirs.append(seconds)
        ours.append(statistics.median(run[0] for run in runs))
        difference = max(difference, abs(value / runs[0][1] - 1), (gradient - runs[0][2]).abs().max().item())
    torch.set_num_threads(before)
    return _summary(ours, theirs) | {"difference": difference}


def rnc_first_call(pairs: int = 3, n: int = 1024, threads: int = THREADS) -> dict:
    """The same ratio for the first batch of a fresh process, after a small one to start the libraries."""
    def once(name, seed):
        script = FIRST.format(folder=str(Path(__file__).parent), threads=threads, name=name, n=n, seed=seed)
        return float(subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout)

    taken = [(once("rank_n_contrast", seed), once("published", seed)) for seed in range(pairs)]
    return _summary(*map(list, zip(*taken, strict=True)))


def rnc_memory(n: int = 8192) -> float:
    """Peak resident memory in GB of a fresh process, torch included, that runs forward and backward once on `n` rows.

    Read from Linux's process table: what `getrusage` gives a child starts from the peak of the process that started it.
    """
    script = MEMORY.format(n=n, d=DIMENSIONS, threads=THREADS)
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    return int(said) * 1024 / 1e9


def test_rank_n_contrast_speed():
    for when, found in [("in a running process", rnc_speedup()), ("first batch of a process", rnc_first_call(1))]:
        print(f"\nRank-N-Contrast, two views of 512, {when}: {found['value']:.0f} times faster than the published loop "
              f"({found['low']:.0f} to {found['high']:.0f}; {found['seconds_ours']:.3f} s, {found['seconds_published']:.2f} s)")
        assert found.get("difference", 0) < 1e-5


def test_rank_n_contrast_memory():
    for n in (1024, 8192):
        print(f"\nRank-N-Contrast, {n} rows, forward and backward: peak {rnc_memory(n):.2f} GB")
