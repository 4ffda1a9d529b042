"""Reading sentences: ours beside sentence-transformers on the same weights and two threads, and the second time from the store.

    python tests/bench/test_embedding.py          both ratios, over ten thousand sentences
    make bench                                    the same over fewer

The two sides take turns on the same thousand sentences, in alternating order, so that whatever else the machine does
meets both alike. Figures are of this machine; nothing is asserted but that the vectors are the same.
"""

import os
import statistics
import tempfile
import time

import numpy as np
import polars as pl
import torch

from emonotes.atlas.folders import data_folder, starter_folder
from emonotes.encoders.base import quiet
from emonotes.encoders.store import Store
from emonotes.encoders.text import MiniLM

PART = 1000
SIZES = (8, 16, 32, 64)


def sentences(n: int, seed: int = 0) -> list[str]:
    """EmoBank's sentences in random order where the data folder has them, else as long ones of words that we ship."""
    rng = np.random.default_rng(seed)
    path = data_folder() and data_folder() / "emobank/emobank.csv"
    if path and path.is_file():
        texts = [text for text in pl.read_csv(path)["text"].drop_nulls() if text.strip()]
    else:
        words = pl.read_csv(starter_folder() / "glasgow_norms.csv")["content"].to_numpy()
        texts = [" ".join(rng.choice(words, size)) for size in rng.lognormal(2.6, 0.7, 10_000).astype(int) + 1]
    return [texts[i] for i in rng.permutation(len(texts))[:n]]


def seconds(function, *given, **settings):
    """Wall-clock seconds of a call, and what it gave."""
    began = time.perf_counter()
    given = function(*given, **settings)
    return time.perf_counter() - began, given


def embed_ratio(pairs: int = 3) -> dict:
    """How many times longer `SentenceTransformer.encode` takes than `MiniLM.encode`: median, least and most of the pairs.

    `against_best` is the same with the batch size that was fastest for it; `cosine_min` the least cosine of two rows.
    """
    torch.set_num_threads(2)
    with quiet():
        from sentence_transformers import SentenceTransformer

        ours, texts = MiniLM(), sentences(pairs * PART + 200)
        theirs = SentenceTransformer(str(ours.folder), device="cpu")
    trial = texts[pairs * PART :]
    for warm in (ours, theirs):
        warm.encode(trial[:50])
    best = min(SIZES, key=lambda size: min(seconds(theirs.encode, trial, batch_size=size)[0] for _ in range(2)))
    ratios, against_best, cosines = [], [], []
    for turn in range(pairs):
        part = texts[turn * PART : (turn + 1) * PART]
        ways = {"ours": (ours.encode, {}), "default": (theirs.encode, {}), "best": (theirs.encode, {"batch_size": best})}
        took = {}
        for name in list(ways)[:: 1 if turn % 2 == 0 else -1]:
            took[name] = seconds(ways[name][0], part, **ways[name][1])
        ratios.append(took["default"][0] / took["ours"][0])
        against_best.append(took["best"][0] / took["ours"][0])
        cosines.append(float((took["default"][1] * took["ours"][1]).sum(1).min()))
    return {"value": statistics.median(ratios), "low": min(ratios), "high": max(ratios), "n": pairs * PART,
            "against_best": statistics.median(against_best), "best_size": best, "cosine_min": min(cosines)}


def store_ratio(parts: int = 3) -> dict:
    """How many times longer the first `Store.encode` of some sentences takes than the second, by a new store on the same folder."""
    torch.set_num_threads(2)
    encoder, ratios, same, first, again = MiniLM(), [], True, 0.0, 0.0
    texts = sentences(parts * PART)
    encoder.encode(texts[:50])
    with tempfile.TemporaryDirectory() as folder:
        for start in range(0, len(texts), PART):
            part = texts[start : start + PART]
            one, fresh = seconds(Store(folder, quiet=True).encode, encoder, part)
            two, kept = seconds(Store(folder, quiet=True).encode, encoder, part)
            first, again, same = first + one, again + two, same and np.array_equal(fresh, kept)
            ratios.append(one / two)
        whole, _ = seconds(Store(folder, quiet=True).encode, encoder, texts)
    return {"value": first / again, "low": min(ratios), "high": max(ratios), "n": len(texts), "first_s": first,
            "again_s": again, "at_once": first / whole, "same": same}


def shown(title: str, figures: dict) -> dict:
    """The same figures, printed with the load of the machine."""
    print(f"\n{title}: " + ", ".join(f"{name} {value:.4g}" for name, value in figures.items()),
          f"(load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)")
    return figures


def test_embedding_beside_sentence_transformers():
    assert shown("sentence-transformers / ours", embed_ratio())["cosine_min"] >= 0.999


def test_second_time_from_the_store():
    assert shown("first time / from the store", store_ratio())["same"]


if __name__ == "__main__":
    shown("sentence-transformers / ours", embed_ratio(10))
    shown("first time / from the store", store_ratio(10))
