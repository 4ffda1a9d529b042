"""Time a MusicGen of the size of facebook/musicgen-small, with random weights, and record it in results/musicgen.json.

    python tests/bench/musicgen.py       about 3 GB of memory; a minute or two of one processor core

No weights are fetched: a multiplication takes as long whatever is multiplied. Seconds are processor time of one thread, so that
other work on the machine counts little. Figures are of this machine; nothing is asserted.
"""

import resource
import time
from pathlib import Path

import torch
from transformers import MusicgenForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput

from emonotes.course.record import record
from emonotes.music.conditioner import Conditioner
from emonotes.music.musicgen import MusicGen, small_config

ROOT = Path(__file__).parents[2]
HOW = "python tests/bench/musicgen.py"


def timed(work) -> tuple[object, float]:
    """What `work()` gives and its processor seconds."""
    start = time.process_time()
    found = work()
    return found, time.process_time() - start


def read_prompts(model, n: int = 8, words: int = 32) -> float:
    """Seconds for the text encoder to read one prompt."""
    ids = torch.randint(3, 32_000, (n, words))
    with torch.no_grad():
        return timed(lambda: model.text_encoder(input_ids=ids))[1] / n


def listen(musicgen, frames: int = 50) -> float:
    """Seconds for one step of learning by listening to one second of sound, codec left out."""
    conditioner = Conditioner(musicgen.width)
    codes = torch.randint(0, 2048, (1, 4, frames))

    def step():
        states = conditioner(torch.zeros(1, 2))
        musicgen.predict(states, torch.ones(states.shape[:2]), codes).loss.backward()

    return timed(step)[1]


def write(musicgen, seconds: float = 1.0) -> float:
    """Seconds to write one second of sound with guidance."""
    states = torch.as_tensor(Conditioner(musicgen.width).sequence((0, 0)))[None]
    return timed(lambda: musicgen.write(states, seconds))[1] / seconds


def main() -> None:
    """Build, time, record."""
    torch.set_num_threads(1)
    model = MusicgenForConditionalGeneration(small_config()).eval().requires_grad_(False)
    model.generation_config.update(decoder_start_token_id=2048, bos_token_id=2048, pad_token_id=2048)
    musicgen = MusicGen(model, None, "random weights")
    model(encoder_outputs=BaseModelOutput(last_hidden_state=torch.zeros(1, 1, 768)), decoder_input_ids=torch.zeros(4, 1, dtype=torch.long))
    found = {"read_prompt_s": (read_prompts(model), "s of one core to read a prompt of 32 word pieces"),
             "listen_s": (listen(musicgen), "s of one core for one step of learning from one second of sound"),
             "write_s": (write(musicgen), "s of one core to write one second of sound, with guidance")}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    figures = {name: {"value": round(value, 2), "how": HOW, "unit": unit} for name, (value, unit) in found.items()}
    figures["memory_gb"] = {"value": round(peak, 1), "how": HOW, "unit": "GB of memory at most"}
    print(record("musicgen", figures, ROOT / "results").read_text())


if __name__ == "__main__":
    main()
