"""Models of the Hugging Face hub, by folder and by name, without a network."""
import json
import socket
import time

import numpy as np
import pytest

from emonotes.encoders import base, hf
from emonotes.encoders.store import Store
from emonotes.errors import InputError

SMALL = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 40}
PROCESSOR = {"image_processor_type": "ViTImageProcessor", "do_resize": True, "size": {"height": 32, "width": 32},
             "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.5] * 3,
             "image_std": [0.5] * 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    import torch
    import transformers as t

    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("models")
    (root / "text").mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "lake", "storm"]
    (root / "text" / "vocab.txt").write_text("\n".join(words))
    t.BertTokenizerFast(vocab=str(root / "text" / "vocab.txt")).save_pretrained(root / "text")
    t.BertModel(t.BertConfig(vocab_size=8, max_position_embeddings=40, **SMALL)).save_pretrained(root / "text")
    t.ViTModel(t.ViTConfig(image_size=32, patch_size=8, **SMALL)).save_pretrained(root / "image")
    (root / "image" / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    config = t.Wav2Vec2Config(**SMALL, conv_dim=(16,), conv_kernel=(10,), conv_stride=(20,), num_feat_extract_layers=1,
                              num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4)
    t.Wav2Vec2Model(config).save_pretrained(root / "sound")
    listener = {"feature_extractor_type": "Wav2Vec2FeatureExtractor", "feature_size": 1, "sampling_rate": 8000,
                "padding_value": 0.0, "do_normalize": True, "return_attention_mask": False}
    (root / "sound" / "preprocessor_config.json").write_text(json.dumps(listener))
    clip = t.CLIPConfig(text_config={"vocab_size": 8, **SMALL}, projection_dim=24,
                        vision_config={"image_size": 32, "patch_size": 8, **SMALL})
    t.CLIPModel(clip).save_pretrained(root / "clip")
    (root / "clip" / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    return root


ITEMS = {"text": ["a lake", "storm " * 200, "unknown words here"],
         "image": [np.zeros((1, 1)), np.random.default_rng(0).random((50, 20, 3)), "skimage:chelsea"],
         "sound": [(np.sin(np.arange(16_000) / 5), 16_000), (np.zeros(3), 44_100), (np.ones(9000) * 0.1, 16_000)]}


@pytest.mark.parametrize("kind", list(ITEMS))
def test_keeps_the_promises_of_an_encoder(folder, kind, tmp_path):
    encoder = base.get(f"{kind}/hf:{folder / kind}")
    vectors = encoder.encode(ITEMS[kind])
    assert isinstance(encoder, base.Encoder) and encoder.modality == kind and encoder.origin == "folder"
    assert vectors.shape == (3, encoder.dim) == (3, 32) and vectors.dtype == np.float32 and np.isfinite(vectors).all()
    assert np.allclose(vectors, np.concatenate([encoder.encode([item]) for item in ITEMS[kind]]), atol=1e-5)
    assert np.array_equal(Store(tmp_path).encode(encoder, ITEMS[kind]), Store(tmp_path).encode(encoder, ITEMS[kind]))
    with pytest.raises(InputError, match="item 1"):
        encoder.encode([ITEMS[kind][0], None])


def test_joint_models_give_their_joint_embedding(folder):
    encoder = base.get(f"image/hf:{folder / 'clip'}")
    assert encoder.dim == 24 and encoder.encode(ITEMS["image"]).shape == (3, 24)


def test_version_follows_the_weights(folder, tmp_path):
    import shutil

    shutil.copytree(folder / "text", tmp_path / "text")
    one, two = hf.HubText(str(folder / "text")), hf.HubText(str(tmp_path / "text"))
    assert one.version == two.version
    import torch
    from transformers import AutoModel

    torch.manual_seed(1)
    model = AutoModel.from_pretrained(tmp_path / "text")
    with torch.no_grad():
        model.embeddings.word_embeddings.weight.add_(1)
    model.save_pretrained(tmp_path / "text")
    assert hf.HubText(str(tmp_path / "text")).version != one.version


def test_folder_in_the_encoder_folder(folder, monkeypatch):
    monkeypatch.setenv("EMONOTES_ENCODERS", str(folder))
    assert base.get("text/hf:text").origin == "encoder folder"


@pytest.mark.parametrize("model", ["nobody/no-such-model", "what is this", "a/b/c", "/no/such/folder",
                                   "./nowhere", "x" * 200])
def test_unknown_models(model, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError) as error:
        base.get(f"text/hf:{model}")
    assert "\n" not in str(error.value)


def test_only_safetensors(folder, tmp_path):
    import shutil

    import torch

    shutil.copytree(folder / "image", tmp_path / "image")
    (tmp_path / "image" / "model.safetensors").unlink()
    torch.save({}, tmp_path / "image" / "pytorch_model.bin")
    with pytest.raises(InputError, match="safetensors"):
        base.get(f"image/hf:{tmp_path / 'image'}").encode(ITEMS["image"])


def test_cut_weights(folder, tmp_path):
    import shutil

    shutil.copytree(folder / "image", tmp_path / "image")
    path = tmp_path / "image" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match="cannot be loaded"):
        base.get(f"image/hf:{tmp_path / 'image'}").encode(ITEMS["image"])


def test_dead_network_is_noticed_within_two_seconds(monkeypatch):
    silent = socket.socket()
    silent.bind(("127.0.0.1", 0))
    silent.listen()
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
    begin = time.perf_counter()
    assert not hf.hub_answers()
    assert time.perf_counter() - begin < 4
    silent.close()
    assert not hf.hub_answers()


def test_offline_never_asks(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(hf.urllib.request, "urlopen", lambda *a, **k: pytest.fail("the network was tried"))
    assert not hf.hub_answers()
