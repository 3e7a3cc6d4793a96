"""README and docs: every command and every piece of Python in them is run, in their order."""

import json
import re

import pytest

from documents import NOT_RUN_HERE, ROOT, place, run_blocks, shell

__all__ = ["place"]


def test_the_readme_does_what_it_says(place):
    done = run_blocks(ROOT / "README.md", place)
    assert "bash scripts/quickstart.sh" in done
    for run in ("quickstart", "my_run", "short", "python", "two", "pulled"):
        assert (place / "runs" / run / "all_results.json").is_file()
    assert len((place / "predictions.jsonl").read_text().splitlines()) > 50
    assert '"accuracy"' in (place / "scores.json").read_text()


def test_a_task_of_ones_own_is_one_short_file(place):
    run_blocks(ROOT / "docs" / "own_task.md", place)
    assert (place / "runs" / "tickets" / "all_results.json").is_file()
    assert len((place / "tickets.py").read_text().splitlines()) < 60
    command = "ftkit evaluate runs/tickets --data tickets.csv"
    assert '"matthews_correlation"' in shell(f"{command} --task tickets.py:TICKETS", place)
    with pytest.raises(AssertionError, match=r"--task tickets.py:TICKETS"):
        shell(command, place)  # a run is data: code that it names is not run
    (place / "tickets.py").rename(place / "gone.py")
    with pytest.raises(AssertionError, match=r"no file 'tickets.py'"):
        shell(f"{command} --task tickets.py:TICKETS", place)


def test_a_kind_of_ones_own_is_one_short_file(place):
    teams = {"billing": "I was charged twice", "shipping": "it has not arrived", "technical": "it does not start"}
    rows = [
        {
            "messages": [{"from": "agent", "text": "hello"}, {"from": "customer", "text": f"{text} {number}"}],
            "team": team,
        }
        for number in range(8)
        for team, text in teams.items()
    ]
    (place / "threads.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    run_blocks(ROOT / "docs" / "own_kind.md", place)
    assert (place / "runs" / "threads" / "all_results.json").is_file()
    shell("ftkit predict runs/threads --input threads.jsonl --output t.jsonl --task threads.py:THREADS", place)
    assert len((place / "t.jsonl").read_text().splitlines()) == len(rows)
    named = r"kind of its own, thread-classification(.|\n)*--task threads.py:THREADS"
    with pytest.raises(AssertionError, match=named):
        shell("ftkit predict runs/threads --input threads.jsonl", place)  # a run is data: its code is not imported
    with pytest.raises(AssertionError, match="no role 'text'"):
        shell("ftkit train threads.yaml data.columns.text=messages output_dir=runs/no", place)
    with pytest.raises(AssertionError, match=r"data\.last_message: no such key.*Did you mean 'last_messages'"):
        shell("ftkit train threads.yaml data.last_message=2 output_dir=runs/no", place)


def test_ci_runs_the_test_command_of_the_readme():
    assert NOT_RUN_HERE in (ROOT / "README.md").read_text(encoding="utf-8")
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-1] == NOT_RUN_HERE


def test_every_link_leads_somewhere():
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name}: {target}"
