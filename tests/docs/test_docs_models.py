"""The page on MODEL: its Python runs and prints what it shows, its words are words."""

import re
from pathlib import Path

from featviz.commands.edit import EditCommand
from featviz.commands.evaluate import EvaluateCommand
from featviz.commands.extract import ExtractCommand
from featviz.commands.models import ModelOptions, PhotoOptions
from featviz.generators.foreign_models import is_model_word
from tests.documents import run_document

DOCUMENT = Path(__file__).parents[2] / "docs" / "models.md"


def test_the_python_of_the_page_prints_what_it_shows():
    assert sum(bool(output) for output in run_document(DOCUMENT, {})) == 1


def test_the_words_and_options_of_the_page_are_there():
    text = DOCUMENT.read_text(encoding="utf-8")
    words = re.findall(r"(?:layers|extract|generate|edit|leakage) (\S+:\S+)", text)
    assert len(words) == 6
    assert all(map(is_model_word, words))
    told = {option.replace("-", "_") for option in re.findall(r"`--([a-z-]+)", text)}
    commands = (ExtractCommand, EditCommand, EvaluateCommand, ModelOptions, PhotoOptions)
    known = {name for command in commands for name in command.__dataclass_fields__}
    assert told
    assert told <= known | {"json"}
