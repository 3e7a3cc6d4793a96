"""The docs of kinds: every command in them is run, on made-up data in the place of the real."""

import json
import re
import shutil

import numpy as np
import pytest

from documents import ROOT, place, run_blocks

__all__ = ["place"]


def test_a_translator_from_nothing(place):
    pairs = {
        "en": ["A dog is in the house.", "Two men are on the street.", "The child is in the garden."],
        "de": ["Ein Hund ist in dem Haus.", "Zwei Männer sind auf der Straße.", "Das Kind ist in dem Garten."],
    }
    (place / "data" / "multi30k").mkdir(parents=True)
    for split, times in (("train", 8), ("val", 1), ("test_2016_flickr", 1)):
        for language, texts in pairs.items():
            (place / "data" / "multi30k" / f"{split}.{language}").write_text("\n".join(texts * times) + "\n")
    config = place / "task_configs" / "translation__multi30k__full.yaml"
    config.write_text(config.read_text().replace("num_train_epochs: 20", "num_train_epochs: 1"))
    run_blocks(ROOT / "docs" / "translation.md", place)
    assert len((place / "translated.de.txt").read_text().splitlines()) == 3


def test_spoken_digits(place):
    soundfile = pytest.importorskip("soundfile", reason="pip install 'ftkit[audio]'")
    import tiny_audio

    (place / "data" / "spoken_digits").mkdir(parents=True)
    for digit, label in enumerate(tiny_audio.HERTZ):
        for speaker in ("george", "jackson", "lucas", "nicolas"):
            for take in range(2):
                samples = tiny_audio.tone(label, 0.3, rate=8_000, seed=take)
                soundfile.write(place / "data" / "spoken_digits" / f"{digit}_{speaker}_{take}.wav", samples, 8_000)
    tiny_audio.make_checkpoint("whisper", place / "whisper")
    config = place / "task_configs" / "audio-classification__spoken-digits__lora.yaml"
    config.write_text(config.read_text().replace("openai/whisper-tiny.en", "whisper"))
    run_blocks(ROOT / "docs" / "audio_classification.md", place)
    assert len((place / "digits.jsonl").read_text().splitlines()) == 8


def test_signs_of_a_hand_from_nothing(place):
    import tiny_images

    photos = tiny_images.make_photos(place / "data" / "sign_digits", per_class=10)
    for name, digit in (("red", "3"), ("green", "5"), ("blue", "7")):
        (photos / name).rename(photos / digit)
    config = place / "task_configs" / "image-classification__sign-digits__full.yaml"
    config.write_text(config.read_text().replace("num_train_epochs: 20", "num_train_epochs: 1"))
    run_blocks(ROOT / "docs" / "image_classification.md", place)
    assert len((place / "signs.jsonl").read_text().splitlines()) == 30
    assert (place / "exported" / "sign_digits" / "model.onnx").is_file()


def test_candidates_that_compete(place):
    import json

    texts = ["will the rain stop", "who stole my card today", "too much salt in the soup"]
    queries = [
        {"query": word, "documents": texts, "labels": [float(word in text) for text in texts]}
        for word in ("rain", "card", "salt")
    ]
    questions = [
        {"story": f"{text}, said Bo", "question": "who?", "choices": ["Al", "Bo"], "answer": "B"} for text in texts
    ] + [{"story": "the end", "question": "what?", "choices": ["the end", "nothing", "rain"], "answer": "A"}]
    for name, rows in (("queries", queries), ("questions", questions)):
        (place / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows * 4))
    run_blocks(ROOT / "docs" / "candidates.md", place)
    assert len((place / "ranked.jsonl").read_text().splitlines()) == 12
    assert len((place / "chosen.jsonl").read_text().splitlines()) == 16
    assert '"baseline_bm25": 1.0' in (place / "ranking_scores.json").read_text()


def test_texts_that_are_alike(place):
    texts = ["will the rain stop", "the rain will stop", "who stole my card today", "my card was stolen"]
    pairs = [(one, other, 5 if row // 2 == column // 2 else 1) for row, one in enumerate(texts)
             for column, other in enumerate(texts) if row != column]  # fmt: skip
    lines = [f"{one},{other},{score}" for one, other, score in pairs]
    (place / "pairs.csv").write_text("\n".join(["sentence1,sentence2,score", *lines]) + "\n")
    (place / "texts.txt").write_text("\n".join(texts) + "\n")
    run_blocks(ROOT / "docs" / "sentence_similarity.md", place)
    assert len((place / "cosines.jsonl").read_text().splitlines()) == 12
    assert np.load(place / "vectors.npy").shape[0] == 4
    assert '"baseline_tf_idf"' in (place / "alike_scores.json").read_text()


def test_a_domain_before_its_labels(place):
    texts = {"card": "my card was declined today", "cash": "the machine gave me no cash", "pin": "I forgot my new pin"}
    rows = [f"{text} {number},{label}" for number in range(4) for label, text in texts.items()]
    folder = place / "data" / "banking77"
    folder.mkdir(parents=True)
    for name, lines in (("train", rows * 2), ("few", rows), ("test", rows)):
        (folder / f"{name}.csv").write_text("\n".join(["text,category", *lines]) + "\n")
    config = place / "task_configs" / "fill-mask__banking77__full.yaml"
    config.write_text(config.read_text().replace("num_train_epochs: 6", "num_train_epochs: 1"))
    run_blocks(ROOT / "docs" / "fill_mask.md", place)
    for run in ("banking77-language", "banking77-few", "banking77-few-without"):
        assert (place / "runs" / run / "all_results.json").is_file()


def test_summaries_of_a_chat_model(place):
    import json

    import tiny

    rows = [
        {"paper_id": f"p{n}", "source": [f"The rain will not stop {n}.", "It is cold."], "target": ["no sun"]}
        for n in range(6)
    ]
    (place / "data" / "scitldr").mkdir(parents=True)
    for name in ("train", "dev", "test"):
        (place / "data" / "scitldr" / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    folder = tiny.make_checkpoint("llama", place / "chat", sizes={"max_position_embeddings": 512})
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}")
    config = place / "task_configs" / "summarization__scitldr__lora.yaml"
    text = config.read_text().replace("HuggingFaceTB/SmolLM2-135M-Instruct", "chat")
    config.write_text(text.replace("num_beams: 4", "num_beams: 1\n  max_new_tokens: 4"))
    run_blocks(ROOT / "docs" / "summarization.md", place)
    assert len((place / "summaries.txt").read_text().splitlines()) == 6
    assert "baseline_lead_1" in (place / "scores.json").read_text()


def test_answers_of_a_small_encoder(place, checkpoint):
    from questions import QUESTIONS, squad_json

    folder = place / "data" / "xquad"
    folder.mkdir(parents=True, exist_ok=True)
    answered = [row for row in QUESTIONS if row[2]]
    for name in ("en_train", "en_test", "de", "zh"):
        (folder / f"{name}.json").write_text(json.dumps(squad_json(answered)))
    config = place / "task_configs" / "question-answering__xquad__full.yaml"
    text = config.read_text().replace("sentence-transformers/all-MiniLM-L6-v2", str(checkpoint("bert")))
    config.write_text(text.replace("num_train_epochs: 3", "num_train_epochs: 1"))
    run_blocks(ROOT / "docs" / "question_answering.md", place)
    assert len((place / "answers.jsonl").read_text().splitlines()) == len(answered)


def test_spoken_digits_as_words(place):
    soundfile = pytest.importorskip("soundfile", reason="pip install 'ftkit[audio]'")
    import tiny_audio
    import tiny_speech

    shutil.rmtree(place / "data" / "spoken_digits", ignore_errors=True)  # of another page
    (place / "data" / "spoken_digits").mkdir(parents=True)
    for digit, label in enumerate(tiny_audio.HERTZ):
        for speaker in ("george", "jackson", "lucas", "nicolas"):
            samples = tiny_audio.tone(label, 0.3, rate=8_000, seed=len(speaker))
            soundfile.write(place / "data" / "spoken_digits" / f"{digit}_{speaker}_0.wav", samples, 8_000)
    tiny_speech.make_whisper(place / "whisper")
    config = place / "task_configs" / "automatic-speech-recognition__spoken-digits__lora.yaml"
    config.write_text(config.read_text().replace("openai/whisper-tiny.en", "whisper"))
    run_blocks(ROOT / "docs" / "speech_recognition.md", place)
    assert len((place / "heard.jsonl").read_text().splitlines()) == 4


def test_questions_about_shapes(place):
    import tiny_image_text

    for split, count in (("train", 24), ("test", 4)):
        folder = place / "data" / "easy_vqa" / split
        shown = tiny_image_text.make_pictures(folder / "images", count)
        rows = [(question, name, number) for number, (_, name) in enumerate(shown) for question in ("what?", "who?")]
        (folder / "questions.json").write_text(json.dumps(rows))
    config = place / "task_configs" / "image-text-to-text__easy-vqa__full.yaml"
    config.write_text(config.read_text().replace("num_train_epochs: 5", "num_train_epochs: 1"))
    run_blocks(ROOT / "docs" / "image_text_to_text.md", place)
    assert len((place / "answers.jsonl").read_text().splitlines()) == 8


def test_images_and_texts_that_find_one_another(place):
    import tiny_dual_encoders

    for name in ("easy_vqa", "sign_digits"):
        shutil.rmtree(place / "data" / name, ignore_errors=True)  # of other pages
    for split, copies in (("train", 4), ("test", 1)):
        folder = place / "data" / "easy_vqa" / split
        pictures = tiny_dual_encoders.make_pictures(folder / "images", copies=copies)
        lines = (pictures / "metadata.jsonl").read_text().splitlines()
        captions = [json.loads(line)["captions"][0] for line in lines]
        rows = [("what color is it?", caption.split()[1], image) for image, caption in enumerate(captions)]
        rows += [("is there not a circle?", "no", image) for image in range(len(captions))]
        (pictures / "metadata.jsonl").unlink()
        (folder / "questions.json").write_text(json.dumps(rows))
    tiny_dual_encoders.make_classes(place / "data" / "sign_digits", copies=6)
    for name in ("easy-vqa", "sign-digits"):
        config = place / "task_configs" / f"zero-shot-image-classification__{name}__full.yaml"
        config.write_text(re.sub("num_train_epochs: .*", "num_train_epochs: 1", config.read_text()))
    run_blocks(ROOT / "docs" / "zero_shot_image_classification.md", place)
    assert len((place / "chosen.jsonl").read_text().splitlines()) == 8
    assert len((place / "digits.jsonl").read_text().splitlines()) == 48
    assert np.load(place / "digits.npy").shape == (48, 64)
