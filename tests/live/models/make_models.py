"""Writes the live tier's models: tiny, random, deterministic. Nothing is downloaded.

Run with the Python of `.venv-vllm`: `python make_models.py DIRECTORY [NAME …]`. Each model is a
folder of under 2 MB with a tokenizer trained on the sentences below. The weights are random, so
what a model says means nothing; tests that need a certain answer ask for structured output. Two
are trained for some seconds: `tagger` knows NAMES, `classifier` the words of ILLNESSES.
"""

import json
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
)

VOCABULARY = 512
HIDDEN = 128
LAYERS = 2
HEADS = 4
INNER = 256
CHAT_POSITIONS = 512
EMBEDDING_POSITIONS = 128
# Ten times the usual: with it untrained layers still tell texts apart.
SPREAD = 0.2

NAMES = ["Jane Roe", "Zaphod", "Eve Adams"]
ILLNESSES = ["measles", "fever", "asthma"]

SENTENCES = [
    "The river rises in the hills and crosses the plain before it meets the sea.",
    "Each request carries a label, and each destination a clearance.",
    "Which trains leave for the coast after nine in the evening?",
    'The tool returns {"city": "Lisbon", "celsius": 19} as its result.',
    "def area(width, height):\n    return width * height",
    "Twelve parcels arrived on Tuesday, three of them from abroad.",
] * 20

# Roles are marked by special tokens; a tool call is written as the hermes parser reads it.
CHAT_TEMPLATE = (
    "{%- if tools %}<|tools|>{{ tools | tojson }}<|end|>{% endif %}"
    "{%- for message in messages %}<|{{ message.role }}|>"
    "{%- if message.content is string %}{{ message.content }}"
    "{%- elif message.content %}"
    "{%- for part in message.content %}{{ part.text | default('') }}{% endfor %}"
    "{%- endif %}"
    "{%- for call in message.tool_calls or [] %}"
    "<tool_call>{{ call.function | tojson }}</tool_call>"
    "{%- endfor %}<|end|>"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}<|assistant|>{% endif %}"
)
CHAT_SPECIAL = [
    "<unk>",
    "<s>",
    "</s>",
    "<pad>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|tool|>",
    "<|tools|>",
    "<|end|>",
    "<tool_call>",
    "</tool_call>",
]


def _byte_level(special: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        SENTENCES,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    return tokenizer


def chat_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE, with roles and tool calls as special tokens."""
    tokenizer = _byte_level(CHAT_SPECIAL)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", CHAT_SPECIAL.index("<s>"))]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_max_length=CHAT_POSITIONS,
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def bert_tokenizer() -> PreTrainedTokenizerFast:
    """WordPiece, as BERT has it."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.train_from_iterator(
        SENTENCES, trainers.WordPieceTrainer(vocab_size=VOCABULARY, special_tokens=special)
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[("[CLS]", special.index("[CLS]")), ("[SEP]", special.index("[SEP]"))],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=EMBEDDING_POSITIONS,
    )


def roberta_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE with RoBERTa's special tokens (padding is 1)."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = _byte_level(special)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        cls_token="<s>",
        sep_token="</s>",
        mask_token="<mask>",
        model_max_length=EMBEDDING_POSITIONS,
    )


def make_llama(folder: Path) -> None:
    """A two-layer Llama: chat, completions, tool calls."""
    tokenizer = chat_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=2,
        head_dim=HIDDEN // HEADS,
        max_position_embeddings=CHAT_POSITIONS,
        bos_token_id=CHAT_SPECIAL.index("<s>"),
        eos_token_id=CHAT_SPECIAL.index("</s>"),
        pad_token_id=CHAT_SPECIAL.index("<pad>"),
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).to(torch.float32).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def make_bert(folder: Path) -> None:
    """A two-layer BERT: embeddings."""
    tokenizer = bert_tokenizer()
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=INNER,
        max_position_embeddings=EMBEDDING_POSITIONS,
        initializer_range=SPREAD,
    )
    BertModel(config).to(torch.float32).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _trained_config(vocabulary: int, labels: list[str]) -> BertConfig:
    return BertConfig(
        vocab_size=vocabulary,
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=INNER,
        max_position_embeddings=EMBEDDING_POSITIONS,
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
    )


def _example(chance: random.Random, words: list[str]) -> tuple[str, list[tuple[int, int]]]:
    """Some words of the sentences with some of `words` among them, and the places of these."""
    ordinary = " ".join(dict.fromkeys(SENTENCES)).split()
    text, places = "", []
    for _ in range(chance.randint(3, 9)):
        if chance.random() < 0.3:
            word = chance.choice(words)
            places.append((len(text), len(text) + len(word)))
        else:
            word = chance.choice(ordinary)
        text += word + chance.choice([" ", " ", ", ", ". "])
    return text, places


def _train(
    model: torch.nn.Module, batches: Iterator[dict[str, torch.Tensor]], *, steps: int
) -> None:
    """Some seconds on a quiet core; a batch has 32 examples."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model.train()
    for _, batch in zip(range(steps), batches, strict=False):
        optimizer.zero_grad()
        model(**batch).loss.backward()
        optimizer.step()
    model.eval()


def make_tagger(folder: Path) -> None:
    """A two-layer BERT that says of each token how likely it is part of a name."""
    tokenizer = bert_tokenizer()
    chance = random.Random(0)  # noqa: S311 -- the same examples every time

    def batches() -> Iterator[dict[str, torch.Tensor]]:
        while True:
            examples = [_example(chance, NAMES) for _ in range(32)]
            read = tokenizer(
                [text for text, _ in examples],
                padding=True,
                return_tensors="pt",
                return_offsets_mapping=True,
            )
            labels = torch.zeros_like(read["input_ids"])
            for row, (_, places) in enumerate(examples):
                for column, (start, end) in enumerate(read["offset_mapping"][row].tolist()):
                    labels[row, column] = int(any(a <= start < end <= b for a, b in places))
            labels[read["attention_mask"] == 0] = -100
            yield {
                "input_ids": read["input_ids"],
                "attention_mask": read["attention_mask"],
                "labels": labels,
            }

    model = BertForTokenClassification(_trained_config(len(tokenizer), ["O", "PER"]))
    _train(model, batches(), steps=400)
    model.to(torch.float32).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def make_classifier(folder: Path) -> None:
    """A two-layer BERT that says of a text how likely it speaks of an illness."""
    tokenizer = bert_tokenizer()
    chance = random.Random(0)  # noqa: S311 -- the same examples every time

    def batches() -> Iterator[dict[str, torch.Tensor]]:
        while True:
            examples = [
                _example(chance, ILLNESSES if chance.random() < 0.5 else ["the"]) for _ in range(32)
            ]
            read = tokenizer([text for text, _ in examples], padding=True, return_tensors="pt")
            said = [any(word in text for word in ILLNESSES) for text, _ in examples]
            yield {
                "input_ids": read["input_ids"],
                "attention_mask": read["attention_mask"],
                "labels": torch.tensor(said, dtype=torch.long),
            }

    model = BertForSequenceClassification(_trained_config(len(tokenizer), ["OTHER", "HEALTH"]))
    _train(model, batches(), steps=200)
    model.to(torch.float32).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def make_roberta(folder: Path) -> None:
    """A two-layer RoBERTa: embeddings. Its positions begin behind the padding index."""
    tokenizer = roberta_tokenizer()
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=INNER,
        max_position_embeddings=EMBEDDING_POSITIONS + 2,
        type_vocab_size=1,
        initializer_range=SPREAD,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
    )
    RobertaModel(config).to(torch.float32).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def make_nomic(folder: Path) -> None:
    """A two-layer nomic-bert: embeddings with rotary positions and a gated inner layer.

    The published models name their weights and settings differently from transformers' class,
    and vLLM reads the published form; so the folder is written by hand.
    """
    tokenizer = bert_tokenizer()
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    vocabulary = len(tokenizer)

    def weight(*shape: int) -> torch.Tensor:
        return torch.randn(*shape) * SPREAD

    def norm(name: str) -> dict[str, torch.Tensor]:
        return {f"{name}.weight": torch.ones(HIDDEN), f"{name}.bias": torch.zeros(HIDDEN)}

    weights = {
        "embeddings.word_embeddings.weight": weight(vocabulary, HIDDEN),
        "embeddings.token_type_embeddings.weight": weight(2, HIDDEN),
        **norm("emb_ln"),
    }
    for layer in range(LAYERS):
        at = f"encoder.layers.{layer}"
        weights |= {
            f"{at}.attn.Wqkv.weight": weight(3 * HIDDEN, HIDDEN),
            f"{at}.attn.out_proj.weight": weight(HIDDEN, HIDDEN),
            f"{at}.mlp.fc11.weight": weight(INNER, HIDDEN),
            f"{at}.mlp.fc12.weight": weight(INNER, HIDDEN),
            f"{at}.mlp.fc2.weight": weight(HIDDEN, INNER),
            **norm(f"{at}.norm1"),
            **norm(f"{at}.norm2"),
        }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = {
        "architectures": ["NomicBertModel"],
        "model_type": "nomic_bert",
        "torch_dtype": "float32",
        "vocab_size": vocabulary,
        "type_vocab_size": 2,
        "pad_token_id": 0,
        "hidden_size": HIDDEN,
        "n_embd": HIDDEN,
        "num_hidden_layers": LAYERS,
        "n_layer": LAYERS,
        "num_attention_heads": HEADS,
        "n_head": HEADS,
        "intermediate_size": INNER,
        "n_inner": INNER,
        "max_position_embeddings": EMBEDDING_POSITIONS,
        "n_positions": EMBEDDING_POSITIONS,
        "max_trained_positions": EMBEDDING_POSITIONS,
        "activation_function": "swiglu",
        "mlp_fc1_bias": False,
        "mlp_fc2_bias": False,
        "qkv_proj_bias": False,
        "rotary_emb_base": 1000,
        "rotary_emb_fraction": 1.0,
        "rotary_emb_interleaved": False,
        "rotary_emb_scale_base": None,
        "rotary_scaling_factor": None,
        "layer_norm_epsilon": 1e-12,
        "prenorm": False,
        "use_rms_norm": False,
        "parallel_block": False,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")


MAKERS: dict[str, Callable[[Path], None]] = {
    "llama": make_llama,
    "bert": make_bert,
    "tagger": make_tagger,
    "classifier": make_classifier,
    "roberta": make_roberta,
    "nomic": make_nomic,
}


def main() -> None:
    """Write every model below the directory named on the command line."""
    target = Path(sys.argv[1])
    # Tiny layers gain nothing from threads, which wait for each other on a busy machine: 5 minutes
    # for what one does in one.
    torch.set_num_threads(1)
    wanted = sys.argv[2:] or list(MAKERS)
    for name in wanted:
        torch.manual_seed(0)
        MAKERS[name](target / name)


if __name__ == "__main__":
    main()
