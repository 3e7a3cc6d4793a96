from pathlib import Path
from typing import Any

import pytest

from ftkit.data.readers import open_table
from ftkit.errors import DataError
from ftkit.types import Row

CONTENT = """\
# sent_id = de-1
# text = Er ist im Haus.
1\tEr\ter\tPRON\tPPER\tCase=Nom\t4\tnsubj\t_\t_
2\tist\tsein\tAUX\tVAFIN\t_\t4\tcop\t_\t_
3-4\tim\t_\t_\t_\t_\t_\t_\t_\t_
3\tin\tin\tADP\tAPPR\t_\t5\tcase\t_\t_
4\tdem\tder\tDET\tART\t_\t5\tdet\t_\t_
5\tHaus\tHaus\tNOUN\tNN\t_\t0\troot\t_\tSpaceAfter=No
5.1\tnull\t_\tX\t_\t_\t_\t_\t_\t_
6\t_\t_\tPUNCT\t_\t_\t5\tpunct\t_\t_

1\tNA\tNA\t_\t_\t_\t0\troot\t_\t_
"""


def rows(tmp_path: Path, content: str) -> list[Row]:
    path = tmp_path / "a.conllu"
    path.write_text(content, encoding="utf-8")
    return list(open_table(str(path)).rows)


def test_words_are_the_syntactic_ones_and_tags_the_universal_ones(tmp_path: Path) -> None:
    first, second = rows(tmp_path, CONTENT)
    assert first.values["tokens"] == ["Er", "ist", "in", "dem", "Haus", "_"]
    assert first.values["tags"] == ["PRON", "AUX", "ADP", "DET", "NOUN", "PUNCT"]
    assert first.values["xpos"] == ["PPER", "VAFIN", "APPR", "ART", "NN", None]
    assert (first.line, first.values["sent_id"]) == (3, "de-1")
    assert (second.line, second.values["sent_id"], second.values["tokens"]) == (12, None, ["NA"])
    assert second.values["tags"] == [None]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1\tthe\tDET", "line 1: 3 columns between tabs, but CoNLL-U has 10"),
        ("1 the the DET _ _ 0 root _ _", "line 1: 1 columns between tabs"),
        ("one\tthe\tthe\tDET\t_\t_\t0\troot\t_\t_", "line 1: the number of the word is 'one'"),
        ("1\t\tthe\tDET\t_\t_\t0\troot\t_\t_", "line 1: the word is empty"),
        ("# nothing", "is empty: it has no words"),
    ],
)
def test_what_is_no_conllu(tmp_path: Path, line: str, message: Any) -> None:
    with pytest.raises(DataError) as caught:
        rows(tmp_path, line + "\n")
    assert message in str(caught.value)
